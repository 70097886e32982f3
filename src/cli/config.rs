//! `muster config create|check|schema|show`.

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::{
    Common, Failure,
    context::{bad_config, config_path, write_file},
    print,
};
use crate::{
    config::{
        self, With,
        check::Located,
        create::{self, CreateOptions, NewDatabase, What},
        schema,
        show::{self, Overrides},
    },
    exit::Exit,
    plugins::Loader,
};

/// Subcommands of `muster config`.
#[derive(Subcommand, Debug)]
pub enum Config {
    /// Write a commented configuration.
    Create(Box<Create>),
    /// Check the configuration: every problem at once, without asking any cloud.
    Check(Check),
    /// Print the JSON schema, for editors.
    Schema,
    /// Print the configuration as muster understands it, with its defaults.
    Show(Show),
}

/// Arguments of `muster config create`.
#[derive(Args, Debug)]
#[command(after_help = "\
  muster config create db --name orders --uri orders.internal:5432 --public db.example.com -o muster.yaml
  muster config create discovery --aws-types rds --aws-regions eu-west-1 -o muster.yaml
  muster config create all --aws-regions eu-west-1 --public db.example.com -o muster.yaml

What is not asked for stands in the file as a comment. One process runs all of it.")]
pub struct Create {
    /// What for: `db` is one database by its address, and the proxy; `discovery` finds databases; `all` is both.
    #[arg(value_enum, default_value = "discovery")]
    what: Kind,
    /// The name that people connect to (db, all).
    #[arg(long, value_name = "NAME", requires = "uri")]
    name: Option<String>,
    /// What it is, for people (db, all).
    #[arg(long, value_name = "TEXT", requires = "name")]
    description: Option<String>,
    /// Its wire protocol (db, all).
    #[arg(long, value_name = "PROTOCOL", default_value = "postgres")]
    protocol: String,
    /// Where it listens (db, all).
    #[arg(long, value_name = "HOST:PORT", requires = "name")]
    uri: Option<String>,
    /// Its labels, which roles match (db, all).
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "KEY=VALUE",
        requires = "name"
    )]
    labels: Vec<String>,
    /// Its region, when it is one of RDS or Aurora: then muster logs in by IAM (db, all).
    #[arg(long, value_name = "REGION", requires = "name")]
    aws_region: Option<String>,
    /// The address and port for people. With this or --public, a configuration for discovery has a proxy too.
    #[arg(long, value_name = "ADDRESS:PORT")]
    proxy_listen: Option<String>,
    /// The names under which people reach the proxy.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    public: Vec<String>,
    /// What to read in AWS: rds, docdb, elasticache, elasticache-serverless.
    #[arg(long, value_delimiter = ',', value_name = "TYPE")]
    aws_types: Vec<String>,
    /// Where; `*` for every region that the account has enabled.
    #[arg(long, value_delimiter = ',', value_name = "REGION")]
    aws_regions: Vec<String>,
    /// Only what has these tags.
    #[arg(long, value_delimiter = ',', value_name = "KEY=VALUE")]
    aws_tags: Vec<String>,
    /// A role to assume, for another account: ARN, or ARN=EXTERNAL_ID. May be given several times.
    #[arg(long, value_name = "ARN[=EXTERNAL_ID]")]
    assume_role: Vec<String>,
    /// What to read in Azure: postgres, mysql.
    #[arg(long, value_delimiter = ',', value_name = "TYPE")]
    azure_types: Vec<String>,
    /// In which subscriptions; `*` for all that the credentials see.
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    azure_subscriptions: Vec<String>,
    /// In which resource groups.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    azure_resource_groups: Vec<String>,
    /// In which regions.
    #[arg(long, value_delimiter = ',', value_name = "REGION")]
    azure_regions: Vec<String>,
    /// Only what has these tags.
    #[arg(long, value_delimiter = ',', value_name = "KEY=VALUE")]
    azure_tags: Vec<String>,
    /// What a plan may do: sync, upsert-only or create-only.
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// The discovery group.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Where to write it; default: standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over an existing file.
    #[arg(long)]
    force: bool,
}

/// What a configuration is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// One database by its address, and the proxy.
    Db,
    /// Finding databases.
    Discovery,
    /// Both.
    All,
}

/// Arguments of `muster config check`.
#[derive(Args, Debug)]
pub struct Check {
    /// Warnings count as errors.
    #[arg(long)]
    deny_warnings: bool,
}

/// Arguments of `muster config show`.
#[derive(Args, Debug)]
pub struct Show {
    /// Say where each value came from.
    #[arg(long)]
    origin: bool,
}

impl Config {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Self::Create(args) => args.run(common),
            Self::Check(args) => args.run(common),
            Self::Schema => {
                print(|out| out.write_all(schema::json().as_bytes()))?;
                Ok(Exit::Done)
            }
            Self::Show(args) => args.run(common),
        }
    }
}

