//! `muster plugin inspect`: what a plugin is.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use muster_wasm::{Limits, SUPPORTED};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Output,
    file::{self, Loaded},
    view::{line, size, time},
};
use crate::{
    cli::{Common, Failure, print, unread_is_fine},
    exit::Exit,
    plugins::signature::{self, PublicKey, SignatureError},
    report::{self, escape::shown},
};

/// Arguments of `muster plugin inspect`.
#[derive(Args, Debug)]
#[command(after_help = "\
It runs the plugin's `describe`, within the limits that every plugin has. Ends with 1 when it is no plugin that this \
muster runs; what can be said of the file is shown all the same.")]
pub struct Inspect {
    /// The plugin: a WebAssembly component.
    file: PathBuf,
    /// Public keys to check its signature with (FILE.sig): PEM, or base64 on one line. May be given several times.
    #[arg(long, value_name = "PUB.pem")]
    key: Vec<PathBuf>,
    /// How it is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: Output,
}

/// What there is to say. Its JSON is what `-o json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    file: PathBuf,
    /// In bytes.
    size: usize,
    sha256: String,
    signature: Signed,
    /// None when it could not be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<Described>,
    /// Why it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    code: &'static str,
    message: String,
}

#[derive(Debug, Serialize)]
struct Described {
    name: String,
    version: String,
    summary: String,
    author: String,
    licence: String,
    /// The version of the contract that it was built for.
    contract: &'static str,
    /// The versions that this muster runs.
    supported: &'static [&'static str],
    world: String,
    imports: Vec<String>,
    /// JSON Schema; a text where the plugin gave something else, null where it gave none.
    settings_schema: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facts: Vec<(String, String)>,
    /// How long it took to load.
    load_seconds: f64,
    /// Whether it was compiled before.
    cached: bool,
    /// Why its compiled form could not be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_kept: Option<String>,
}

/// What is known of a signature.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Signed {
    /// There is none.
    Absent,
    /// There is one, and no key was named.
    Unchecked,
    /// One of the keys made it.
    Valid {
        key: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<PathBuf>,
    },
    /// None of them made it, or it is none.
    Invalid { message: String },
}

impl Inspect {
    pub(super) fn run(self, _: &Common) -> Result<Exit, Failure> {
        let keys = keys(&self.key)?;
        let bytes = file::read(&self.file)?;
        let signature = signed(&self.file, &bytes, &keys);
        let host = file::host(Limits::default())?;
        let since = std::time::Instant::now();
        let loaded = host.load(&bytes);
        let took = since.elapsed();
        let (plugin, error, failure) = match loaded {
            Ok(plugin) => (Some(described(&Loaded { plugin, took })), None, None),
            Err(error) => {
                let refused = Refused {
                    code: error.code(),
                    message: error.to_string(),
                };
                (None, Some(refused), Some(file::refused(&self.file, &error)))
            }
        };
        let all = Shown {
            file: self.file,
            size: bytes.len(),
            sha256: sha256(&bytes),
            signature,
            plugin,
            error,
        };
        unread_is_fine(print(|out| match self.output {
            Output::Text => all.write(out),
            Output::Json => report::pretty(&all, out),
        }))?;
        match failure {
            Some(failure) => Err(failure),
            None => Ok(Exit::Done),
        }
    }
}

/// Reads public keys.
///
/// # Errors
/// For the first that cannot be used.
pub(super) fn keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, Failure> {
    let read = |path: &PathBuf| {
        PublicKey::read(path).map_err(|error| Failure::new("cannot check signatures").cause(&error))
    };
    paths.iter().map(read).collect()
}

/// SHA-256, in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn signed(path: &Path, bytes: &[u8], keys: &[PublicKey]) -> Signed {
    let invalid = |error: &SignatureError| Signed::Invalid {
        message: error.to_string(),
    };
    let written = match signature::read(&signature::beside(path)) {
        Ok(written) => written,
        Err(SignatureError::Absent { .. }) => return Signed::Absent,
        Err(error) => return invalid(&error),
    };
    match signature::verify(bytes, &written, keys) {
        Ok(key) => Signed::Valid {
            key: key.to_string(),
            file: key.origin().map(Path::to_owned),
        },
        Err(SignatureError::NoKeys) => Signed::Unchecked,
        Err(error) => invalid(&error),
    }
}

fn described(loaded: &Loaded) -> Described {
    let plugin = &loaded.plugin;
    let description = plugin.description().clone();
    let schema = description.settings_schema;
    Described {
        name: description.name,
        version: description.version,
        summary: description.summary,
        author: description.author,
        licence: description.licence,
        contract: plugin.contract(),
        supported: SUPPORTED,
        world: format!("muster:matcher/matcher@{}", plugin.contract()),
        imports: plugin.imports().to_vec(),
        settings_schema: match schema.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or(Value::String(schema)),
        },
        facts: description.facts,
        load_seconds: loaded.took.as_secs_f64(),
        cached: plugin.was_cached(),
        not_kept: plugin.not_kept().map(str::to_owned),
    }
}

// === impl Shown ===

impl Shown {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.plugin {
            Some(plugin) => plugin.write(out)?,
            None => writeln!(out, "{}", shown(&self.file.to_string_lossy()))?,
        }
        line(out, "size", &size(self.size))?;
        line(out, "sha256", &self.sha256)?;
        line(out, "signature", &self.signature.text())?;
        if let Some(Refused { code, message }) = &self.error {
            line(out, "refused", &format!("{code}: {message}"))?;
        }
        match self.plugin.as_ref().map(|plugin| &plugin.settings_schema) {
            None => Ok(()),
            Some(Value::Null) => line(out, "settings", "no schema"),
            Some(Value::String(other)) => {
                line(out, "settings", "the schema is no JSON:")?;
                writeln!(out, "    {}", shown(other))
            }
            Some(schema) => {
                writeln!(out, "\nSettings (JSON Schema)")?;
                report::pretty(schema, out)
            }
        }
    }
}

impl Described {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} {}", shown(&self.name), shown(&self.version))?;
        line(out, "summary", &self.summary)?;
        line(out, "author", &self.author)?;
        line(out, "licence", &self.licence)?;
        for (key, value) in &self.facts {
            line(out, key, value)?;
        }
        line(
            out,
            "world",
            &format!(
                "{} (this muster runs {})",
                self.world,
                self.supported.join(", ")
            ),
        )?;
        let imports = match self.imports.as_slice() {
            [] => "nothing".to_owned(),
            imports => imports.join(", "),
        };
        line(out, "imports", &imports)?;
        let took = time(std::time::Duration::from_secs_f64(self.load_seconds));
        let how = match (self.cached, &self.not_kept) {
            (true, _) => format!("before; loaded from the cache in {took}"),
            (false, None) => format!("in {took}"),
            (false, Some(why)) => format!("in {took}; could not be kept: {why}"),
        };
        line(out, "compiled", &how)
    }
}

impl Signed {
    fn text(&self) -> String {
        match self {
            Self::Absent => "none".to_owned(),
            Self::Unchecked => "there is one; `--key PUB.pem` checks it".to_owned(),
            Self::Valid { key, file: None } => format!("by {key}"),
            Self::Valid {
                key,
                file: Some(file),
            } => format!("by {key} ({})", file.display()),
            Self::Invalid { message } => format!("does not hold: {message}"),
        }
    }
}
