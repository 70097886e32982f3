//! The databases that a person's roles let see: by pages, by name, and why one cannot be opened so.
//!
//! Nothing here says whether a database exists that the person may not see: it is looked for among the others alone,
//! and what is not found among them has one answer.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use axum::{Extension, extract::State, http::Uri, response::Response};
use muster_access::{Ask, Denial, DeniedBy, Identity, Missing, Names, Policy};
use muster_credentials::method::{MethodError, method};
use muster_model::{Availability, Protocol, ResourceId, Selector, Target, Timestamp, fact};
use muster_proxy::Catalog;
use serde::Serialize;

use super::{
    Behind, From, InPath, Problem, RouteAsked, Served, blocking, json, place::Places, refused,
};

/// How many databases a page has unless it is asked for otherwise, and the most.
const PAGE: usize = 100;
const LARGEST: usize = 1000;

/// The most databases that one page looks at: who sees few of a million reads on with the next page.
const WALK: usize = if cfg!(test) { 1_000 } else { 50_000 };

/// The most candidates that are named.
const CANDIDATES: usize = 20;

/// The most bytes of the parameters of a request, and the most of them.
const MAX_QUERY: usize = 8 << 10;
const MAX_PARAMETERS: usize = 64;

/// A database, as a person sees it.
#[derive(Serialize)]
struct DbView<'a> {
    name: &'a str,
    short_name: &'a str,
    description: &'a str,
    protocol: Protocol,
    kind: muster_model::Kind,
    labels: BTreeMap<&'a str, &'a str>,
    /// `*` is any but those that are denied.
    db_users: Vec<String>,
    db_names: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    db_users_denied: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    db_names_denied: Vec<String>,
    state: &'a str,
    /// Why connecting would fail.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Page<'a> {
    databases: Vec<DbView<'a>>,
    /// Where the next page begins: after this name, or at a sealed place.
    next: Option<Cow<'a, str>>,
}

/// What somebody looks for.
struct Query {
    after: Option<String>,
    limit: usize,
    words: Vec<String>,
    labels: Option<Selector>,
}

pub(super) async fn list(
    State(api): Served,
    Extension(caller): From,
    uri: Uri,
) -> Result<Response, Problem> {
    let who = caller.logged_in(&api.authority)?.identity;
    let query = Query::of(&uri)?;
    api.listing(move |api| {
        let now = api.authority.now();
        let policy = api.authority.policy.load_full();
        let viewer = policy
            .viewer(&who, now)
            .map_err(|denial| refused(&denial))?;
        let places = &api.authority.places;
        let after =
            match query.after.as_deref() {
                Some(place) if Places::is_one(place) => {
                    let name = places.open(&who.user, place);
                    Some(name.ok_or_else(|| {
                        invalid("the list that `after` is of is over: begin it anew")
                    })?)
                }
                name => name.map(str::to_owned),
            };
        let catalog = api.behind.catalog.load_full();
        let mut databases: Vec<DbView<'_>> = Vec::new();
        let (mut next, mut last) = (None, None::<&str>);
        for (walked, target) in catalog.after(after.as_deref()).enumerate() {
            if let (WALK, Some(last)) = (walked, last) {
                let sealed = places.seal(&who.user, last);
                let sealed =
                    sealed.map_err(|error| Problem::new(500, "failed", error.to_string()))?;
                next = Some(Cow::Owned(sealed));
                break;
            }
            last = Some(&target.name);
            if !viewer.sees(target) || !query.finds(target) {
                continue;
            }
            if databases.len() == query.limit {
                next = databases.last().map(|last| Cow::Borrowed(last.name));
                break;
            }
            databases.extend(view(&api.behind, &policy, &who, target, now));
        }
        json(&Page { databases, next })
    })
    .await
}

pub(super) async fn show(
    State(api): Served,
    Extension(caller): From,
    InPath(name): InPath,
) -> Result<Response, Problem> {
    let who = caller.logged_in(&api.authority)?.identity;
    blocking(move || {
        let now = api.authority.now();
        let policy = api.authority.policy.load_full();
        policy
            .admits(&who, now)
            .map_err(|denial| refused(&denial))?;
        let catalog = api.behind.catalog.load_full();
        let target = resolve(&catalog, &policy, &who, &name, now)?;
        let view = view(&api.behind, &policy, &who, &target, now);
        json(&view.ok_or_else(|| not_found(&name))?)
    })
    .await
}

