//! The environment of a database, from tags that everybody spells in their own way.

use muster_plugin::{About, Database, Matcher, Problem, Verdict};
use serde::Deserialize;

/// What the configuration may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Tags to look at; the first one that is there counts.
    #[serde(default = "default_tags")]
    tags: Vec<String>,
}

fn default_tags() -> Vec<String> {
    ["env", "environment", "stage"].map(String::from).to_vec()
}

const ENVIRONMENTS: &[(&str, &[&str])] = &[
    ("dev", &["dev", "develop", "development"]),
    ("test", &["test", "qa"]),
    ("staging", &["staging", "stage", "stg"]),
    ("prod", &["prod", "production", "prd", "live"]),
];

pub struct Environment {
    tags: Vec<String>,
}

impl Matcher for Environment {
    const ABOUT: About =
        muster_plugin::about!().with_schema(include_str!("../settings.schema.json"));

    type Settings = Settings;

    /// Called before every batch.
    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        if settings.tags.is_empty() {
            Err(Problem::at("tags", "name at least one"))?;
        }
        Ok(Self {
            tags: settings.tags,
        })
    }

    /// The verdict on one database. It depends on nothing but the database and the settings.
    fn judge<'a>(&'a self, database: Database<'a>) -> Verdict<'a> {
        let found = self
            .tags
            .iter()
            .find_map(|tag| Some((tag, database.tag(tag)?)));
        let Some((tag, value)) = found else {
            let tags = self.tags.join(", ");
            return Verdict::skip(format!("no tag says the environment: {tags}"));
        };
        let environment = ENVIRONMENTS
            .iter()
            .find(|(_, spellings)| spellings.iter().any(|s| s.eq_ignore_ascii_case(value)));
        match environment {
            Some((environment, _)) => {
                Verdict::enroll(format!("the tag {tag} says {environment}"))
                    .label("environment", *environment)
            }
            None => Verdict::skip(format!("the tag {tag} says no environment that is known")),
        }
    }
}

muster_plugin::export!(Environment);

#[cfg(test)]
mod tests {
    use muster_plugin::testing::{about, database, problems, verdict};

    use super::*;

    #[test]
    fn spellings_of_one_environment_are_one() {
        for value in ["prod", "PRD", "Production", "live"] {
            let verdict = verdict::<Environment>("null", database("orders").tag("env", value));
            let wanted = Verdict::enroll("the tag env says prod").label("environment", "prod");
            assert_eq!(verdict, wanted, "{value}");
        }
    }

    #[test]
    fn without_a_tag_it_is_skipped() {
        let verdict = verdict::<Environment>("null", database("orders"));
        assert!(matches!(verdict, Verdict::Skip(_)), "{verdict:?}");
    }

    #[test]
    fn the_settings_say_which_tags_count() {
        let database = database("orders").tag("env", "prod").tag("tier", "dev");
        let verdict = verdict::<Environment>(r#"{"tags": ["tier"]}"#, database);
        let wanted = Verdict::enroll("the tag tier says dev").label("environment", "dev");
        assert_eq!(verdict, wanted);
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused() {
        let problems = problems::<Environment>(r#"{"tags": []}"#);
        assert_eq!(problems, ["tags: name at least one"]);
    }

    #[test]
    fn muster_would_load_it() {
        assert_eq!(about::<Environment>().name, "my-matcher");
    }
}
