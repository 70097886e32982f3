//! Databases that muster has no way to log in to: counted by why and where, while they go by.

use std::{collections::BTreeMap, path::PathBuf};

use muster_credentials::{
    CredentialError, Credentials, Failure,
    method::{MethodError, method},
};
use muster_model::{Protocol, Target};

use crate::{
    config::{ProxySettings, check::files::unusable},
    doctor::evidence::{Logins, Without},
};

/// How many are named of each sort.
const NAMED: usize = 3;

/// Counts them.
#[derive(Default)]
pub struct Count {
    of: u64,
    without: BTreeMap<(&'static str, String), Without>,
}

// === impl Count ===

impl Count {
    /// A database goes by. Those of protocols that are not served do not count.
    pub fn see(
        &mut self,
        target: &Target,
        proxy: Option<&ProxySettings>,
        keyring: Option<&dyn Credentials>,
    ) {
        if target.protocol != Protocol::Postgres {
            return;
        }
        self.of += 1;
        let secrets = proxy.into_iter().flat_map(|proxy| &proxy.secrets);
        let has_secret = secrets
            .map(|secret| &secret.databases)
            .any(|databases| databases.matches(|key| target.labels.value(key)).is_ok());
        let Err(error) = method(target, has_secret) else {
            return;
        };
        let code = code(&error);
        let place = format!(
            "{}/{}/{}",
            target.scope.provider, target.scope.account, target.scope.region
        );
        let message = error.to_string();
        let error = CredentialError::Method(error);
        let without = self.without.entry((code, place)).or_insert_with_key(|key| {
            let advice = keyring.map(|keyring| {
                keyring
                    .explain(target, "", &Failure::Credentials(&error))
                    .hint
            });
            Without {
                code: key.0.to_owned(),
                place: key.1.clone(),
                message,
                hint: advice.unwrap_or_default(),
                ..Without::default()
            }
        });
        without.count += 1;
        if without.names.len() < NAMED {
            without.names.push(target.name.clone());
        }
    }

    /// What was counted, and the files of passwords that cannot be used.
    pub fn finish(self, proxy: Option<&ProxySettings>) -> Logins {
        Logins {
            of: self.of,
            without: self.without.into_values().collect(),
            secrets: secrets(proxy),
        }
    }
}

/// The files of `proxy.secrets` that cannot be used, and why.
pub fn secrets(proxy: Option<&ProxySettings>) -> Vec<(PathBuf, String)> {
    let files = proxy.into_iter().flat_map(|proxy| &proxy.secrets);
    let wrong = files.filter_map(|secret| {
        let why = unusable(&secret.password_file).err()?;
        Some((secret.password_file.clone(), why.to_string()))
    });
    wrong.collect::<BTreeMap<_, _>>().into_iter().collect()
}

const fn code(error: &MethodError) -> &'static str {
    match error {
        MethodError::IamOff => "iam-off",
        MethodError::EntraOff => "entra-off",
        _ => "no-method",
    }
}
