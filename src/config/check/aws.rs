//! `sources.aws`.

use std::collections::BTreeSet;

use muster_model::Selector;

use super::{
    super::{file, problem::nearest, words},
    AwsAccountRef, AwsSource, Check, child,
    schedule::Basis,
};

impl Check<'_> {
    pub(super) fn aws_source(
        &mut self,
        path: String,
        source: file::Aws,
        basis: Basis<'_>,
    ) -> AwsSource {
        let services = self.services(&path, source.types, words::AWS_TYPES, words::AWS_MEANT);
        let regions = self.aws_regions(&child(&path, "regions"), source.regions);
        let accounts = self.accounts(&child(&path, "accounts"), source.accounts);
        let tags = source.tags.unwrap_or_else(Selector::all);
        let schedule = self.source_schedule(&path, source.schedule, basis);
        AwsSource {
            name: path,
            services,
            regions,
            accounts,
            tags,
            schedule,
        }
    }

    fn aws_regions(
        &mut self,
        path: &str,
        regions: Option<file::Many<String>>,
    ) -> Option<BTreeSet<String>> {
        let Some(regions) = regions else {
            self.missing(path, "name regions such as us-east-1, or \"*\" for every one that the account has enabled");
            return None;
        };
        let names = self.names(path, regions)?;
        for (path, region) in &names {
            let near = || nearest(region, words::AWS_REGIONS.iter().copied());
            let meant = |near: Option<&str>| near.map(|near| format!("did you mean `{near}`?"));
            if !words::is_aws_region(region) {
                let hint =
                    meant(near()).unwrap_or_else(|| "a region looks like us-east-1".to_owned());
                self.warn(
                    path,
                    format!("`{region}` does not look like a region of AWS"),
                    hint,
                );
            } else if !is_known_place(region)
                && let Some(near) = near()
            {
                self.warn(
                    path,
                    format!("no region `{region}` is known here"),
                    meant(Some(near)),
                );
            }
        }
        Some(names.into_iter().map(|(_, region)| region).collect())
    }

    fn accounts(
        &mut self,
        path: &str,
        accounts: Option<file::Many<file::Account>>,
    ) -> Vec<AwsAccountRef> {
        let Some(accounts) = accounts else {
            return vec![AwsAccountRef::Ambient];
        };
        let mut refs: Vec<AwsAccountRef> = Vec::new();
        for (path, account) in self.entries(path, Some(accounts)) {
            let Some(account) = self.account(&path, account) else {
                continue;
            };
            let is_same_role = |known: &AwsAccountRef| match (known, &account) {
                (AwsAccountRef::Role { arn: one, .. }, AwsAccountRef::Role { arn: other, .. }) => {
                    one == other
                }
                (one, other) => one == other,
            };
            if refs.iter().any(is_same_role) {
                self.warn(&path, "this account is already in the list", None);
            } else {
                refs.push(account);
            }
        }
        refs
    }

    fn account(&mut self, path: &str, account: file::Account) -> Option<AwsAccountRef> {
        let role = match account {
            file::Account::Word(word) if word == "ambient" => return Some(AwsAccountRef::Ambient),
            file::Account::Word(word) => {
                let hint = if word.starts_with("arn:") {
                    format!("write `assume_role: {word}`")
                } else if is_account(&word) {
                    format!(
                        "other accounts are entered by a role: `assume_role: arn:aws:iam::{word}:role/NAME`"
                    )
                } else if nearest(&word, ["ambient"]).is_some() {
                    "did you mean `ambient`?".to_owned()
                } else {
                    "`ambient`, or a map with `assume_role`".to_owned()
                };
                self.error(path, format!("unknown account `{word}`"), hint);
                return None;
            }
            file::Account::Role(role) => role,
        };
        let Some(arn) = role.assume_role else {
            self.missing(
                &child(path, "assume_role"),
                "name the ARN of the role to assume",
            );
            return None;
        };
        let arn_path = child(path, "assume_role");
        if let Err((message, hint)) = check_role(&arn) {
            self.error(&arn_path, message, hint);
        }
        if let Some(id) = &role.external_id {
            let is_valid =
                |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@:/-".contains(letter);
            if !(2..=1224).contains(&id.len()) || !id.chars().all(is_valid) {
                let hint = "2 to 1224 of `A-Z a-z 0-9 _ + = , . @ : / -`".to_owned();
                self.error(
                    &child(path, "external_id"),
                    "it cannot be an external id",
                    hint,
                );
            }
        }
        Some(AwsAccountRef::Role {
            arn,
            external_id: role.external_id,
        })
    }

    /// Sources that select nothing that another one does not.
    pub(super) fn aws_overlaps(&mut self, sources: &[AwsSource]) {
        for (index, source) in sources.iter().enumerate() {
            let within = |other: &&AwsSource| {
                let accounts = source
                    .accounts
                    .iter()
                    .all(|account| other.accounts.contains(account));
                accounts
                    && source.services.is_subset(&other.services)
                    && is_within(source.regions.as_ref(), other.regions.as_ref())
                    && (other.tags.is_all() || source.tags == other.tags)
            };
            let earlier = sources.iter().take(index).find(within);
            let later = || {
                // Of two that are alike only the second is reported.
                sources
                    .iter()
                    .skip(index + 1)
                    .find(|other| within(other) && !is_alike(source, other))
            };
            if let Some(other) = earlier.or_else(later)
                && !source.services.is_empty()
                && !self.is_damaged(&source.name)
                && !self.is_damaged(&other.name)
            {
                self.warn(
                    &source.name,
                    format!("it selects nothing that {} does not", other.name),
                    None,
                );
            }
        }
    }
}

