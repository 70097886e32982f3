//! The report for a terminal.
//!
//! What a plan does comes first, what it holds back next and under its own heading, then what was passed over
//! or not read, and last the one line that sums it up. Nothing is cut without saying so.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use muster_model::{Failure, Scope};
use muster_plan::{Action, Change, Plan, ScopeLine};

use super::{
    Options,
    advice::advice,
    escape::{Shown, shown},
    view,
    wrap::{shorten, width, wrap},
};

/// How many skipped databases of one reason are listed unless all are asked for.
const SKIPPED_SHOWN: usize = 3;
/// The columns that even the narrowest report takes.
const NARROWEST: usize = 40;
/// Where particulars begin that do not fit into their column.
const INDENT: usize = 6;
/// The longest name that is written in full; no provider allows as much.
const LONGEST_NAME: usize = 256;

const HEADING: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const ALARM: Style = AnsiColor::Yellow.on_default().bold();

pub(super) fn write(plan: &Plan, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let columns = Columns::of(plan, options);
    let mut text = Text {
        out,
        color: options.color,
        columns,
    };
    text.scanned(plan)?;
    let mut first = true;
    for change in view::visible(plan, options).filter(|change| change.action != Action::Held) {
        if std::mem::take(&mut first) {
            text.line("")?;
        }
        text.change(change)?;
    }
    text.held(plan)?;
    text.skipped(plan, options)?;
    text.scopes("Incomplete scopes", ALARM, view::incomplete(plan))?;
    text.scopes("Warnings of complete scopes", HEADING, view::warned(plan))?;
    text.notes(&view::notes(plan, options))?;
    text.line("")?;
    if let Some(sentence) = view::no_changes(plan) {
        text.wrapped(&sentence, 0)?;
    }
    // One line, however narrow: scripts look for it.
    text.styled(HEADING, &view::summary(&plan.summary))?;
    text.line("")
}

/// The widths of a report. A row is a sign, a name, a protocol or kind, and the particulars.
struct Columns {
    /// Of the whole report.
    width: usize,
    /// Of the name column.
    name: usize,
    /// Of the column of protocols, and of that of kinds.
    protocol: usize,
    kind: usize,
}

/// The report as it is written.
struct Text<'a> {
    out: &'a mut dyn Write,
    color: bool,
    columns: Columns,
}

impl Columns {
    fn of(plan: &Plan, options: &Options) -> Self {
        let total = options.width.max(NARROWEST);
        // A longer name gets a line of its own.
        let widest = total * 45 / 100;
        let mut columns = Self {
            width: total,
            name: 16,
            protocol: 0,
            kind: 0,
        };
        let mut name = |text: &str| {
            let width = width(&shown(text));
            if width <= widest {
                columns.name = columns.name.max(width);
            }
        };
        for change in view::visible(plan, options) {
            name(&change.name);
            columns.protocol = columns.protocol.max(change.protocol.as_str().len());
        }
        for line in view::skipped(plan)
            .values()
            .flat_map(|lines| lines.iter().take(limit(options)))
        {
            name(&line.name);
            columns.kind = columns.kind.max(line.kind.as_str().len());
        }
        columns
    }
}

