//! Parameters of a request, taken strictly: a word that is misspelt would otherwise show more than was asked for.

use std::collections::BTreeMap;

use axum::http::Uri;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use muster_model::Selector;

use super::{
    page::{MAX_LIMIT, USUAL_LIMIT},
    problem::Problem,
    routes::{Parameter, Place, Takes},
};

/// The most parameters of one request.
const MAX_PARAMETERS: usize = 50;

/// The parameters of a request.
pub(super) struct Query(Vec<(String, String)>);

/// Refuses parameters that a route does not have, or has once and was given twice.
pub(super) fn check(uri: &Uri, known: &[Parameter]) -> Result<(), Problem> {
    let query = Query::of(uri);
    if query.0.len() > MAX_PARAMETERS {
        return Err(Problem::bad_request(format!(
            "it has more than {MAX_PARAMETERS} parameters"
        )));
    }
    let known: Vec<&Parameter> = known
        .iter()
        .filter(|parameter| parameter.place == Place::Query)
        .collect();
    for (name, value) in &query.0 {
        match known.iter().find(|parameter| parameter.name == name) {
            Some(Parameter {
                takes: Takes::Words(words),
                ..
            }) if !words.contains(&value.as_str()) => {
                let why = format!("it has to be one of: {}", words.join(", "));
                return Err(Problem::parameter(name, why));
            }
            Some(parameter) if parameter.many || query.all(name).count() == 1 => {}
            Some(_) => return Err(Problem::parameter(name, "it is given more than once")),
            None => {
                let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
                let why = match names.as_slice() {
                    [] => "this path has none".to_owned(),
                    names => format!("this path has: {}", names.join(", ")),
                };
                return Err(Problem::parameter(name, why));
            }
        }
    }
    Ok(())
}

// === impl Query ===

impl Query {
    pub(super) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default().as_bytes();
        Self(url::form_urlencoded::parse(query).into_owned().collect())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that can be given once; none when it is absent or empty.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// Whether a parameter without a value is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// How many items are asked for.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let Some(limit) = self.one("limit") else {
            return Ok(USUAL_LIMIT);
        };
        match limit.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            _ => Err(Problem::parameter(
                "limit",
                format!("it has to be a number from 1 to {MAX_LIMIT}"),
            )),
        }
    }

    /// From behind where on items of a list are asked for.
    pub(super) fn after(&self, list: &str) -> Result<Option<String>, Problem> {
        let Some(cursor) = self.one("cursor") else {
            return Ok(None);
        };
        let decoded = URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let after = decoded
            .as_deref()
            .and_then(|text| text.strip_prefix(list)?.strip_prefix(' '))
            .filter(|after| !after.is_empty());
        match after {
            Some(after) => Ok(Some(after.to_owned())),
            None => Err(Problem::parameter(
                "cursor",
                "it is not what `next` of a page of this list said",
            )),
        }
    }

    /// `KEY=VALUE` parameters as a selector, as `muster db ls` takes them: all keys have to fit, several values of
    /// one key are alternatives.
    pub(super) fn selector(&self) -> Result<Option<Selector>, Problem> {
        let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for label in self.all("selector") {
            let (key, value) = label
                .split_once('=')
                .ok_or_else(|| Problem::parameter("selector", "it is not KEY=VALUE"))?;
            asked.entry(key).or_default().push(value);
        }
        if asked.is_empty() {
            return Ok(None);
        }
        serde_json::from_value(serde_json::json!(asked))
            .map(Some)
            .map_err(|error| Problem::parameter("selector", error.to_string()))
    }
}

/// What to give as `cursor` for the items of a list behind `last`. It means nothing to others.
pub(super) fn cursor(list: &str, last: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list} {last}"))
}