impl Create {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let next = match self.what {
            Kind::Db => "run",
            Kind::Discovery | Kind::All => "plan",
        };
        let options = CreateOptions {
            what: match self.what {
                Kind::Db => What::Database,
                Kind::Discovery => What::Discovery,
                Kind::All => What::All,
            },
            database: self.database()?,
            proxy_listen: self.proxy_listen,
            public: self.public,
            aws_types: self.aws_types,
            aws_regions: all_or(self.aws_regions),
            aws_tags: tags(&self.aws_tags)?,
            assume_roles: self
                .assume_role
                .iter()
                .map(|role| arn_and_id(role))
                .collect(),
            azure_types: self.azure_types,
            azure_subscriptions: all_or(self.azure_subscriptions),
            azure_resource_groups: all_or(self.azure_resource_groups),
            azure_regions: all_or(self.azure_regions),
            azure_tags: tags(&self.azure_tags)?,
            store: common
                .store
                .as_ref()
                .map(|store| store.display().to_string()),
            policy: self.policy,
            group: self.group,
        };
        let text = create::create(&options).map_err(|error| {
            let failure =
                Failure::new("cannot make a configuration of these arguments").exits(Exit::Usage);
            error.problems.iter().fold(failure, |failure, problem| {
                failure.because(format!("{}: {}", problem.path, problem.message))
            })
        })?;
        let Some(path) = &self.output else {
            print(|out| out.write_all(text.as_bytes()))?;
            return Ok(Exit::Done);
        };
        let cannot = || Failure::new(format!("cannot write {}", path.display()));
        if path.exists() && !self.force {
            return Err(cannot()
                .because("it is there already")
                .hint("name another file, or give --force"));
        }
        write_file(path, text.as_bytes()).map_err(|error| cannot().cause(&error))?;
        let path = path.display();
        writeln!(
            anstream::stderr().lock(),
            "Wrote {path}. Next: `muster --config {path} config check`, then `muster --config {path} {next}`."
        )?;
        Ok(Exit::Done)
    }
}

impl Create {
    /// The database that it is to name.
    fn database(&self) -> Result<Option<NewDatabase>, Failure> {
        let cannot =
            || Failure::new("cannot make a configuration of these arguments").exits(Exit::Usage);
        let (Some(name), Some(uri)) = (&self.name, &self.uri) else {
            return match self.what {
                Kind::Db => Err(cannot()
                    .because("it is not said which database")
                    .hint("give --name and --uri: `--name orders --uri orders.internal:5432`")),
                Kind::Discovery | Kind::All => Ok(None),
            };
        };
        let looks = [
            ("--aws-types", !self.aws_types.is_empty()),
            ("--aws-regions", !self.aws_regions.is_empty()),
            ("--azure-types", !self.azure_types.is_empty()),
            ("--azure-regions", !self.azure_regions.is_empty()),
            (
                "--azure-subscriptions",
                !self.azure_subscriptions.is_empty(),
            ),
        ];
        let looked = looks.iter().find(|(_, is_given)| *is_given);
        match (self.what, looked) {
            (Kind::Discovery, _) => Err(cannot()
                .because("`discovery` finds databases, and names none")
                .hint("`muster config create all` does both, `db` names one")),
            (Kind::Db, Some((flag, _))) => Err(cannot()
                .because(format!(
                    "`db` looks for no databases, and {flag} says where to look"
                ))
                .hint("`muster config create all` does both")),
            (Kind::Db | Kind::All, _) => Ok(Some(NewDatabase {
                name: name.clone(),
                description: self.description.clone(),
                protocol: self.protocol.clone(),
                uri: uri.clone(),
                labels: tags(&self.labels)?,
                aws_region: self.aws_region.clone(),
            })),
        }
    }
}

/// `*` among the values means all of them, which is what none means.
fn all_or(values: Vec<String>) -> Vec<String> {
    if values.iter().any(|value| value == "*") {
        Vec::new()
    } else {
        values
    }
}

fn tags(texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(Failure::new(format!("cannot use the tag `{text}`"))
            .because("it is not KEY=VALUE")
            .exits(Exit::Usage)),
    };
    texts.iter().map(pair).collect()
}

/// `ARN` or `ARN=EXTERNAL_ID`.
fn arn_and_id(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((arn, id)) => (arn.to_owned(), Some(id.to_owned())),
        None => (text.to_owned(), None),
    }
}

impl Check {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let path = config_path(common)?;
        let loader = Loader::new();
        let with = With {
            loader: &loader,
            store: common.store.as_deref(),
        };
        let loaded = config::load_with(&path, with).map_err(|error| bad_config(&error))?;
        let plugins = loaded.plugins.all().count();
        let sources = loaded.config.aws.len() + loaded.config.azure.len();
        let rules = loaded.config.rules.as_ref().map_or(0, Vec::len);
        print(|out| {
            for problem in &loaded.warnings {
                let file = &path;
                writeln!(out, "{}", Located { file, problem })?;
            }
            writeln!(
                out,
                "{}: {}, {}{}, {}{}",
                path.display(),
                count(sources, "source"),
                match loaded.config.databases.len() {
                    0 => String::new(),
                    databases => count(databases, "database") + ", ",
                },
                count(rules, "rule"),
                match plugins {
                    0 => String::new(),
                    _ => count(plugins, "plugin") + ", ",
                },
                count(loaded.warnings.len(), "warning")
            )
        })?;
        if self.deny_warnings && !loaded.warnings.is_empty() {
            return Err(Failure::new("the configuration has warnings")
                .because("--deny-warnings was given")
                .exits(Exit::Config));
        }
        Ok(Exit::Done)
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

impl Show {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let path = config_path(common)?;
        let loaded = config::check::load(&path).map_err(|error| bad_config(&error))?;
        let from_env = std::env::var_os("MUSTER_STORE").is_some_and(|dir| {
            common
                .store
                .as_ref()
                .is_some_and(|store| store.as_os_str() == dir)
        });
        let overrides = Overrides {
            store: common
                .store
                .clone()
                .map(|store| (store, if from_env { "env MUSTER_STORE" } else { "flag" })),
        };
        print(|out| out.write_all(show::show(&loaded, &overrides, self.origin).as_bytes()))?;
        Ok(Exit::Done)
    }
}
