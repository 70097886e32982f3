//! Says back all that it was handed, by hashes, so that a test sees whether everything crosses as it is; and does on
//! request what matchers do otherwise. For the tests of the SDK, and for nothing else.

#![allow(missing_docs)]

use muster_plugin::{About, Database, Matcher, Pairs, Problem, Verdict, debug, info, text, warn};

pub struct Echo;

impl Matcher for Echo {
    const ABOUT: About = muster_plugin::about!();

    type Settings = ();

    fn new((): ()) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }

    #[allow(clippy::panic)]
    fn judge<'a>(&'a self, database: Database<'a>) -> Verdict<'a> {
        match database.tag("do") {
            Some("panic") => panic!("asked to by {}", database.name()),
            Some("log") => {
                debug!("name {}", database.name());
                info!("kind {}", database.kind());
                warn!("plain");
                Verdict::pass()
            }
            Some("skip") => Verdict::skip(""),
            Some("undecided") => Verdict::undecided(database.name()),
            Some("borrow") => Verdict::pass()
                .label("mine", String::from("owned"))
                .label("theirs", database.tag("do").unwrap_or_default())
                .label("mine", "static"),
            _ => echo(database),
        }
    }
}

muster_plugin::export!(Echo);

fn echo(database: Database<'_>) -> Verdict<'_> {
    let texts = [
        ("f-id", database.id()),
        ("f-name", database.name()),
        ("f-provider", database.provider()),
        ("f-kind", database.kind()),
        ("f-protocol", database.protocol()),
        ("f-engine", database.engine()),
        ("f-engine-version", database.engine_version()),
        ("f-state", database.state()),
        ("f-account", database.account()),
        ("f-region", database.region()),
        ("f-role", database.role()),
        ("f-host", database.host()),
    ];
    let pairs = [
        ("p-tags", database.tags()),
        ("p-derived", database.derived()),
        ("p-labels", database.labels()),
        ("p-facts", database.facts()),
    ];
    Verdict::enroll(format!("{} texts", texts.len()))
        .name(text::cut(database.name(), 20))
        .labels(texts.map(|(field, value)| (field, hex(text::hash(value)))))
        .labels(pairs.map(|(field, pairs)| (field, hex(all(pairs)))))
        .hint("port", format!("{:?}", database.port()))
        .hint("empty", "")
}

/// Of all pairs, in any order.
fn all(pairs: Pairs<'_>) -> u64 {
    pairs
        .iter()
        .map(|(key, value)| text::hash(&format!("{key}={value}")))
        .fold(0, u64::wrapping_add)
}

fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}
