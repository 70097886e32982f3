//! Everything that is no source and no rule.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use muster_plan::{Brake, Grace, Policy, Settings, Unconfigured};
use url::{Host, Url};

use super::{
    super::{
        ATTEMPTS, AzureEndpoints, BRAKE_AT_LEAST, BRAKE_SHARE, BRAKE_WINDOW, CONCURRENCY,
        GRACE_SCANS, GRACE_TIME, GROUP, MAX_PAGES, PER_SECOND, Requests, SCOPES_AT_ONCE, TIMEOUT,
        file, problem::meant, words,
    },
    Check, is_private,
};

impl Check<'_> {
    pub(super) fn group(&mut self, group: Option<String>) -> String {
        let Some(group) = group else {
            return GROUP.to_owned();
        };
        let is_valid = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if group.is_empty() || group.len() > 64 || !group.chars().all(is_valid) {
            let hint = "1 to 64 of `a-z A-Z 0-9 . _ -`".to_owned();
            self.error(
                "group",
                format!("`{group}` is not the name of a group"),
                hint,
            );
        }
        group
    }

    /// The policy; that of least harm where the file has none that is valid, so that checking can go on.
    pub(super) fn policy(&mut self, policy: Option<String>) -> Policy {
        const POLICIES: [Policy; 3] = [Policy::Sync, Policy::UpsertOnly, Policy::CreateOnly];
        let Some(word) = policy else {
            self.missing(
                "policy",
                "`sync` adds, updates and removes, `upsert-only` adds and updates, `create-only` only adds; \
                 there is no default, because `sync` removes",
            );
            return Policy::CreateOnly;
        };
        let known = POLICIES.map(Policy::as_str);
        POLICIES
            .into_iter()
            .find(|policy| policy.as_str() == word)
            .unwrap_or_else(|| {
                self.error(
                    "policy",
                    format!("unknown policy `{word}`"),
                    meant(&word, &known),
                );
                Policy::CreateOnly
            })
    }

    pub(super) fn settings(
        &mut self,
        policy: Policy,
        group: String,
        removal: Option<file::Removal>,
    ) -> Settings {
        let (grace, brake, unconfigured) = removal.map_or((None, None, None), |removal| {
            (removal.grace, removal.brake, removal.unconfigured)
        });
        let (scans, time) = grace.map_or((None, None), |grace| (grace.scans, grace.time));
        let (share, at_least, window) = brake.map_or((None, None, None), |brake| {
            (brake.share, brake.at_least, brake.window)
        });

        let scans = self.number(
            "removal.grace.scans",
            scans,
            1..=u64::from(u32::MAX),
            GRACE_SCANS.into(),
        );
        let seconds = self.seconds("removal.grace.time", time, GRACE_TIME);
        let percent = self.percent("removal.brake.share", share, BRAKE_SHARE);
        let at_least = self.number(
            "removal.brake.at_least",
            at_least,
            0..=1_000_000,
            size(BRAKE_AT_LEAST),
        );
        let window = self.span("removal.brake.window", window, BRAKE_WINDOW, "0", "30d");
        let unconfigured = self.unconfigured(unconfigured);
        if policy == Policy::Sync {
            if percent == 100 {
                let hint = "one bad scan's worth of changes could empty the group".to_owned();
                self.warn(
                    "removal.brake.share",
                    "with 100% the brake holds nothing",
                    hint,
                );
            }
            if percent == 0 && at_least == 0 {
                let hint = "`policy: upsert-only` says that more plainly".to_owned();
                self.warn("removal.brake", "nothing can ever be removed", hint);
            }
            if scans == 1 && seconds == 0 {
                let hint = "raise `scans` or `time`".to_owned();
                self.warn(
                    "removal.grace",
                    "a database that one scan misses is removed at once",
                    hint,
                );
            }
        } else if unconfigured == Unconfigured::Remove {
            let message = format!(
                "it has no effect: `policy: {}` never removes",
                policy.as_str()
            );
            self.warn("removal.unconfigured", message, None);
        }
        Settings {
            policy,
            grace: Grace {
                scans: u32::try_from(scans).unwrap_or(GRACE_SCANS),
                seconds,
            },
            brake: Brake {
                percent,
                at_least: usize::try_from(at_least).unwrap_or(BRAKE_AT_LEAST),
                window: window.as_secs(),
                released: false,
            },
            group,
            unconfigured,
        }
    }

    fn unconfigured(&mut self, word: Option<String>) -> Unconfigured {
        match word.as_deref() {
            None | Some("hold") => Unconfigured::Hold,
            Some("remove") => Unconfigured::Remove,
            Some(other) => {
                let hint = meant(other, &["hold", "remove"]);
                self.error(
                    "removal.unconfigured",
                    format!("unknown word `{other}`"),
                    hint,
                );
                Unconfigured::Hold
            }
        }
    }

    pub(super) fn requests(&mut self, requests: Option<file::Requests>) -> Requests {
        let file::Requests {
            per_second,
            concurrency,
            attempts,
            timeout,
            max_pages,
            scopes_at_once,
        } = requests.unwrap_or_default();
        let timeout = self.span("requests.timeout", timeout, TIMEOUT, "1s", "10m");
        let timeout_seconds = timeout.as_secs();
        let mut small = |name: &str, value, most, default: u32| {
            let value = self.number(&format!("requests.{name}"), value, 1..=most, default.into());
            u32::try_from(value).unwrap_or(default)
        };
        let per_second = small("per_second", per_second, 1000, PER_SECOND);
        let concurrency = small("concurrency", concurrency, 64, CONCURRENCY);
        let attempts = small("attempts", attempts, 20, ATTEMPTS);
        let mut large = |name: &str, value, most, default: usize| {
            let value = self.number(&format!("requests.{name}"), value, 1..=most, size(default));
            usize::try_from(value).unwrap_or(default)
        };
        let max_pages = large("max_pages", max_pages, 1_000_000, MAX_PAGES);
        let scopes_at_once = large("scopes_at_once", scopes_at_once, 256, SCOPES_AT_ONCE);
        Requests {
            per_second,
            concurrency,
            attempts,
            timeout_seconds,
            max_pages,
            scopes_at_once,
        }
    }

    pub(super) fn endpoints(&mut self, endpoints: Option<file::Endpoints>) -> AzureEndpoints {
        let Some(file::Endpoints {
            authority,
            management,
        }) = endpoints
        else {
            return AzureEndpoints::default();
        };
        let both = authority.is_some() == management.is_some();
        let authority = authority.and_then(|url| self.endpoint("azure_endpoints.authority", &url));
        let management =
            management.and_then(|url| self.endpoint("azure_endpoints.management", &url));
        if !both && !self.is_damaged("azure_endpoints") {
            let hint = "a cloud of its own has both".to_owned();
            self.warn(
                "azure_endpoints",
                "only one of `authority` and `management` is given",
                hint,
            );
        }
        AzureEndpoints {
            authority,
            management,
        }
    }

    fn endpoint(&mut self, path: &str, text: &str) -> Option<String> {
        let Ok(url) = Url::parse(text) else {
            let hint = "it looks like https://management.azure.com".to_owned();
            self.error(path, "it is not a URL", hint);
            return None;
        };
        if self.is_safe_url(path, &url) && (url.query().is_some() || url.fragment().is_some()) {
            self.error(
                path,
                "it has a query or a fragment",
                "end it after the host, or the path".to_owned(),
            );
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    /// Whether a URL is one that credentials can be sent to, and has none in it; says what is wrong with it.
    pub(super) fn is_safe_url(&mut self, path: &str, url: &Url) -> bool {
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            None => false,
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            let hint = "tokens go only over https; http is for loopback addresses".to_owned();
            let message = match url.scheme() {
                "http" => "`http` is not allowed here",
                // It may be the beginning of something else.
                _ => "another scheme is not allowed here",
            };
            self.error(path, message, hint);
            return false;
        }
        if !url.username().is_empty() || url.password().is_some() {
            let hint = "remove it: nothing secret is in this file".to_owned();
            self.error(path, "it has a user name or a password", hint);
            return false;
        }
        true
    }

    /// A number within bounds; the default where there is none, or none that is valid.
    pub(super) fn number(
        &mut self,
        path: &str,
        value: Option<u64>,
        bounds: RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        let Some(value) = value else { return default };
        if bounds.contains(&value) {
            return value;
        }
        let (least, most) = (bounds.start(), bounds.end());
        let message = if value < *least {
            format!("it must be {least} or more")
        } else {
            format!("it must be {most} or less")
        };
        self.error(path, message, None);
        default
    }

    pub(super) fn seconds(
        &mut self,
        path: &str,
        value: Option<file::Duration>,
        default: &str,
    ) -> u64 {
        let text = value.map_or_else(|| default.to_owned(), |file::Duration(text)| text);
        words::seconds(&text).unwrap_or_else(|message| {
            self.wrong_unit(path, &message);
            words::seconds(default).unwrap_or_default()
        })
    }

    /// A time within bounds.
    pub(super) fn span(
        &mut self,
        path: &str,
        value: Option<file::Duration>,
        default: &str,
        least: &str,
        most: &str,
    ) -> Duration {
        let seconds = self.seconds(path, value, default);
        let bound = |text| words::seconds(text).unwrap_or_default();
        if !(bound(least)..=bound(most)).contains(&seconds) {
            let message = match least {
                "0" => format!("it must be `{most}` or less"),
                _ => format!("it must be from `{least}` to `{most}`"),
            };
            self.error(path, message, None);
            return Duration::from_secs(bound(default));
        }
        Duration::from_secs(seconds)
    }

    pub(super) fn percent(
        &mut self,
        path: &str,
        value: Option<file::Percent>,
        default: &str,
    ) -> u8 {
        let text = value.map_or_else(|| default.to_owned(), |file::Percent(text)| text);
        words::percent(&text).unwrap_or_else(|message| {
            self.wrong_unit(path, &message);
            words::percent(default).unwrap_or_default()
        })
    }

    /// `10` has no unit: write `10s`: what is wrong, and the hint behind the colon.
    pub(super) fn wrong_unit(&mut self, path: &str, message: &str) {
        if is_private(path) {
            let hint = "write a number and its unit, such as `30m`".to_owned();
            self.error(path, "it is not a time", hint);
            return;
        }
        match message.split_once(": ") {
            Some((message, hint)) => self.error(path, message, hint.to_owned()),
            None => self.error(path, message, None),
        }
    }
}

fn size(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