/// The target that this person means: by its full name or id, else by a short name that no other has of those that the
/// person sees.
pub(super) fn resolve(
    catalog: &Catalog,
    policy: &Policy,
    who: &Identity,
    name: &str,
    now: Timestamp,
) -> Result<Arc<Target>, Problem> {
    let sees = |target: &&Arc<Target>| policy.sees(who, target, now);
    if let Ok(target) = catalog.find(name)
        && target.name.eq_ignore_ascii_case(name)
        && sees(&target)
    {
        return Ok(Arc::clone(target));
    }
    if let Some(target) = catalog.get(&ResourceId::new(name)).filter(sees) {
        return Ok(Arc::clone(target));
    }
    let mut several = catalog.called(name).filter(sees).take(CANDIDATES + 1);
    let Some(first) = several.next() else {
        return Err(not_found(name));
    };
    let mut names: Vec<String> = several.map(|target| target.name.clone()).collect();
    if names.is_empty() {
        return Ok(Arc::clone(first));
    }
    names.push(first.name.clone());
    names.sort_unstable();
    let short = &first.short_name;
    let why = match names.len() {
        more if more > CANDIDATES => {
            format!("more than {CANDIDATES} databases are called `{short}`")
        }
        count => format!("{count} databases are called `{short}`"),
    };
    names.truncate(CANDIDATES);
    Err(Problem::new(409, "ambiguous", "the name is not unique")
        .because(why)
        .hint("use one of the full names")
        .candidates(names))
}

fn not_found(name: &str) -> Problem {
    Problem::new(404, "not-found", format!("cannot find `{}`", legible(name)))
        .because("there is no such database, or your roles do not allow it")
        .hint("`muster db ls` shows those that they allow")
}

/// Whether somebody who sees the target may open it on this route, and why not: as far as it is theirs to know.
pub(super) fn may(
    policy: &Policy,
    who: &Identity,
    target: &Arc<Target>,
    route: &RouteAsked,
    now: Timestamp,
) -> Result<(), Problem> {
    let (db_user, db_name) = (route.db_user.as_deref(), route.db_name.as_deref());
    let Some(db_user) = db_user else {
        // Which user it will be is known when it is opened.
        return Ok(());
    };
    let ask = Ask::new(db_user, db_name.unwrap_or_default());
    let Err(denial) = policy.permit(who, target, &ask, now) else {
        return Ok(());
    };
    let (what, names): (&str, fn(&muster_access::Choices) -> &Names) = match &denial {
        Denial::NotAllowed {
            missing: Missing::DbName,
            ..
        }
        | Denial::Denied {
            by: DeniedBy::DbName(_),
            ..
        } if db_name.is_none() => return Ok(()),
        Denial::NotAllowed {
            missing: Missing::DbName,
            ..
        }
        | Denial::Denied {
            by: DeniedBy::DbName(_),
            ..
        } => ("database name", |choices| &choices.db_names),
        Denial::NotAllowed {
            missing: Missing::DbUser,
            ..
        }
        | Denial::Denied {
            by: DeniedBy::DbUser(_),
            ..
        } => ("database user", |choices| &choices.db_users),
        other => return Err(refused(other)),
    };
    let asked = match what {
        "database name" => db_name.unwrap_or_default(),
        _ => db_user,
    };
    let mut problem = Problem::new(
        403,
        "refused",
        format!("cannot open `{}` in this way", target.name),
    )
    .because(format!(
        "your roles do not allow the {what} `{}` there",
        legible(asked)
    ));
    if let Some(choices) = policy.choices(who, target, now) {
        problem = problem.because(format!("they allow: {}", in_words(names(&choices))));
    }
    Err(problem
        .hint("name another one, or ask whoever administers muster for a role that allows it"))
}

/// A text of somebody's request, fit for an answer.
fn legible(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(256)
        .collect()
}

fn in_words(names: &Names) -> String {
    match (names.any, names.named.is_empty(), names.not.is_empty()) {
        (true, _, true) => "any".to_owned(),
        (true, _, false) => format!("any but {}", names.not.join(", ")),
        (false, true, _) => "none".to_owned(),
        (false, false, _) => names.named.join(", "),
    }
}

