//! `muster user add|ls|update|reset|rm`: the people who may enter.

mod invited;

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use serde_json::{Map, Value, json};

use super::{
    Common, Failure, ListFormat,
    authority::{Life, Reached, nonsense, text_at, texts_at, warn_of},
    print,
};
use crate::{
    authority::{Answer, Command, Document, How, Kind},
    exit::Exit,
    report::{
        escape::shown,
        table::{Column, table},
    },
};

/// Subcommands of `muster user`.
#[derive(Subcommand, Debug)]
pub enum User {
    /// Add a user, and print the invitation with which they choose a password.
    Add(Add),
    /// List users.
    Ls(Ls),
    /// Change a user's roles and traits.
    Update(Update),
    /// Invite a user anew. The old password and second factor are worthless at once.
    Reset(Reset),
    /// Remove a user. Sessions that are open end at once.
    Rm(Rm),
}

/// What templates in roles are filled from.
#[derive(Args, Debug, Default)]
struct Traits {
    /// Database users, for roles that say `{{internal.db_users}}`.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    db_users: Option<Vec<String>>,
    /// Database names, for roles that say `{{internal.db_names}}`.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    db_names: Option<Vec<String>>,
    /// Other traits, for roles that say `{{external.KEY}}`; several values with commas.
    #[arg(long, value_name = "KEY=VALUES", value_parser = pair)]
    traits: Vec<(String, Vec<String>)>,
}

/// Arguments of `muster user add`.
#[derive(Args, Debug)]
#[command(after_help = "\
The invitation is shown once, and only its hash is kept. Whoever has it chooses a password, and sets up a second factor \
where a role demands one. Hand it over by a way that only that person reads.")]
pub struct Add {
    /// The user's name.
    name: String,
    /// The roles.
    #[arg(long, required = true, value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    roles: Vec<String>,
    #[command(flatten)]
    traits: Traits,
    /// How long the invitation lives, from 1m to 30d.
    #[arg(long, default_value = "1d")]
    ttl: Life,
}

/// Arguments of `muster user ls`.
#[derive(Args, Debug)]
pub struct Ls {
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

/// Arguments of `muster user update`.
#[derive(Args, Debug)]
#[command(after_help = "\
What is not named stays as it is. A trait without values is taken away: `--traits team=`. Certificates that the user has \
carry the old roles; of these, only those count that the user still has.")]
pub struct Update {
    /// The user's name.
    name: String,
    /// All roles from now on.
    #[arg(long, value_delimiter = ',')]
    roles: Option<Vec<String>>,
    #[command(flatten)]
    traits: Traits,
}

/// Arguments of `muster user reset`.
#[derive(Args, Debug)]
pub struct Reset {
    /// The user's name.
    name: String,
    /// How long the invitation lives, from 1m to 30d.
    #[arg(long, default_value = "1d")]
    ttl: Life,
}

/// Arguments of `muster user rm`.
#[derive(Args, Debug)]
pub struct Rm {
    /// The user's name.
    name: String,
}

impl User {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Self::Add(args) => args.run(common),
            Self::Ls(args) => args.run(common),
            Self::Update(args) => args.run(common),
            Self::Reset(args) => {
                let (user, seconds) = (args.name, args.ttl.0);
                let reached = Reached::look(common)?;
                let answer = reached.ask(Command::Reset { user, seconds })?;
                invited::tell(common, &reached, answer)
            }
            Self::Rm(args) => args.run(common),
        }
    }
}

impl Add {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let mut spec = Map::new();
        spec.insert("roles".to_owned(), json!(self.roles));
        self.traits.into_spec(&mut spec);
        let name = &self.name;
        let record =
            json!({"kind": "user", "version": "v2", "metadata": {"name": name}, "spec": spec});
        let seconds = self.ttl.0;
        let reached = Reached::open(common)?;
        let answer = reached.ask(Command::AddUser { record, seconds })?;
        invited::tell(common, &reached, answer)
    }
}

impl Ls {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let kind = Some(Kind::User);
        let users = Reached::look(common)?.documents(Command::List { kind })?;
        let columns = [
            Column {
                title: "name",
                wide: false,
                cell: |user: &Document| user.name.as_str().into(),
            },
            Column {
                title: "roles",
                wide: false,
                cell: |user| texts_at(&user.body, "/spec/roles").into(),
            },
            Column {
                title: "traits",
                wide: false,
                cell: |user| traits(&user.body).into(),
            },
            Column {
                title: "expires",
                wide: true,
                cell: |user| text_at(&user.body, "/metadata/expires").into(),
            },
        ];
        print(|out| table(&columns, &users, self.output, out))?;
        Ok(Exit::Done)
    }
}

impl Update {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let reached = Reached::look(common)?;
        let (kind, name) = (Kind::User, self.name.clone());
        let mut found = reached.documents(Command::Get { kind, name })?;
        let document = found.pop().ok_or_else(nonsense)?;
        let (revision, mut record) = (document.revision, document.body);
        let spec = record.get_mut("spec").and_then(Value::as_object_mut);
        let spec = spec.ok_or_else(nonsense)?;
        if let Some(roles) = self.roles {
            spec.insert("roles".to_owned(), json!(roles));
        }
        self.traits.into_spec(spec);
        let (records, how) = (vec![record], How::Replace { revision });
        match reached.ask(Command::Put { records, how })? {
            Answer::Documents { warnings, .. } => warn_of(&warnings),
            _ => return Err(nonsense()),
        }
        print(|out| writeln!(out, "changed the user {}", shown(&self.name)))?;
        Ok(Exit::Done)
    }
}

impl Rm {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let (kind, revision, name) = (Kind::User, None, self.name.clone());
        Reached::look(common)?.ask(Command::Remove {
            kind,
            name,
            revision,
        })?;
        print(|out| writeln!(out, "removed the user {}", shown(&self.name)))?;
        Ok(Exit::Done)
    }
}

impl Traits {
    fn into_spec(self, spec: &mut Map<String, Value>) {
        let Self {
            db_users,
            db_names,
            traits,
        } = self;
        let named = [("db_users", db_users), ("db_names", db_names)];
        let named = named
            .into_iter()
            .filter_map(|(key, values)| Some((key.to_owned(), values?)));
        let given: Vec<(String, Vec<String>)> = named.chain(traits).collect();
        if given.is_empty() {
            return;
        }
        let all = spec.entry("traits").or_insert_with(|| json!({}));
        let Some(all) = all.as_object_mut() else {
            return;
        };
        for (key, values) in given {
            let values: Vec<String> = values
                .into_iter()
                .filter(|value| !value.is_empty())
                .collect();
            if values.is_empty() {
                all.remove(&key);
            } else {
                all.insert(key, json!(values));
            }
        }
    }
}

fn traits(body: &Value) -> String {
    let traits = body.pointer("/spec/traits").and_then(Value::as_object);
    let traits = traits.into_iter().flatten().map(|(key, values)| {
        let values = values
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        format!("{key}={}", values.collect::<Vec<_>>().join(","))
    });
    traits.collect::<Vec<_>>().join(" ")
}

fn pair(text: &str) -> Result<(String, Vec<String>), String> {
    let (key, values) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or("write KEY=VALUE, or KEY=VALUE,VALUE")?;
    Ok((
        key.to_owned(),
        values.split(',').map(str::to_owned).collect(),
    ))
}
