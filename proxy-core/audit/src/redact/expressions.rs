//! `password = crypt('secret', gen_salt('bf'))`: literals that belong to an expression about a secret, wherever in it.
//!
//! A statement is taken apart at commas and at the words between its clauses, inside of each pair of parentheses anew. What
//! is between two of them and has the name of a secret in it, at any depth, and an operator beside that, is such an
//! expression, and so is what has a connection string in it whose password comes from elsewhere. All of its literals go.
//! Each literal waits in one list for those around it to be judged, so that each is looked at once.

use std::ops::Range;

use super::{
    lex::{Kind, Token},
    scan::seen,
};

/// What a token is to an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The name of a column, an option or a function that is a secret's.
    Name,
    /// A literal that is such a name: `set_config('app.password', ...)`.
    Key,
    /// A literal with `password=` and no value, or a placeholder for one.
    Open,
    /// A literal that ends in the value of such a pair, which may go on in another one.
    Tail,
    /// Any other literal.
    Literal,
    /// Something else.
    Other,
}

/// A literal or placeholder that is not judged yet.
struct Waiting {
    part: Range<usize>,
    role: Role,
}

/// What was seen between two commas.
#[derive(Default)]
struct Part {
    /// The first that waits of it.
    first: usize,
    tokens: usize,
    name: bool,
    key: bool,
    open: bool,
    tail: bool,
    operator: bool,
    /// The next `and` belongs to BETWEEN.
    between: bool,
    /// SET PASSWORD FOR somebody.
    of_user: bool,
}

/// A pair of parentheses, or CASE.
#[derive(Default)]
struct Level {
    is_case: bool,
    /// Behind IN: that one of several is called like a secret says nothing of the others.
    is_list: bool,
    /// The arguments of a function that is called a secret's.
    called: bool,
    /// All that is in it is secret.
    all: bool,
    /// It is in an expression about a secret.
    within: bool,
    first: usize,
    name: bool,
    key: bool,
    open: bool,
    part: Part,
}

/// A statement, token by token.
#[derive(Default)]
pub(super) struct Expressions {
    outer: Level,
    inner: Vec<Level>,
    waiting: Vec<Waiting>,
    /// The token before, in lower case if it is a word.
    last: Vec<u8>,
    last_role: Option<Role>,
    pub(super) masks: Vec<Range<usize>>,
    pub(super) bound: bool,
}

/// Words at which an expression ends.
const ENDS: [&[u8]; 25] = [
    b"where",
    b"and",
    b"or",
    b"returning",
    b"select",
    b"from",
    b"values",
    b"having",
    b"on",
    b"group",
    b"order",
    b"limit",
    b"union",
    b"intersect",
    b"except",
    b"join",
    b"when",
    b"then",
    b"else",
    b"set",
    b"into",
    b"begin",
    b"loop",
    b"if",
    b"return",
];

/// Words that are as good as an operator.
const OPERATORS: [&[u8]; 9] = [
    b"in",
    b"like",
    b"ilike",
    b"similar",
    b"regexp",
    b"rlike",
    b"between",
    b"distinct",
    b"default",
];

impl Expressions {
    fn level(&mut self) -> &mut Level {
        self.inner.last_mut().unwrap_or(&mut self.outer)
    }

    fn part(&mut self) -> &mut Part {
        &mut self.level().part
    }

    /// Takes the next token. `next` is the one behind it.
    pub(super) fn see(&mut self, text: &[u8], token: &Token, role: Role, next: Option<&Token>) {
        seen(1);
        let bytes = |token: &Token| text.get(token.all.clone()).unwrap_or(&[]);
        let word = if token.kind == Kind::Word {
            bytes(token).to_ascii_lowercase()
        } else {
            Vec::new()
        };
        let behind_dot = self.last == b".";
        let is = |next: &Token, word: &[u8]| bytes(next).eq_ignore_ascii_case(word);
        match token.kind {
            Kind::Comment => return,
            Kind::Punct(b';') => {
                while !self.inner.is_empty() {
                    self.close();
                }
                self.end_part();
            }
            Kind::Punct(b',') => self.end_part(),
            Kind::Punct(b'(' | b'[') => {
                let called = self.last_role == Some(Role::Name);
                let is_list = self.last == b"in";
                self.open(Level {
                    called,
                    all: called,
                    is_list,
                    ..Level::default()
                });
            }
            Kind::Punct(b')' | b']') => {
                while self.inner.last().is_some_and(|level| level.is_case) {
                    self.close();
                }
                self.close();
            }
            Kind::Word if word == b"case" && self.last != b"end" => self.open(Level {
                is_case: true,
                ..Level::default()
            }),
            Kind::Word if word == b"end" => {
                if self.inner.last().is_some_and(|level| level.is_case) {
                    self.close();
                }
            }
            Kind::Word if word == b"and" && self.part().between => self.part().between = false,
            Kind::Word if word == b"from" && self.last == b"distinct" => {}
            Kind::Word if word == b"set" && next.is_some_and(|next| is(next, b"default")) => {}
            Kind::Word if role == Role::Other && !behind_dot && ENDS.contains(&&*word) => {
                self.end_part();
            }
            _ => self.inside(token, role, &word, next),
        }
        self.last_role = Some(role);
        self.last = match token.kind {
            Kind::Punct(byte) => vec![byte],
            _ => word,
        };
    }

