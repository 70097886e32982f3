//! [`Keyring`]: what muster has to log in with, for all targets.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use async_trait::async_trait;
use muster_cloud::{CallError, Reason, Secret, aws::AssumeRole};
use muster_model::{AccountId, Kind, Target, hint};

use crate::{
    api::{Advice, Clock, Credentials, DatabaseCa, Failure, Login, Proof, UpstreamTls},
    cache::{Key, Tokens},
    endpoint::token_endpoint,
    error::{CredentialError, RoleRefused},
    explain::{self, Case},
    method::{Chosen, Method, method},
    password,
    settings::{Settings, TlsMode},
    sources::{AwsKeys, EntraTokens},
    token::{
        elasticache::{self, Cache},
        entra,
        rds::{self, Rds},
    },
    trust::Trust,
};

/// What a [`Keyring`] is made of.
pub struct Parts {
    /// What the operator set.
    pub settings: Settings,
    /// AWS; none when it is not used.
    pub aws: Option<Arc<dyn AwsKeys>>,
    /// Azure; none when it is not used.
    pub azure: Option<Arc<dyn EntraTokens>>,
    /// Who issues client certificates; none when nobody does.
    pub database_ca: Option<Arc<dyn DatabaseCa>>,
    /// The time.
    pub clock: Clock,
}

/// What muster has to log in with. One for the process and configuration.
pub struct Keyring {
    settings: Settings,
    /// Those of the settings, or what came after them.
    aws_roles: RwLock<Arc<BTreeMap<AccountId, AssumeRole>>>,
    aws: Option<Arc<dyn AwsKeys>>,
    azure: Option<Arc<dyn EntraTokens>>,
    trust: Trust,
    tokens: Tokens,
}

// === impl Keyring ===

impl Keyring {
    /// Reads the certificate files that the settings name. Asks no cloud yet, and reads no password.
    ///
    /// # Errors
    /// One line for each file that cannot be used.
    pub fn new(parts: Parts) -> Result<Self, Vec<String>> {
        let Parts {
            mut settings,
            aws,
            azure,
            database_ca,
            clock,
        } = parts;
        Ok(Self {
            trust: Trust::new(&settings, Arc::clone(&clock), database_ca)?,
            tokens: Tokens::new(clock),
            aws_roles: RwLock::new(Arc::new(std::mem::take(&mut settings.aws_roles))),
            settings,
            aws,
            azure,
        })
    }

    /// The roles to assume from now on, by account. Tokens that were made by others are not used again.
    pub fn set_aws_roles(&self, roles: BTreeMap<AccountId, AssumeRole>) {
        let mut held = self
            .aws_roles
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(roles);
    }

