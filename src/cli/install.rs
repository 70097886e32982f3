//! `muster install`: prints what has to be set up outside muster.

use std::{
    io,
    path::{self, Path, PathBuf},
};

use clap::{Args, Subcommand};
use muster_model::Service;

use super::{
    Common, Failure,
    context::{Context, config_path},
    print,
};
use crate::{
    config::{aws_services, azure_services},
    exit::Exit,
    install::{
        alerts, grafana,
        iam::{self, Document},
        systemd::{self, UnitOptions},
    },
};

/// Subcommands of `muster install`.
#[derive(Subcommand, Debug)]
pub enum Install {
    /// Print the least cloud permissions that the configuration needs.
    #[command(subcommand)]
    Iam(Iam),
    /// Print alerting rules for Prometheus, for the metrics of `muster run`.
    Alerts(Alerts),
    /// Print a dashboard for Grafana, for the metrics of `muster run`.
    Grafana,
    /// Print a unit for systemd that runs the service with as few rights as the configuration allows.
    Systemd(Systemd),
}

/// Subcommands of `muster install iam`.
#[derive(Subcommand, Debug)]
pub enum Iam {
    /// IAM policies for AWS: for the ambient credentials, and for each role that is assumed.
    Aws(Aws),
    /// A custom role for Azure.
    Azure(Azure),
}

/// Arguments of `muster install iam aws`.
#[derive(Args, Debug)]
pub struct Aws {
    /// Without a configuration: what is to be read. Default: what the configuration reads.
    #[arg(long, value_delimiter = ',', value_name = "TYPE")]
    types: Vec<String>,
    /// The ARN that may assume the roles, for their trust policies.
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// With `--types`: also what it takes to log in to the databases.
    #[arg(long, requires = "types")]
    log_in: bool,
    /// One JSON object in place of documents with headings.
    #[arg(long)]
    json: bool,
}

/// Arguments of `muster install iam azure`.
#[derive(Args, Debug)]
pub struct Azure {
    /// Without a configuration: what is to be read, `postgres` or `mysql`. Default: what the configuration reads.
    #[arg(long, value_delimiter = ',', value_name = "TYPE")]
    types: Vec<String>,
}

/// Arguments of `muster install alerts`.
#[derive(Args, Debug)]
pub struct Alerts {
    /// The job of Prometheus that scrapes muster.
    #[arg(long, value_name = "NAME", default_value = alerts::JOB)]
    job: String,
}

/// Arguments of `muster install systemd`.
#[derive(Args, Debug)]
pub struct Systemd {
    /// The user to run as; it has to exist. Default: one that systemd makes up, for a store under `/var/lib`.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The program, as it is installed. Default: this one, where a service can start it, else
    /// `/usr/local/bin/muster`.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

impl Install {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let text = match self {
            Self::Iam(Iam::Aws(args)) => args.text(common)?,
            Self::Iam(Iam::Azure(args)) => args.text(common)?,
            Self::Alerts(args) => alerts::yaml(&args.job),
            Self::Grafana => format!("{:#}\n", grafana::dashboard()),
            Self::Systemd(args) => args.text(common)?,
        };
        print(|out| out.write_all(text.as_bytes()))?;
        Ok(Exit::Done)
    }
}

impl Aws {
    fn text(self, common: &Common) -> Result<String, Failure> {
        let documents = if self.types.is_empty() {
            iam::aws(&Context::load(common)?.config, self.principal.as_deref())
        } else {
            iam::aws_for(services(&self.types, aws_services)?, true, self.log_in)
        };
        let documents = some(documents, "AWS")?;
        Ok(if self.json {
            format!("{:#}\n", iam::json(&documents))
        } else {
            iam::text(&documents)
        })
    }
}

impl Azure {
    fn text(self, common: &Common) -> Result<String, Failure> {
        let documents = if self.types.is_empty() {
            iam::azure(&Context::load(common)?.config)
        } else {
            iam::azure_for(services(&self.types, azure_services)?)
        };
        Ok(iam::text(&some(documents, "Azure")?))
    }
}

impl Systemd {
    fn text(self, common: &Common) -> Result<String, Failure> {
        let refused = |path: &Path, error: &io::Error| {
            Failure::new(format!("cannot find out where {} is", path.display())).cause(error)
        };
        let absolute = |path: &Path| path::absolute(path).map_err(|error| refused(path, &error));
        let mut common = common.clone();
        // Relative paths in it begin where the file is, which a service has to be told in full.
        let file = absolute(&config_path(&common)?)?;
        common.config = Some(file.clone());
        let config = Context::load(&common)?.config;
        let program = match self.program {
            Some(program) => program,
            None => installed(),
        };
        let options = UnitOptions {
            program,
            config: file,
            store: common.store.as_deref().map(absolute).transpose()?,
            user: self.user,
        };
        systemd::unit(&config, &options).map_err(|error| {
            let hint = error.hint();
            Failure::new("cannot print a unit").cause(&error).hint(hint)
        })
    }
}

/// This program, unless it was built or put where a service does not see it.
fn installed() -> PathBuf {
    let usual = || PathBuf::from("/usr/local/bin/muster");
    let here = std::env::current_exe().unwrap_or_else(|_| usual());
    let places = ["/usr", "/opt", "/bin", "/sbin"];
    if places.iter().any(|place| here.starts_with(place)) {
        here
    } else {
        usual()
    }
}

fn services(
    types: &[String],
    of: impl Fn(&str) -> Option<&'static [Service]>,
) -> Result<Vec<Service>, Failure> {
    let mut all = Vec::new();
    for name in types {
        let services = of(name).ok_or_else(|| {
            Failure::new(format!("cannot print a policy for `{name}`"))
                .because("it is none of the types that a source may read")
                .hint("`muster config schema` lists them")
                .exits(Exit::Usage)
        })?;
        all.extend_from_slice(services);
    }
    Ok(all)
}

fn some(documents: Vec<Document>, cloud: &str) -> Result<Vec<Document>, Failure> {
    if documents.is_empty() {
        return Err(
            Failure::new(format!("there is no policy to print for {cloud}"))
                .because(format!("the configuration has no {cloud} source"))
                .hint("name what is to be read with --types"),
        );
    }
    Ok(documents)
}
