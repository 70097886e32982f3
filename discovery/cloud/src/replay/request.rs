//! What a call asks for, read from HTTP ([`Seen`]), and which calls an exchange answers ([`Request`]).
//!
//! Reads what AWS's Query and JSON protocols and Azure's ARM have in common with plain HTTP: a credential scope,
//! an action, parameters, a page marker. It does not verify signatures.

use std::{collections::BTreeMap, fmt};

use http::{HeaderMap, header, request::Parts};
use serde::Deserialize;
use url::form_urlencoded;

/// Which calls an exchange answers. Only what is given is compared, and it must be equal; an empty text asks that the
/// field is missing or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// AWS: the service of the signature's credential scope (`rds`, `sts`, `elasticache`, `tagging`).
    pub service: Option<String>,
    /// AWS: the field `Action`, or what follows the dot in `X-Amz-Target`.
    pub action: Option<String>,
    /// AWS: the account, which is the last twelve digits of the access key id.
    pub account: Option<String>,
    /// AWS: the region of the signature's credential scope.
    pub region: Option<String>,
    /// The page marker (`Marker`, `NextToken`, `PaginationToken`).
    pub marker: Option<String>,
    /// Form or JSON fields of the body. Nested JSON as `Outer.1.Inner`, counted from one as in AWS's Query protocol.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// HTTP method.
    pub method: Option<String>,
    /// HTTP path, without the query.
    pub path: Option<String>,
    /// Fields of the URL's query.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
}

/// A call that the replayer received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// HTTP method.
    pub method: String,
    /// HTTP path, without the query.
    pub path: String,
    /// Fields of the URL's query.
    pub query: BTreeMap<String, String>,
    /// AWS: the service that the call was signed for.
    pub service: Option<String>,
    /// AWS: the action.
    pub action: Option<String>,
    /// AWS: the account, where the access key id ends in one.
    pub account: Option<String>,
    /// AWS: the region that the call was signed for.
    pub region: Option<String>,
    /// The page marker; none on the first page.
    pub marker: Option<String>,
    /// Form or JSON fields of the body, without secrets.
    pub params: BTreeMap<String, String>,
    /// The name of the exchange that answered; none when nothing matched.
    pub exchange: Option<String>,
    /// The HTTP status that was answered; none where the fault was to answer nothing.
    pub status: Option<u16>,
}

// === impl Request ===

impl Request {
    /// Whether the call has everything that is asked.
    pub fn matches(&self, seen: &Seen) -> bool {
        let equal = |wanted: &str, have: Option<&str>| have.unwrap_or_default() == wanted;
        let same = |wanted: &Option<String>, have: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| equal(wanted, have))
        };
        let all = |wanted: &BTreeMap<String, String>, have: &BTreeMap<String, String>| {
            wanted
                .iter()
                .all(|(name, value)| equal(value, have.get(name).map(String::as_str)))
        };
        same(&self.service, seen.service.as_deref())
            && same(&self.action, seen.action.as_deref())
            && same(&self.account, seen.account.as_deref())
            && same(&self.region, seen.region.as_deref())
            && same(&self.marker, seen.marker.as_deref())
            && same(&self.method, Some(&seen.method))
            && same(&self.path, Some(&seen.path))
            && all(&self.params, &seen.params)
            && all(&self.query, &seen.query)
    }

    /// How much is asked. Of several exchanges that match, the one that asks most answers.
    pub fn weight(&self) -> usize {
        let fields = [
            &self.service,
            &self.action,
            &self.account,
            &self.region,
            &self.marker,
            &self.method,
            &self.path,
        ];
        fields.iter().filter(|field| field.is_some()).count() + self.params.len() + self.query.len()
    }
}

// === impl Seen ===