    fn aws_roles(&self) -> Arc<BTreeMap<AccountId, AssumeRole>> {
        let held = self
            .aws_roles
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&held)
    }

    /// How `target` is logged in to as `db_user`, and why.
    ///
    /// # Errors
    /// As [`method`].
    pub fn method(&self, target: &Target, db_user: &str) -> Result<Chosen, CredentialError> {
        let file = password::file_for(&self.settings.secrets, target, db_user);
        Ok(method(target, file.is_some())?)
    }

    /// Whom muster trusts to be a database.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The roles to assume for a target. A record's own role goes before that of its account. The external id belongs to
    /// the first role alone: whoever is asked for the next one is asked by a role that is its own.
    fn roles(&self, target: &Target) -> Vec<AssumeRole> {
        let hinted = |name: &str| {
            let value = target.hints.get(name)?;
            (!target.owner.is_discovery() && !value.is_empty()).then(|| value.clone())
        };
        match hinted(hint::ASSUME_ROLE) {
            Some(arn) => vec![AssumeRole {
                arn,
                external_id: hinted(hint::EXTERNAL_ID),
            }],
            None => self
                .aws_roles()
                .get(&target.scope.account)
                .cloned()
                .into_iter()
                .collect(),
        }
    }

    async fn aws_token(&self, target: &Target, db_user: &str) -> Result<Secret, CredentialError> {
        let endpoint = token_endpoint(target)?;
        let region = target.scope.region.as_str();
        if !is_region(region) {
            return Err(CredentialError::Region {
                region: region.chars().take(64).collect(),
            });
        }
        let roles = self.roles(target);
        let key = Key {
            host: endpoint.host.clone(),
            port: endpoint.port,
            region: region.to_owned(),
            user: db_user.to_owned(),
            roles: roles.clone(),
        };
        let make = async |now: SystemTime| {
            let keys = self.keys(&roles).await?;
            let token = if matches!(target.kind, Kind::Elasticache | Kind::ElasticacheServerless) {
                let ask = Cache {
                    id: cache_id(target),
                    serverless: target.kind == Kind::ElasticacheServerless,
                    region,
                    user: db_user,
                };
                elasticache::token(ask, &keys, now)
            } else {
                let ask = Rds {
                    host: &endpoint.host,
                    port: endpoint.port,
                    region,
                    user: db_user,
                };
                rds::token(ask, &keys, now)
            };
            Ok((token, keys.expiry()))
        };
        self.tokens.get(key, make).await
    }

    /// The keys at the end of a chain. One role after the other, so that a refusal says which one it was.
    async fn keys(
        &self,
        roles: &[AssumeRole],
    ) -> Result<aws_credential_types::Credentials, CredentialError> {
        let aws = self
            .aws
            .as_ref()
            .ok_or(CredentialError::NoAccess { cloud: "AWS" })?;
        for (at, role) in roles.iter().enumerate() {
            let upto = roles.get(..=at).unwrap_or(roles);
            let error = match aws.keys(upto).await {
                Ok(keys) if at + 1 == roles.len() => return Ok(keys),
                Ok(_) => continue,
                Err(error) => error,
            };
            if error.reason != Reason::Denied {
                return Err(CredentialError::Cloud(error));
            }
            let before = at.checked_sub(1).and_then(|before| roles.get(before));
            let caller = match before {
                Some(before) => Some(before.arn.clone()),
                None => aws.caller().await,
            };
            return Err(CredentialError::Role(Box::new(RoleRefused {
                caller: caller.unwrap_or_else(|| "the caller".to_owned()),
                role: role.arn.clone(),
                external_id: role.external_id.clone(),
                error,
            })));
        }
        aws.keys(&[]).await.map_err(CredentialError::Cloud)
    }

    async fn azure_token(&self, target: &Target) -> Result<Secret, CredentialError> {
        let endpoint = token_endpoint(target)?;
        let azure = self
            .azure
            .as_ref()
            .ok_or(CredentialError::NoAccess { cloud: "Azure" })?;
        let scope = match &self.settings.entra_scope {
            Some(scope) => scope,
            None => entra::scope(&endpoint.host),
        };
        azure
            .entra_token(scope)
            .await
            .map_err(|error: CallError| CredentialError::Cloud(error))
    }

    /// A token is for whoever is at the other end, so it must be known who that is.
    fn verified(&self, target: &Target) -> Result<(), CredentialError> {
        let mode = self.trust.plan(target)?.mode;
        if mode == TlsMode::VerifyFull {
            Ok(())
        } else {
            Err(CredentialError::Unverified { mode })
        }
    }
}

#[async_trait]
impl Credentials for Keyring {
    async fn login(&self, target: &Target, db_user: &str) -> Result<Login, CredentialError> {
        let file = password::file_for(&self.settings.secrets, target, db_user);
        let mut user = db_user.to_owned();
        let proof = match method(target, file.is_some())?.method {
            Method::Iam => {
                self.verified(target)?;
                Proof::Token(self.aws_token(target, db_user).await?)
            }
            Method::Entra => {
                self.verified(target)?;
                user = entra::user(target, db_user);
                Proof::Token(self.azure_token(target).await?)
            }
            Method::Password => {
                let file = file.ok_or(CredentialError::NoSecret)?;
                user = entra::user(target, db_user);
                Proof::Password(password::read(file).await?)
            }
            Method::Certificate => Proof::Certificate,
            Method::None => Proof::None,
        };
        Ok(Login { user, proof })
    }

    fn tls(&self, target: &Target, db_user: &str) -> Result<UpstreamTls, CredentialError> {
        let method = self.method(target, db_user)?.method;
        self.trust
            .tls(target, db_user, method == Method::Certificate)
    }

    fn explain(&self, target: &Target, db_user: &str, failure: &Failure<'_>) -> Advice {
        let refused = match failure {
            Failure::Tls { leaf: None, .. } => self.trust.refused(target),
            _ => None,
        };
        let roles = self.roles(target);
        explain::advice(&Case {
            target,
            db_user,
            method: self
                .method(target, db_user)
                .ok()
                .map(|chosen| chosen.method),
            leaf: refused.as_deref(),
            role: roles.last().map(|role| role.arn.as_str()),
            failure,
        })
    }
}

/// What a token for a cache names: the hint, or the last part of the cache's ARN.
fn cache_id(target: &Target) -> &str {
    let by_id = || {
        target
            .id
            .provider_id()
            .rsplit(':')
            .next()
            .unwrap_or_default()
    };
    target
        .hints
        .get(hint::CACHE)
        .map_or_else(by_id, String::as_str)
}

/// Whether the text can be a region's name. It becomes part of what is signed.
fn is_region(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(inside)
}
