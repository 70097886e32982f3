//! The databases as an operator sees them: those of the store, of the configuration and of records.

use std::io::{self, Write};

use muster_model::{Origin, Target, fact};

use super::{
    super::{
        Common, Failure, ListFormat, context::Context, explain::find, label_lines, print, targets,
    },
    Ls, Show, selector,
};
use crate::{
    exit::Exit,
    pipeline::state::State,
    report::{
        escape::shown,
        table::{Column, table},
    },
};

impl Ls {
    pub(super) fn of_all(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        let (state, _store) = context.state()?;
        let state = targets::with_written(common, &context.config, state);
        self.list(&state)
    }

    fn list(self, state: &State) -> Result<Exit, Failure> {
        let selector = selector(&self.labels)?;
        let words: Vec<String> = self.search.iter().map(|word| word.to_lowercase()).collect();
        let mut targets: Vec<&Target> = state
            .targets
            .values()
            .filter(|target| {
                selector
                    .as_ref()
                    .is_none_or(|selector| selector.matches(|key| target.labels.value(key)).is_ok())
            })
            .filter(|target| words.iter().all(|word| text(target).contains(word)))
            .collect();
        targets.sort_by(|a, b| a.name.cmp(&b.name));
        let columns = [
            Column {
                title: "name",
                wide: false,
                cell: |target: &&Target| target.name.as_str().into(),
            },
            Column {
                title: "description",
                wide: false,
                cell: |target| description(target).into(),
            },
            Column {
                title: "protocol",
                wide: true,
                cell: |target| target.protocol.as_str().into(),
            },
            Column {
                title: "endpoint",
                wide: true,
                cell: |target| {
                    target
                        .endpoint
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default()
                        .into()
                },
            },
            Column {
                title: "state",
                wide: false,
                cell: |target| target.state.name.as_str().into(),
            },
            Column {
                title: "labels",
                wide: false,
                cell: |target| labels(target, false).into(),
            },
            Column {
                title: "derived labels",
                wide: true,
                cell: |target| labels(target, true).into(),
            },
            Column {
                title: "id",
                wide: true,
                cell: |target| target.id.as_str().into(),
            },
        ];
        print(|out| table(&columns, &targets, self.output, out))?;
        Ok(Exit::Done)
    }
}

fn description(target: &Target) -> &str {
    target
        .facts
        .get(fact::DESCRIPTION)
        .map_or("", String::as_str)
}

/// The labels that muster derived itself, or all others.
fn labels(target: &Target, derived: bool) -> String {
    let mine = target
        .labels
        .iter()
        .filter(|(_, label)| (label.origin == Origin::Derived) == derived);
    mine.map(|(key, label)| format!("{key}={}", label.value))
        .collect::<Vec<_>>()
        .join(",")
}

impl Show {
    pub(super) fn of_all(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        let (state, _store) = context.state()?;
        let state = targets::with_written(common, &context.config, state);
        self.show(&state)
    }

    fn show(self, state: &State) -> Result<Exit, Failure> {
        let target = find(state.targets.values(), &self.database, |target| {
            [
                target.name.as_str(),
                target.short_name.as_str(),
                target.id.as_str(),
                target.id.provider_id(),
            ]
        })
        .map_err(|candidates| nobody(&self.database, &candidates, state))?;
        match self.output {
            ListFormat::Table | ListFormat::Wide => print(|out| show(target, out))?,
            other => {
                let columns = [
                    Column {
                        title: "name",
                        wide: false,
                        cell: |target: &&Target| target.name.as_str().into(),
                    },
                    Column {
                        title: "id",
                        wide: false,
                        cell: |target| target.id.as_str().into(),
                    },
                ];
                print(|out| table(&columns, &[target], other, out))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn show(target: &Target, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", shown(&target.name))?;
    let mut line = |field: &str, value: &str| match value {
        "" => Ok(()),
        value => writeln!(out, "  {field:<16} {}", shown(value)),
    };
    line("short name", &target.short_name)?;
    line("description", description(target))?;
    line("id", target.id.as_str())?;
    line("kind", target.kind.as_str())?;
    line("protocol", target.protocol.as_str())?;
    line(
        "engine",
        format!("{} {}", target.engine, target.engine_version).trim(),
    )?;
    line(
        "endpoint",
        &target
            .endpoint
            .as_ref()
            .map_or_else(|| "none".to_owned(), ToString::to_string),
    )?;
    line(
        "tls server name",
        target.tls_server_name.as_deref().unwrap_or_default(),
    )?;
    line(
        "state",
        &format!("{} ({})", target.state.name, target.state.availability),
    )?;
    line("scope", &target.scope.to_string())?;
    let owner = match target.owner.group.as_str() {
        // What the configuration or a record names is of no group.
        "" => target.owner.by.to_string(),
        group => format!("{} of group {group}", target.owner.by),
    };
    line("owner", &owner)?;
    line("reason", &target.reason)?;
    for (title, facts) in [("facts", &target.facts), ("hints", &target.hints)] {
        if !facts.is_empty() {
            writeln!(out, "{title}")?;
        }
        for (name, value) in facts.iter().filter(|(name, _)| *name != fact::DESCRIPTION) {
            writeln!(out, "  {:<16} {}", shown(name), shown(value))?;
        }
    }
    writeln!(out, "labels")?;
    label_lines(&target.labels, out)
}

fn nobody(name: &str, candidates: &[String], state: &State) -> Failure {
    let failure = Failure::new(format!("cannot show `{name}`"));
    match candidates {
        [] => failure
            .because(format!("none of the {} enrolled databases is called so", state.targets.len()))
            .hint(format!("`muster explain {name}` says why it is not enrolled; `muster db ls` lists those that are")),
        several => failure
            .because(format!("several databases are called so: {}", several.join(", ")))
            .hint("use the whole name or the id"),
    }
}

fn text(target: &Target) -> String {
    let mut text = format!("{} {} {}", target.name, target.short_name, target.kind);
    text += target
        .facts
        .get(fact::DESCRIPTION)
        .map_or("", String::as_str);
    for (key, value) in target.labels.values() {
        text += &format!(" {key}={value}");
    }
    text.to_lowercase()
}
