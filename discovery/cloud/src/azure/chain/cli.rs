//! Tokens of the person who is logged in to the Azure CLI.
//!
//! The program is run directly, without a shell, and killed when it does not answer in time.

use std::{io, process::Stdio, time::Duration};

use serde::Deserialize;
use time::OffsetDateTime;
use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};

use super::{Chain, Miss, Token, number};
use crate::azure::Secret;

/// `az` is a Python program: it takes its time.
const PATIENCE: Duration = Duration::from_secs(15);

/// The most that is read of what it prints, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;

#[derive(Deserialize)]
struct CliToken {
    #[serde(rename = "accessToken")]
    access_token: String,
    /// Seconds since the Unix epoch; the older `expiresOn` is in local time, and not read.
    #[serde(default)]
    expires_on: Option<serde_json::Value>,
}

impl Chain {
    /// `az account get-access-token`.
    pub(super) async fn azure_cli(&self, scope: &str) -> Result<Token, Miss> {
        let failed = |text: String| Miss::Failed(format!("az: {text}"));
        let answer = timeout(PATIENCE, self.run(scope)).await;
        let (success, out, err) = match answer {
            Err(_) => return Err(failed(format!("no answer in {} s", PATIENCE.as_secs()))),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Miss::Absent(
                    "az is not installed, or not in PATH".to_owned(),
                ));
            }
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Ok(Ok(answer)) => answer,
        };
        if !success {
            let err = String::from_utf8_lossy(&err);
            let why = err
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty())
                .unwrap_or("failed without a word");
            return Err(failed(why.trim_start_matches("ERROR: ").to_owned()));
        }
        let token: CliToken = serde_json::from_slice(&out)
            .map_err(|_| failed("its output holds no access token".to_owned()))?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let life = number(token.expires_on.as_ref())
            .map(|then| then.saturating_sub(now).max(0).unsigned_abs());
        Ok(Token {
            secret: Secret::new(&token.access_token),
            life: life.map(Duration::from_secs),
        })
    }

    /// Whether it succeeded, its output, and its error output.
    async fn run(&self, scope: &str) -> io::Result<(bool, Vec<u8>, Vec<u8>)> {
        let mut child = Command::new(&self.cli)
            .args([
                "account",
                "get-access-token",
                "--output",
                "json",
                "--scope",
                scope,
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let read_out = async {
            match stdout {
                Some(pipe) => pipe.take(MAX_OUTPUT).read_to_end(&mut out).await,
                None => Ok(0),
            }
        };
        let read_err = async {
            match stderr {
                Some(pipe) => pipe.take(MAX_OUTPUT).read_to_end(&mut err).await,
                None => Ok(0),
            }
        };
        let (a, b, status) = tokio::join!(read_out, read_err, child.wait());
        a?;
        b?;
        Ok((status?.success(), out, err))
    }
}
