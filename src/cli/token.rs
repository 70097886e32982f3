//! `muster token add|ls|rm`: with what machines and services may join.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Common, Failure, ListFormat,
    authority::{Life, Reached, nonsense, text_at, texts_at},
    context::now,
    print,
};
use crate::{
    authority::{Answer, Command, Document, Kind, chance},
    exit::Exit,
    report::{
        escape::shown,
        table::{Column, table},
    },
};

/// Subcommands of `muster token`.
#[derive(Subcommand, Debug)]
pub enum Token {
    /// Make a token, and print its secret, once.
    Add(Add),
    /// List tokens, without their secrets.
    Ls(Ls),
    /// Remove a token. Who has joined with it stays.
    Rm(Rm),
}

/// Arguments of `muster token add`.
#[derive(Args, Debug)]
#[command(after_help = "\
The secret is shown once, and only its hash is kept. Tokens for EC2 instances have none: they are records, and are made \
with `muster create`.

So far muster has nothing that joins: a token is kept, and opens nothing.")]
pub struct Add {
    /// What may join with it: `db`, `node`, `proxy`, `discovery`; several with commas.
    #[arg(
        long = "type",
        required = true,
        value_delimiter = ',',
        value_name = "TYPES"
    )]
    types: Vec<String>,
    /// How long it lives.
    #[arg(long, default_value = "1h")]
    ttl: Life,
    /// The token's name. Without it, one is made. It is no secret.
    #[arg(long)]
    name: Option<String>,
}

/// Arguments of `muster token ls`.
#[derive(Args, Debug)]
pub struct Ls {
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

/// Arguments of `muster token rm`.
#[derive(Args, Debug)]
pub struct Rm {
    /// The token's name, from `muster token ls`.
    name: String,
}

impl Token {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Self::Add(args) => args.run(common),
            Self::Ls(args) => args.run(common),
            Self::Rm(args) => args.run(common),
        }
    }
}

impl Add {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let Self { types, ttl, name } = self;
        if ttl.0 == 0 {
            return Err(Failure::new("a token that lives for 0 s is over at once")
                .hint("say how long it is to be good: `--ttl 1h`")
                .exits(Exit::Usage));
        }
        let name = match name {
            Some(name) => name,
            None => {
                let chance = chance::hex(4);
                let drawn =
                    chance.map_err(|error| Failure::new("cannot make a name").cause(&error))?;
                format!("{}-{drawn}", types.first().map_or("token", String::as_str))
            }
        };
        let record = json!({
            "kind": "token", "version": "v2",
            "metadata": {"name": name, "expires": ttl.from(now())},
            "spec": {"roles": types, "join_method": "token"},
        });
        let answer = Reached::open(common)?.ask(Command::AddToken { record })?;
        let Answer::Token { document, secret } = answer else {
            return Err(nonsense());
        };
        let until = text_at(&document.body, "/metadata/expires");
        print(|out| {
            writeln!(
                out,
                "token {} is good until {}:",
                shown(&document.name),
                shown(until)
            )?;
            writeln!(out, "  {}", secret.0)?;
            writeln!(out, "This is shown once.")
        })?;
        Ok(Exit::Done)
    }
}

impl Ls {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let kind = Some(Kind::Token);
        let tokens = Reached::look(common)?.documents(Command::List { kind })?;
        let columns = [
            Column {
                title: "name",
                wide: false,
                cell: |token: &Document| token.name.as_str().into(),
            },
            Column {
                title: "types",
                wide: false,
                cell: |token| texts_at(&token.body, "/spec/roles").into(),
            },
            Column {
                title: "method",
                wide: false,
                cell: |token| text_at(&token.body, "/spec/join_method").into(),
            },
            Column {
                title: "until",
                wide: false,
                cell: |token| until(&token.body).into(),
            },
        ];
        print(|out| table(&columns, &tokens, self.output, out))?;
        Ok(Exit::Done)
    }
}

impl Rm {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let (kind, revision, name) = (Kind::Token, None, self.name.clone());
        Reached::look(common)?.ask(Command::Remove {
            kind,
            name,
            revision,
        })?;
        print(|out| writeln!(out, "removed the token {}", shown(&self.name)))?;
        Ok(Exit::Done)
    }
}

fn until(body: &Value) -> String {
    let expires = text_at(body, "/metadata/expires");
    match expires.parse::<muster_model::Timestamp>() {
        Ok(expires) if expires <= now() => format!("{expires} (over)"),
        _ => expires.to_owned(),
    }
}
