//! [`Words`]: database users, names and roles as a role lists them.

use crate::{
    template::{Template, TemplateError},
    user::Traits,
};

/// The most words that a list may have.
const MAX_WORDS: usize = 4096;

/// The longest word, in bytes.
const MAX_WORD: usize = 1024;

/// A list of names, each exact, `*`, or a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<Word>);

/// One entry of such a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// `*`: any.
    Any,
    /// That name, in upper and lower case as it is written.
    Literal(String),
    /// What the template stands for; `*` there is any, too.
    Template(Template),
}

/// Why a text cannot stand in such a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// It is empty.
    #[error("a name is empty")]
    Empty,
    /// It is too long.
    #[error("a name has at most {MAX_WORD} bytes")]
    TooLong,
    /// There are too many.
    #[error("a list has at most {MAX_WORDS} names")]
    TooMany,
    /// It is a template that cannot be understood.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl Words {
    /// Any.
    pub fn any() -> Self {
        Self(vec![Word::Any])
    }

    /// Reads the entries.
    ///
    /// # Errors
    /// The first that cannot be understood.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, WordError> {
        let mut words = Vec::new();
        for text in texts {
            if words.len() == MAX_WORDS {
                return Err(WordError::TooMany);
            }
            words.push(Word::parse(text.as_ref())?);
        }
        Ok(Self(words))
    }

    /// The entry that matches the name, for somebody with these traits.
    pub fn find(&self, name: &str, traits: &Traits) -> Option<&Word> {
        self.0.iter().find(|word| word.matches(name, traits))
    }

    /// The entry that matches any name, for somebody with these traits.
    pub fn find_any(&self, traits: &Traits) -> Option<&Word> {
        self.0.iter().find(|word| match word {
            Word::Any => true,
            Word::Literal(_) => false,
            Word::Template(template) => template.any(traits, |value| value == "*"),
        })
    }

    /// What the entries stand for, for somebody with these traits; `*` among them is any.
    pub fn values(&self, traits: &Traits) -> Vec<String> {
        self.0.iter().flat_map(|word| word.values(traits)).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, in the order of the record.
    pub fn iter(&self) -> std::slice::Iter<'_, Word> {
        self.0.iter()
    }

    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        self.0.iter().filter_map(|word| match word {
            Word::Template(template) => Some(template),
            _ => None,
        })
    }
}

impl Word {
    /// Reads one entry.
    ///
    /// # Errors
    /// When it is empty, too long, or a template that cannot be understood.
    pub fn parse(text: &str) -> Result<Self, WordError> {
        if text.is_empty() {
            return Err(WordError::Empty);
        }
        if text.len() > MAX_WORD {
            return Err(WordError::TooLong);
        }
        Ok(if text == "*" {
            Self::Any
        } else if Template::is_one(text) {
            Self::Template(Template::parse(text)?)
        } else {
            Self::Literal(text.to_owned())
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::Literal(text) => text,
            Self::Template(template) => template.as_str(),
        }
    }

    /// What it stands for, for somebody with these traits; `*` is any.
    pub fn values(&self, traits: &Traits) -> Vec<String> {
        match self {
            Self::Template(template) => template.values(traits),
            other => vec![other.as_str().to_owned()],
        }
    }

    fn matches(&self, name: &str, traits: &Traits) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(text) => text == name,
            Self::Template(template) => template.any(traits, |value| value == "*" || value == name),
        }
    }
}
