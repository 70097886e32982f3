//! `muster plugin verify`: whether a plugin is signed, and by which key.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{
    Output, file,
    inspect::{keys, sha256},
    view::line,
};
use crate::{
    cli::{Common, Failure, context::Context, print},
    exit::Exit,
    plugins::{
        load::trusted_keys,
        signature::{self, PublicKey, SignatureError},
    },
    report::{self, escape::shown},
};

/// Arguments of `muster plugin verify`.
#[derive(Args, Debug)]
#[command(after_help = "\
Ends with 0 when one of the keys made the signature for these very bytes, else with 1. A signature does not say which \
of several versions is meant: an older one stays signed, and a `sha256` in the configuration pins one.

The same with openssl:
  base64 -d FILE.sig > signature
  openssl pkeyutl -verify -rawin -pubin -inkey PUB.pem -sigfile signature -in FILE")]
pub struct Verify {
    /// The plugin.
    file: PathBuf,
    /// Public keys, PEM or base64 on one line; one of them has to have signed it. May be given several times. Default:
    /// `plugins.keys` of the configuration.
    #[arg(long, value_name = "PUB.pem")]
    key: Vec<PathBuf>,
    /// The signature. Default: FILE.sig.
    #[arg(long, value_name = "FILE.sig")]
    signature: Option<PathBuf>,
    /// How it is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: Output,
}

#[derive(Serialize)]
struct Verified {
    file: PathBuf,
    sha256: String,
    /// The public key: base64 of its 32 bytes.
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let keys = match self.key.as_slice() {
            [] => trusted(common)?,
            named => keys(named)?,
        };
        let bytes = file::read(&self.file)?;
        let path = self
            .signature
            .unwrap_or_else(|| signature::beside(&self.file));
        let key = signature::read(&path)
            .and_then(|written| signature::verify(&bytes, &written, &keys))
            .map_err(|error| {
                let failure =
                    Failure::new(format!("cannot vouch for {}", self.file.display())).cause(&error);
                match error {
                    SignatureError::Absent { .. } => failure.hint(
                        "`muster plugin sign` makes one; `--signature FILE` names one that is elsewhere",
                    ),
                    _ => failure,
                }
            })?;
        let verified = Verified {
            sha256: sha256(&bytes),
            key: key.to_string(),
            key_file: key.origin().map(Into::into),
            file: self.file,
        };
        print(|out| match self.output {
            Output::Json => report::pretty(&verified, out),
            Output::Text => {
                writeln!(out, "{}", shown(&verified.file.to_string_lossy()))?;
                let by = match &verified.key_file {
                    Some(file) => format!("{} ({})", verified.key, file.display()),
                    None => verified.key.clone(),
                };
                line(out, "signed by", &by)?;
                line(out, "sha256", &verified.sha256)
            }
        })?;
        Ok(Exit::Done)
    }
}

/// The keys that the configuration trusts.
fn trusted(common: &Common) -> Result<Vec<PublicKey>, Failure> {
    const NAME: &str = "`--key PUB.pem` names a key";
    let failure = || Failure::new("cannot check signatures").exits(Exit::Config);
    let config = Context::load(common)
        .map_err(|failure| failure.hint(NAME))?
        .config;
    let (keys, problems) = trusted_keys(&config);
    if !problems.is_empty() {
        return Err(problems.iter().fold(failure(), |failure, problem| {
            failure.because(problem.to_string())
        }));
    }
    if keys.is_empty() {
        return Err(failure()
            .because("the configuration lists no `plugins.keys`")
            .hint(NAME));
    }
    Ok(keys)
}
