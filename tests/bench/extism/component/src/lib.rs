//! The logic of the benchmark, for muster.

use muster_plugin::{About, Database, Matcher, Problem, Verdict};

struct Bench;

impl Matcher for Bench {
    const ABOUT: About = muster_plugin::about!();
    type Settings = ();

    fn new((): ()) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }

    fn judge<'a>(&'a self, database: Database<'a>) -> Verdict<'a> {
        match database.label("env") {
            Some("prod" | "production") => Verdict::enroll("env is prod")
                .label("env", "prod")
                .label("owner", database.label("team").unwrap_or("none"))
                .label("tier", "gold"),
            env => Verdict::skip(format!("env is `{}`", env.unwrap_or_default())),
        }
    }
}

muster_plugin::export!(Bench);