/// The target as this person sees it; none when it is not to be seen.
fn view<'a>(
    behind: &Behind,
    policy: &Policy,
    who: &Identity,
    target: &'a Target,
    now: Timestamp,
) -> Option<DbView<'a>> {
    let choices = policy.choices(who, target, now)?;
    let (db_users, db_users_denied) = listed(choices.db_users);
    let (db_names, db_names_denied) = listed(choices.db_names);
    Some(DbView {
        name: &target.name,
        short_name: &target.short_name,
        description: description(target),
        protocol: target.protocol,
        kind: target.kind,
        labels: target.labels.values().collect(),
        db_users,
        db_names,
        db_users_denied,
        db_names_denied,
        state: &target.state.name,
        notes: notes(behind, target),
    })
}

fn listed(names: Names) -> (Vec<String>, Vec<String>) {
    let any = names.any.then(|| "*".to_owned());
    (any.into_iter().chain(names.named).collect(), names.not)
}

fn description(target: &Target) -> &str {
    let text = target.facts.get(fact::DESCRIPTION);
    text.map_or("", String::as_str)
}

/// Why connecting would fail.
fn notes(behind: &Behind, target: &Target) -> Vec<String> {
    let mut notes = Vec::new();
    if target.protocol != Protocol::Postgres {
        notes.push(format!("muster does not serve {} yet", target.protocol));
    }
    match target.state.availability {
        Availability::Stopped | Availability::Unavailable => {
            notes.push(format!("its provider says: {}", target.state.name));
        }
        Availability::Available | Availability::Unknown => {
            if target.endpoint.is_none() {
                notes.push("its provider names no endpoint".to_owned());
            }
        }
    }
    match method(target, (behind.has_password)(target)) {
        Err(error @ (MethodError::IamOff | MethodError::EntraOff)) => {
            notes.push(format!(
                "{error}: whoever runs the database can switch it on"
            ));
        }
        Err(error) => notes.push(error.to_string()),
        Ok(_) => {}
    }
    notes
}

impl Query {
    fn of(uri: &Uri) -> Result<Self, Problem> {
        let text = uri.query().unwrap_or_default();
        if text.len() > MAX_QUERY {
            return Err(Problem::new(414, "large", "the request is too large"));
        }
        let (mut after, mut limit) = (None, PAGE);
        let (mut words, mut labels) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
        for (count, (name, value)) in url::form_urlencoded::parse(text.as_bytes()).enumerate() {
            if count == MAX_PARAMETERS {
                return Err(invalid("it has too many parameters"));
            }
            match &*name {
                "after" if !value.is_empty() => after = Some(value.into_owned()),
                "after" => {}
                "limit" => {
                    let number = value.parse().ok();
                    limit = number
                        .filter(|limit| (1..=LARGEST).contains(limit))
                        .ok_or_else(|| {
                            invalid(&format!("`limit` is a number from 1 to {LARGEST}"))
                        })?;
                }
                "search" => words.extend(value.split_whitespace().map(str::to_lowercase)),
                "label" => {
                    let pair = value.split_once('=');
                    let (key, value) = pair.ok_or_else(|| invalid("`label` is KEY=VALUE"))?;
                    labels
                        .entry(key.to_owned())
                        .or_default()
                        .push(value.to_owned());
                }
                _ => return Err(invalid("the parameters are: after, limit, search, label")),
            }
        }
        let labels = match labels.is_empty() {
            true => None,
            false => {
                let selector = serde_json::to_value(labels).and_then(serde_json::from_value);
                Some(selector.map_err(|error| invalid(&format!("`label`: {error}")))?)
            }
        };
        Ok(Self {
            after,
            limit,
            words,
            labels,
        })
    }

    fn finds(&self, target: &Target) -> bool {
        let has = |selector: &Selector| selector.matches(|key| target.labels.value(key)).is_ok();
        self.labels.as_ref().is_none_or(has) && self.finds_words(target)
    }

    fn finds_words(&self, target: &Target) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let mut text = format!(
            "{} {} {} {}",
            target.name,
            target.short_name,
            target.kind,
            description(target)
        );
        for (key, value) in target.labels.values() {
            text.push(' ');
            text.push_str(key);
            text.push('=');
            text.push_str(value);
        }
        let text = text.to_lowercase();
        self.words.iter().all(|word| text.contains(word))
    }
}

fn invalid(why: &str) -> Problem {
    Problem::new(422, "invalid", "this cannot be listed").because(why)
}