impl Seen {
    /// Reads a call. Nothing is refused: what cannot be understood is left out.
    pub(super) fn read(parts: &Parts, body: &[u8]) -> Self {
        let query: BTreeMap<_, _> = pairs(parts.uri.query().unwrap_or_default().as_bytes());
        let mut params = params(&parts.headers, body);
        for secret in SECRETS {
            if let Some(value) = params.get_mut(*secret) {
                "[redacted]".clone_into(value);
            }
        }
        let credential = text(&parts.headers, header::AUTHORIZATION.as_str()).and_then(credential);
        let target =
            text(&parts.headers, "x-amz-target").and_then(|target| target.rsplit('.').next());
        let action = params
            .get("Action")
            .or_else(|| query.get("Action"))
            .map(String::as_str)
            .or(target);
        let marker = MARKERS
            .iter()
            .find_map(|name| params.get(*name))
            .filter(|marker| !marker.is_empty());
        Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            service: credential.map(|credential| credential.service.to_owned()),
            action: action.map(str::to_owned),
            account: credential
                .and_then(|credential| account(credential.key))
                .map(str::to_owned),
            region: credential.map(|credential| credential.region.to_owned()),
            marker: marker.cloned(),
            query,
            params,
            exchange: None,
            status: None,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some(service) => {
                let or_unknown =
                    |field: &Option<String>| field.clone().unwrap_or_else(|| "?".to_owned());
                let (action, account) = (or_unknown(&self.action), or_unknown(&self.account));
                write!(
                    f,
                    "{service} {action} in {account}/{}",
                    or_unknown(&self.region)
                )?;
            }
            None => write!(f, "{} {}", self.method, self.path)?,
        }
        if let Some(marker) = &self.marker {
            write!(f, " from {marker}")?;
        }
        for (name, value) in &self.query {
            write!(f, " {name}={value}")?;
        }
        match (&self.exchange, self.status) {
            (Some(exchange), Some(status)) => write!(f, " -> {status} ({exchange})"),
            (Some(exchange), None) => write!(f, " -> no answer ({exchange})"),
            (None, _) => write!(f, " -> nothing recorded"),
        }
    }
}

/// The parts of a SigV4 credential scope that say who calls what and where.
#[derive(Clone, Copy)]
struct Credential<'a> {
    key: &'a str,
    region: &'a str,
    service: &'a str,
}

/// Reads `Credential=KEY/DATE/REGION/SERVICE/aws4_request` out of an `Authorization` header.
fn credential(authorization: &str) -> Option<Credential<'_>> {
    let (_, rest) = authorization.split_once("Credential=")?;
    let mut parts = rest.split([',', ' ']).next()?.split('/');
    let (key, _date) = (parts.next()?, parts.next()?);
    Some(Credential {
        key,
        region: parts.next()?,
        service: parts.next()?,
    })
}

/// The account that an access key id of the tapes ends in.
fn account(key: &str) -> Option<&str> {
    let digits = key.get(key.len().checked_sub(12)?..)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(digits)
}

/// The fields of a body: JSON, or else a form.
fn params(headers: &HeaderMap, body: &[u8]) -> BTreeMap<String, String> {
    if !text(headers, header::CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("json")) {
        return pairs(body);
    }
    let mut params = BTreeMap::new();
    if let Ok(value) = serde_json::from_slice(body) {
        flatten("", &value, &mut params);
    }
    params
}

fn pairs(form: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(form).into_owned().collect()
}

/// Writes the leaves of a JSON value under their paths. Depth is bounded by the parser.
fn flatten(path: &str, value: &serde_json::Value, params: &mut BTreeMap<String, String>) {
    use serde_json::Value;
    let under = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Null => {}
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| flatten(&under(name), value, params)),
        Value::Array(items) => {
            (1_usize..)
                .zip(items)
                .for_each(|(index, value)| flatten(&under(&index.to_string()), value, params));
        }
        Value::String(text) => drop(params.insert(path.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) => {
            drop(params.insert(path.to_owned(), value.to_string()))
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What services call their page markers.
const MARKERS: &[&str] = &["Marker", "NextToken", "PaginationToken"];

/// Form fields of token requests that must not be kept.
const SECRETS: &[&str] = &[
    "client_secret",
    "client_assertion",
    "assertion",
    "password",
    "refresh_token",
];
