//! What the records of all AWS services have in common: an ARN, tags, a state, endpoints.
//!
//! A [`Record`] takes the SDK's fields one by one and gives [`Database`]s, one an endpoint. Each field is checked as
//! it is taken; the first that cannot be used ends the record, and only the record, with a [`Malformed`] that names it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws_smithy_types::{DateTime, date_time::Format};
use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Malformed, Protocol, ResourceId, Scan,
    Scope, State, Unread, Unsupported, fact,
};

use super::listener::{Listener, set_flag};
use crate::states::States;

/// The longest text that a record may hold in one field, in bytes.
pub(super) const MAX_TEXT: usize = 4096;
/// The longest ARN, in bytes: what the store takes as an id, with room for the endpoint's role.
const MAX_ARN: usize = 1536;
/// The longest host name (RFC 1035).
const MAX_HOST: usize = 253;

/// A resource on its way from the SDK's record to databases.
#[derive(Debug)]
pub(super) struct Record {
    call: &'static str,
    arn: String,
    product: &'static str,
    database: Database,
}

/// A record's field that cannot be used.
pub(super) type Checked<T> = Result<T, Malformed>;

// === impl Record ===

impl Record {
    /// Takes who the record is. `product` is what people call such a resource, in descriptions.
    pub(super) fn new(
        scope: &Arc<Scope>,
        call: &'static str,
        (kind, product): (Kind, &'static str),
        arn: Option<String>,
        identifier: Option<String>,
    ) -> Checked<Self> {
        let nameless = |message: String| Malformed {
            provider_id: None,
            call: call.to_owned(),
            message,
        };
        let Some(arn) = arn.filter(|arn| !arn.is_empty()) else {
            let whose = match identifier {
                Some(identifier) => format!("`{}`", excerpt(&identifier)),
                None => "a record without an identifier".to_owned(),
            };
            return Err(nameless(format!("{whose} has no ARN")));
        };
        let Some((account, region)) = parse_arn(&arn) else {
            return Err(nameless(format!("`{}` is not an ARN", excerpt(&arn))));
        };
        let account = if account.is_empty() {
            scope.account.as_str()
        } else {
            account
        }
        .to_owned();
        let region = if region.is_empty() {
            scope.region.as_str()
        } else {
            region
        }
        .to_owned();
        let derived = BTreeMap::from(
            [
                ("account-id", account.as_str()),
                ("region", &region),
                ("muster/kind", kind.as_str()),
                ("teleport.dev/cloud", "AWS"),
                ("teleport.dev/discovery-type", kind.discovery_type()),
                ("teleport.dev/origin", "cloud"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let mut record = Self {
            call,
            arn,
            product,
            database: Database {
                id: ResourceId::new(String::new()),
                scope: Arc::clone(scope),
                kind,
                protocol: None,
                identifier: String::new(),
                role: EndpointRole::Instance,
                region,
                endpoint: None,
                tls_server_name: None,
                engine: String::new(),
                engine_version: String::new(),
                state: State {
                    name: String::new(),
                    availability: Availability::Unknown,
                },
                tags: BTreeMap::new(),
                derived,
                facts: BTreeMap::new(),
                unsupported: None,
                unread: BTreeSet::new(),
                notes: Vec::new(),
            },
        };
        record.database.identifier = record.need("identifier", identifier)?;
        Ok(record)
    }

    /// The resource's ARN.
    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    /// The record is not usable, and why.
    pub(super) fn wrong(&self, message: impl Into<String>) -> Malformed {
        Malformed {
            provider_id: Some(self.arn.clone()),
            call: self.call.to_owned(),
            message: message.into(),
        }
    }

    /// A text of bearable length; an empty one is none.
    pub(super) fn text(&self, what: &str, value: Option<String>) -> Checked<Option<String>> {
        match value {
            Some(text) if text.len() > MAX_TEXT => Err(self.wrong(format!(
                "its {what} is {} bytes long, more than {MAX_TEXT}",
                text.len()
            ))),
            value => Ok(value.filter(|text| !text.is_empty())),
        }
    }

    /// A text that has to be there.
    pub(super) fn need(&self, what: &str, value: Option<String>) -> Checked<String> {
        self.text(what, value)?
            .ok_or_else(|| self.wrong(format!("it has no {what}")))
    }

    /// Takes engine and version; `protocol` is none for an engine that muster does not speak.
    pub(super) fn engine(
        &mut self,
        engine: String,
        version: Option<String>,
        protocol: Option<Protocol>,
    ) -> Checked<()> {
        let version = self.text("engine version", version)?.unwrap_or_default();
        self.derive("engine", engine.clone());
        if !version.is_empty() {
            self.derive("engine-version", version.clone());
        }
        if protocol.is_none() {
            self.unsupported(Unsupported::Engine {
                engine: engine.clone(),
            });
        }
        self.database.protocol = protocol;
        self.database.engine = engine;
        self.database.engine_version = version;
        Ok(())
    }

    /// The engine.
    pub(super) fn engine_name(&self) -> &str {
        &self.database.engine
    }

    /// The engine's version; empty when it is not known.
    pub(super) fn version(&self) -> &str {
        &self.database.engine_version
    }

    /// Asks for a version of at least `major.minor`. One that is not told is marked, so that it stands against
    /// nothing of which a version was known before.
    pub(super) fn need_version(&mut self, major: u32, minor: u32) {
        if self.version().is_empty() {
            self.unread(Unread::Version);
        }
        if super::version::at_least(self.version(), major, minor) != Some(true) {
            self.unsupported(Unsupported::Version {
                engine: self.database.engine.clone(),
                have: self.database.engine_version.clone(),
                need: format!("{major}.{minor}"),
            });
        }
    }

    /// Takes what stands against the resource; the first reason counts.
    pub(super) fn unsupported(&mut self, why: Unsupported) {
        self.database.unsupported.get_or_insert(why);
    }

    /// Takes the state.
    pub(super) fn state(&mut self, table: &States, name: Option<String>) -> Checked<()> {
        let (state, note) = table.state(self.text("state", name)?);
        self.database.state = state;
        self.database.notes.extend(note);
        Ok(())
    }

    /// Takes tags as the SDK's records hold them.
    pub(super) fn tags(
        &mut self,
        tags: impl Iterator<Item = (Option<String>, Option<String>)>,
    ) -> Checked<()> {
        for (key, value) in tags {
            match self.text("tag key", key)? {
                Some(key) => {
                    let value = self.text("tag value", value)?.unwrap_or_default();
                    self.database.tags.insert(key, value);
                }
                None => self.note("a tag without a key was left out"),
            }
        }
        Ok(())
    }

    /// Sets a derived label.
    pub(super) fn derive(&mut self, key: &str, value: String) {
        self.database.derived.insert(key.to_owned(), value);
    }

    /// Takes the network: a fact and a label.
    pub(super) fn vpc(&mut self, vpc: Option<String>) -> Checked<()> {
        if let Some(vpc) = self.text("VPC id", vpc)? {
            self.derive(fact::VPC, vpc.clone());
            self.database.facts.insert(fact::VPC.to_owned(), vpc);
        }
        Ok(())
    }

    /// Whether the network is known.
    pub(super) fn has_vpc(&self) -> bool {
        self.database.facts.contains_key(fact::VPC)
    }

    /// Takes a fact that is a text.
    pub(super) fn fact(&mut self, name: &'static str, value: Option<String>) -> Checked<()> {
        if let Some(value) = self.text(name, value)? {
            self.database.facts.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// Takes a fact that is true or false.
    pub(super) fn flag(&mut self, name: &'static str, value: Option<bool>) {
        set_flag(&mut self.database, name, value);
    }

    /// Takes when the resource was made.
    pub(super) fn created(&mut self, time: Option<DateTime>) {
        if let Some(text) = time.and_then(|time| time.fmt(Format::DateTime).ok()) {
            self.database.facts.insert(fact::CREATED.to_owned(), text);
        }
    }

    /// Says what could not be read.
    pub(super) fn unread(&mut self, what: Unread) {
        self.database.unread.insert(what);
    }

    /// Adds a note.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.database.notes.push(text.into());
    }

    /// An endpoint; none where there is no host yet. A host without a port that a client could use is an error.
    pub(super) fn endpoint(
        &self,
        host: Option<String>,
        port: Option<i32>,
    ) -> Checked<Option<Endpoint>> {
        let Some(host) = host.filter(|host| !host.is_empty()) else {
            return Ok(None);
        };
        if !is_host(&host) {
            return Err(self.wrong(format!("`{}` is not a host name", excerpt(&host))));
        }
        match port {
            None => Err(self.wrong("it has a host and no port")),
            Some(port) => match u16::try_from(port) {
                Ok(port) if port > 0 => Ok(Some(Endpoint { host, port })),
                _ => Err(self.wrong(format!("{port} is not a TCP port"))),
            },
        }
    }

    /// Puts one database an endpoint into the scan.
    pub(super) fn listen(self, listeners: Vec<Listener>, scan: &mut Scan) {
        let Self {
            arn,
            product,
            database,
            ..
        } = self;
        let mut template = Some(database);
        let last = listeners.len().saturating_sub(1);
        for (place, listener) in listeners.into_iter().enumerate() {
            let copy = if place == last {
                template.take()
            } else {
                template.clone()
            };
            if let Some(database) = copy {
                scan.found.push(listener.database(&arn, product, database));
            }
        }
    }
}

/// Account and region of an ARN; either may be empty. None when the text is no ARN, or one that could not be told
/// from other ids (`#` parts an id from its endpoint's role).
fn parse_arn(arn: &str) -> Option<(&str, &str)> {
    if arn.len() > MAX_ARN
        || arn
            .bytes()
            .any(|byte| byte <= b' ' || byte >= 0x7f || byte == b'#')
    {
        return None;
    }
    let mut parts = arn.splitn(6, ':');
    let (
        Some("arn"),
        Some(_partition),
        Some(_service),
        Some(region),
        Some(account),
        Some(resource),
    ) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    )
    else {
        return None;
    };
    (!resource.is_empty()).then_some((account, region))
}

/// Whether a text can be a host name or an address; it goes into connection strings.
fn is_host(text: &str) -> bool {
    text.len() <= MAX_HOST
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'))
}

/// The beginning of a text from outside, for a message: one line, at most 80 characters.
pub(super) fn excerpt(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(80)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(80).is_some() {
        short.push('\u{2026}');
    }
    short
}