impl Text<'_> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    fn styled(&mut self, style: Style, text: &str) -> io::Result<()> {
        if self.color && !text.is_empty() {
            write!(self.out, "{style}{text}{style:#}")
        } else {
            write!(self.out, "{text}")
        }
    }

    fn heading(&mut self, style: Style, title: &str) -> io::Result<()> {
        self.line("")?;
        self.sentence(style, title)
    }

    /// A line of its own, wrapped, from the first column on.
    fn sentence(&mut self, style: Style, text: &str) -> io::Result<()> {
        for line in wrap(text, self.columns.width) {
            self.styled(style, line)?;
            self.line("")?;
        }
        Ok(())
    }

    /// Writes `text`, wrapped, from column `indent` on. The first line goes where the cursor is.
    fn wrapped(&mut self, text: &str, indent: usize) -> io::Result<()> {
        let room = self.columns.width.saturating_sub(indent).max(NARROWEST / 2);
        for (number, line) in wrap(text, room).into_iter().enumerate() {
            if number > 0 {
                write!(self.out, "{:indent$}", "")?;
            }
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    /// A label and a text, indented, the text wrapped under itself.
    fn item(&mut self, indent: usize, label: &str, text: &str) -> io::Result<()> {
        write!(self.out, "{:indent$}{label}", "")?;
        self.wrapped(text, indent + width(label))
    }

    fn scanned(&mut self, plan: &Plan) -> io::Result<()> {
        let mut text = format!(
            "Scanned {}",
            view::count(plan.scopes.len(), "scope", "scopes")
        );
        if !plan.scopes.is_empty() {
            text += &format!(
                ", found {}: {}",
                view::count(view::found(plan), "database", "databases"),
                view::coverages(plan)
            );
        }
        let why: Vec<_> = view::incomplete(plan)
            .map(|line| (&*line.scope, line.coverage.failures()))
            .collect();
        if let [(scope, failures)] = why.as_slice() {
            let cause = because(scope, failures);
            if width(&text) + width(&cause) + 3 <= self.columns.width {
                return self.line(&format!("{text} ({cause})"));
            }
        }
        self.wrapped(&text, 0)?;
        for line in view::incomplete(plan) {
            self.item(
                2,
                &format!("{:<9}", line.coverage.as_str()),
                &because(&line.scope, line.coverage.failures()),
            )?;
        }
        Ok(())
    }

    /// A row. Particulars that fit stand in their column; the others get the width of the report, below and
    /// indented.
    fn row(
        &mut self,
        style: Style,
        sign: char,
        name: &str,
        word: (&str, usize),
        details: &[String],
    ) -> io::Result<()> {
        self.styled(style, &format!("  {sign} "))?;
        let name = shorten(&shown(name), LONGEST_NAME);
        let column = self.columns.name;
        let (word, words) = word;
        if width(&name) > column {
            self.wrapped(&name, 4)?;
            write!(self.out, "{:indent$}  {word}", "", indent = 4 + column)?;
        } else {
            write!(
                self.out,
                "{name}{:pad$}  {word}",
                "",
                pad = column - width(&name)
            )?;
        }
        let indent = 4 + column + 2 + words + 2;
        let room = self.columns.width.saturating_sub(indent);
        let mut rest = details;
        if let [first, others @ ..] = details
            && width(first) <= room
        {
            write!(
                self.out,
                "{:pad$}  {first}",
                "",
                pad = words.saturating_sub(word.len())
            )?;
            rest = others;
        }
        self.line("")?;
        let indent = if rest.iter().all(|detail| width(detail) <= room) {
            indent
        } else {
            INDENT
        };
        for detail in rest {
            self.item(indent, "", detail)?;
        }
        Ok(())
    }

    fn change(&mut self, change: &Change) -> io::Result<()> {
        let mut details = Vec::new();
        if change.action == Action::Held {
            details.push(view::hold(change.hold.as_ref()));
        }
        if change.action != Action::Update || change.fields.is_empty() {
            details.push(shown(&change.reason).into_owned());
        }
        details.extend(change.fields.iter().map(|field| {
            let (from, to) = (
                view::side(field.from.as_deref()),
                view::side(field.to.as_deref()),
            );
            format!("{}: {} -> {}", Shown(&field.field), Shown(from), Shown(to))
        }));
        if view::says_state(change) {
            details.push(format!("state: {}", Shown(&change.state.name)));
        }
        details.extend(change.shadowed.iter().map(|tag| {
            format!(
                "tag not used, its key is muster's own: {}={}",
                Shown(&tag.key),
                Shown(&tag.value)
            )
        }));
        details.extend(
            change
                .notes
                .iter()
                .map(|note| format!("note: {}", Shown(note))),
        );
        let word = (change.protocol.as_str(), self.columns.protocol);
        self.row(
            style(change.action),
            view::sign(change.action),
            &change.name,
            word,
            &details,
        )
    }

    fn held(&mut self, plan: &Plan) -> io::Result<()> {
        let held = || {
            plan.changes
                .iter()
                .filter(|change| change.action == Action::Held)
        };
        let number = held().count();
        if number == 0 {
            return Ok(());
        }
        self.heading(
            ALARM,
            &format!("Held ({number}): these would change, and a safety keeps them as they are"),
        )?;
        for change in held() {
            self.change(change)?;
        }
        Ok(())
    }

    fn skipped(&mut self, plan: &Plan, options: &Options) -> io::Result<()> {
        if plan.skipped.is_empty() {
            return Ok(());
        }
        self.heading(HEADING, &format!("Skipped ({})", plan.skipped.len()))?;
        for (code, lines) in view::skipped(plan) {
            let mut title = format!("{} ({})", Shown(code), lines.len());
            // One reason for all is said once.
            let shared = view::shared_reason(&lines);
            if let Some(reason) = shared {
                title += &format!(": {}", Shown(reason));
            }
            self.item(2, "", &title)?;
            for line in lines.iter().take(limit(options)) {
                let reason = if shared.is_some() {
                    None
                } else {
                    Some(shown(&line.reason).into_owned())
                };
                self.row(
                    DIM,
                    ' ',
                    &line.name,
                    (line.kind.as_str(), self.columns.kind),
                    reason.as_slice(),
                )?;
            }
            let more = lines.len().saturating_sub(limit(options));
            if more > 0 {
                self.styled(DIM, &format!("    and {more} more (--show-skipped)"))?;
                self.line("")?;
            }
        }
        Ok(())
    }

    fn scopes<'a>(
        &mut self,
        title: &str,
        style: Style,
        lines: impl Iterator<Item = &'a ScopeLine> + Clone,
    ) -> io::Result<()> {
        let number = lines.clone().count();
        if number == 0 {
            return Ok(());
        }
        self.heading(style, &format!("{title} ({number})"))?;
        for line in lines {
            self.scope(line)?;
        }
        Ok(())
    }

    fn scope(&mut self, line: &ScopeLine) -> io::Result<()> {
        let consequence = if line.coverage.is_complete() {
            ""
        } else {
            "; nothing of it is removed"
        };
        let found = view::count(line.found, "database", "databases");
        let scope = line.scope.to_string();
        self.item(
            2,
            "",
            &format!(
                "{}: {}, {found} found{consequence}",
                Shown(&scope),
                line.coverage.as_str()
            ),
        )?;
        for failure in line.coverage.failures() {
            self.failure("", failure, &line.scope)?;
        }
        for failure in &line.warnings {
            self.failure("warning: ", failure, &line.scope)?;
        }
        for record in &line.malformed {
            let id = record
                .provider_id
                .as_deref()
                .unwrap_or("a record without an id");
            self.item(
                4,
                "malformed: ",
                &format!("{} in {}", Shown(id), Shown(&record.call)),
            )?;
            self.item(6, "", &shown(&record.message))?;
        }
        Ok(())
    }

    fn failure(&mut self, label: &str, failure: &Failure, scope: &Scope) -> io::Result<()> {
        self.item(
            4,
            label,
            &format!("{} {}", failure.reason, Shown(&failure.call)),
        )?;
        self.item(6, "", &shown(&failure.message))?;
        if let Some(permission) = &failure.permission {
            self.item(6, "missing permission: ", &shown(permission))?;
        }
        self.item(6, "what to do: ", &shown(&advice(failure, scope)))
    }

    fn notes(&mut self, notes: &[String]) -> io::Result<()> {
        if notes.is_empty() {
            return Ok(());
        }
        self.heading(HEADING, &format!("Notes ({})", notes.len()))?;
        for note in notes {
            self.item(2, "- ", &shown(note))?;
        }
        Ok(())
    }
}

fn because(scope: &Scope, failures: &[Failure]) -> String {
    format!(
        "{}: {}",
        Shown(&scope.to_string()),
        Shown(&view::causes(failures))
    )
}

fn limit(options: &Options) -> usize {
    if options.show_skipped {
        usize::MAX
    } else {
        SKIPPED_SHOWN
    }
}

const fn style(action: Action) -> Style {
    match action {
        Action::Add => AnsiColor::Green.on_default(),
        Action::Update => AnsiColor::Yellow.on_default(),
        Action::Remove => AnsiColor::Red.on_default(),
        Action::Keep => DIM,
        Action::Held => ALARM,
    }
}