    /// Takes a token that is part of an expression.
    fn inside(&mut self, token: &Token, role: Role, word: &[u8], next: Option<&Token>) {
        let waiting = self.waiting.len();
        let as_name = role == Role::Name && self.last == b"as";
        let behind_name = self.last_role == Some(Role::Name);
        let of_user = word == b"for" && behind_name;
        let goes_on = next.is_some_and(|next| {
            next.is_literal() || matches!(next.kind, Kind::Comment | Kind::Punct(b'|' | b'+'))
        });
        let dotted = self.last == b"."
            || next.is_some_and(|next| matches!(next.kind, Kind::Punct(b'.' | b'(')));
        let part = self.part();
        part.tokens += 1;
        match role {
            Role::Name => part.name = true,
            Role::Key => part.key = true,
            Role::Open => part.open = true,
            Role::Tail => part.tail |= goes_on,
            Role::Literal | Role::Other => {}
        }
        let operator = match token.kind {
            Kind::Punct(b'=' | b'<' | b'>' | b'~' | b'!' | b'|' | b'+') => true,
            // GRANT ... TO somebody is none.
            Kind::Word if word == b"to" => behind_name,
            Kind::Word => OPERATORS.contains(&word),
            _ => false,
        };
        part.operator |= operator || as_name;
        part.between |= word == b"between";
        part.of_user |= of_user;
        if part.of_user && (token.kind == Kind::Punct(b'=') || word == b"to") {
            part.of_user = false;
            part.first = waiting;
        }
        let waits = match token.kind {
            Kind::Text | Kind::Dollar | Kind::Placeholder => true,
            // A literal in some databases, the name of another column in others.
            Kind::Quoted => part.operator && role != Role::Name && !dotted,
            _ => false,
        };
        if waits {
            let part = token.inner.clone();
            let role = if token.kind == Kind::Placeholder {
                Role::Other
            } else {
                role
            };
            self.waiting.push(Waiting { part, role });
        }
    }

    fn open(&mut self, mut level: Level) {
        let outer = self.level();
        outer.part.tokens += 1;
        level.within = outer.within || outer.part.name && outer.part.operator;
        level.first = self.waiting.len();
        level.part.first = level.first;
        self.inner.push(level);
    }

    fn end_part(&mut self) {
        let Part {
            first,
            tokens,
            name,
            key,
            open,
            tail,
            operator,
            ..
        } = std::mem::take(self.part());
        let named = name && operator;
        if named || open || tail || key && operator {
            self.judge(first, named, named || open || tail);
        }
        if self.inner.is_empty() {
            self.waiting.clear();
        }
        let first = self.waiting.len();
        let level = self.level();
        level.part.first = first;
        level.name |= name;
        level.key |= key;
        level.open |= open;
        // In a list of arguments: the others are what is put in, or what has that name.
        level.all |= open || key && tokens == 1 && !level.is_list && !level.is_case;
    }

    fn close(&mut self) {
        if self.inner.is_empty() {
            return;
        }
        self.end_part();
        let Some(level) = self.inner.pop() else {
            return;
        };
        if level.all {
            let named = level.called || level.name || level.within;
            self.judge(level.first, named, named || level.open);
        }
        let part = self.part();
        part.name |= level.name;
        part.key |= level.key && !level.is_list;
        part.open |= level.open;
    }

    /// Masks all that waits from `first` on: with `whole` those too whose own pairs are masked. If only a literal says that
    /// there is a secret, and there is no other one, it is none itself.
    fn judge(&mut self, first: usize, whole: bool, certain: bool) {
        let first = first.min(self.waiting.len());
        let whole = whole || self.level().within;
        seen(self.waiting.len() - first);
        let is_literal = |waiting: &Waiting| waiting.role != Role::Other;
        let literals = self.waiting.iter().skip(first).filter(|it| is_literal(it));
        seen(self.waiting.len() - first);
        let is_alone = !certain && literals.count() < 2;
        for waiting in self.waiting.split_off(first) {
            match waiting.role {
                Role::Other => self.bound = true,
                _ if is_alone => self.waiting.push(waiting),
                Role::Open | Role::Tail if !whole => {}
                _ => self.masks.push(waiting.part),
            }
        }
    }

    /// The statement is over.
    pub(super) fn end(&mut self) {
        while !self.inner.is_empty() {
            self.close();
        }
        self.end_part();
    }
}