fn is_alike(one: &AwsSource, other: &AwsSource) -> bool {
    let AwsSource {
        name: _,
        services,
        regions,
        accounts,
        tags,
        schedule: _,
    } = one;
    let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) =
        (accounts.iter().collect(), other.accounts.iter().collect());
    *services == other.services
        && *regions == other.regions
        && ours == theirs
        && *tags == other.tags
}

/// Whether all of one set (`None`: everything) is in another.
pub(super) fn is_within(
    inner: Option<&BTreeSet<String>>,
    outer: Option<&BTreeSet<String>>,
) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner.is_subset(outer),
    }
}

fn is_known_place(region: &str) -> bool {
    words::AWS_REGIONS
        .iter()
        .any(|known| words::place_of(known) == words::place_of(region))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What keeps a text from being the ARN of a role, and what to do about it.
fn check_role(arn: &str) -> Result<(), (String, String)> {
    let like = || "it looks like arn:aws:iam::222222222222:role/muster-discovery".to_owned();
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &[prefix, partition, service, region, account, resource] = parts.as_slice() else {
        return Err((format!("`{arn}` is not the ARN of a role"), like()));
    };
    if prefix != "arn" || !partition.starts_with("aws") {
        return Err((format!("`{arn}` is not the ARN of a role"), like()));
    }
    if service == "sts" && resource.starts_with("assumed-role/") {
        let name = resource.split('/').nth(1).unwrap_or_default();
        let message = "this is the ARN of a session, not of its role".to_owned();
        return Err((
            message,
            format!("write arn:{partition}:iam::{account}:role/{name}"),
        ));
    }
    if service != "iam" || !region.is_empty() {
        return Err((format!("`{arn}` is not the ARN of a role"), like()));
    }
    if !is_account(account) {
        return Err((
            format!("the account in it is `{account}`"),
            "an account has 12 digits".to_owned(),
        ));
    }
    let is_valid = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@/-".contains(letter);
    match resource.split_once('/') {
        Some(("role", name))
            if !name.is_empty() && !name.ends_with('/') && name.chars().all(is_valid) =>
        {
            Ok(())
        }
        Some(("role", _)) => Err((
            "the name of the role in it is not a valid one".to_owned(),
            like(),
        )),
        _ => Err((
            format!("it is the ARN of `{resource}`, not of a role"),
            like(),
        )),
    }
}
