//! `muster plugin sign`: puts a signature beside a plugin.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use super::file;
use crate::{
    cli::{Common, Failure, context::write_file, print},
    exit::Exit,
    plugins::signature::{self, PrivateKey},
    report::escape::shown,
};

/// What every component begins with.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Arguments of `muster plugin sign`.
#[derive(Args, Debug)]
#[command(after_help = "\
Keys are made with openssl, and nobody but their owner may be able to read them:
  openssl genpkey -algorithm ed25519 -out key.pem
  openssl pkey -in key.pem -pubout -out pub.pem

The signature is over the file's bytes: a plugin that is built anew has to be signed anew.")]
pub struct Sign {
    /// The plugin: a WebAssembly component.
    file: PathBuf,
    /// The private key: Ed25519, PEM.
    #[arg(long, value_name = "KEY.pem")]
    key: PathBuf,
    /// Where the signature goes; `-` for standard output. Default: FILE.sig, where it is looked for.
    #[arg(short, long, value_name = "FILE.sig")]
    output: Option<PathBuf>,
}

impl Sign {
    pub(super) fn run(self, _: &Common) -> Result<Exit, Failure> {
        let what = format!("cannot sign {}", self.file.display());
        let key = PrivateKey::read(&self.key).map_err(|error| Failure::new(&what).cause(&error))?;
        let bytes = file::read(&self.file)?;
        if !bytes.starts_with(COMPONENT) {
            return Err(Failure::new(what)
                .because("it is no WebAssembly component, and nothing else is ever looked for a signature")
                .hint("sign what `muster plugin build` writes"));
        }
        let written = key.sign(&bytes);
        let path = self.output.unwrap_or_else(|| signature::beside(&self.file));
        if path.as_os_str() == "-" {
            print(|out| out.write_all(written.as_bytes()))?;
            return Ok(Exit::Done);
        }
        let same = |other: &Path| {
            let whole = |path: &Path| fs::canonicalize(path).ok();
            whole(&path).is_some_and(|path| whole(other) == Some(path))
        };
        if same(&self.file) || same(&self.key) {
            return Err(
                Failure::new(format!("cannot write the signature {}", path.display()))
                    .because("it would take the place of the plugin or of the key")
                    .hint("without `-o` it goes beside the plugin, as FILE.sig")
                    .exits(Exit::Usage),
            );
        }
        write_file(&path, written.as_bytes()).map_err(|error| {
            Failure::new(format!("cannot write the signature {}", path.display())).cause(&error)
        })?;
        let line = format!("{}: by {}", path.display(), key.public());
        print(|out| writeln!(out, "{}", shown(&line)))?;
        Ok(Exit::Done)
    }
}
