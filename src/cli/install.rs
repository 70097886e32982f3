//! `muster install`: prints what has to be set up outside muster.

use clap::{Args, Subcommand};
use muster_model::Service;

use super::{Common, Failure, context::Context, print};
use crate::{
    config::{aws_services, azure_services},
    exit::Exit,
    install::iam::{self, Document},
};

/// Subcommands of `muster install`.
#[derive(Subcommand, Debug)]
pub enum Install {
    /// Print the least cloud permissions that the configuration needs.
    #[command(subcommand)]
    Iam(Iam),
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

impl Install {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let Self::Iam(iam) = self;
        let text = match iam {
            Iam::Aws(args) => args.text(common)?,
            Iam::Azure(args) => args.text(common)?,
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
            iam::aws_for(services(&self.types, aws_services)?, true)
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
