//! Names that nobody wrote, and those that a tag or a template gives.

use std::collections::BTreeSet;

use muster_matchers::{Chain, Matchers, RuleFile};
use muster_model::{Decision, Skip};
use serde::Deserialize;

use crate::world::{Db, everything, files};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    database: Db,
    /// The template of a rule, if there is one.
    #[serde(default)]
    template: Option<String>,
    #[serde(default)]
    name: Option<String>,
    /// Default: as `name`.
    #[serde(default)]
    short_name: Option<String>,
    /// Instead of a name: what is wrong with it.
    #[serde(default)]
    bad: Option<String>,
    /// Where the name comes from, in part.
    #[serde(default)]
    from: Option<String>,
}

fn chain(template: Option<&str>) -> Chain {
    let rules: Option<Vec<RuleFile>> = template.map(|template| {
        let yaml = serde_json::json!([{ "name": "named", "enroll": { "name": template } }]);
        serde_json::from_value(yaml).unwrap()
    });
    Chain::build(everything(), rules.as_deref(), &Matchers::default())
        .unwrap_or_else(|problems| panic!("{template:?}: {problems:?}"))
        .0
}

#[test]
fn fixtures_get_the_names_that_they_say() {
    for (file, File { cases, .. }) in files::<File>("names") {
        for case in cases {
            let judgement = chain(case.template.as_deref()).judge(&case.database.build());
            let about = format!("{file}: {:?}", case.database);
            let step = judgement
                .trace
                .steps
                .iter()
                .rfind(|step| step.who == "name")
                .expect(&about);
            match (&judgement.decision, &case.name, &case.bad) {
                (Decision::Enroll(enrollment), Some(name), None) => {
                    assert_eq!(&enrollment.name, name, "{about}");
                    assert_eq!(
                        &enrollment.short_name,
                        case.short_name.as_ref().unwrap_or(name),
                        "{about}"
                    );
                    assert_eq!(step.outcome, "passed", "{about}");
                    let from = case.from.as_deref().unwrap_or("identifier");
                    assert!(step.detail.contains(from), "{about}: {}", step.detail);
                }
                (
                    Decision::Skip {
                        reason: Skip::BadName { detail },
                    },
                    None,
                    Some(bad),
                ) => {
                    assert!(detail.contains(bad.as_str()), "{about}: {detail}");
                    assert_eq!(step.outcome, "skip", "{about}");
                }
                (decision, ..) => panic!("{about}: {decision:?}"),
            }
        }
    }
}

#[test]
fn one_identifier_in_many_places_gives_as_many_names() {
    let chain = chain(None);
    let mut names = BTreeSet::new();
    let mut short_names = BTreeSet::new();
    let places = [
        ("us-east-1", "111111111111"),
        ("us-east-1", "222222222222"),
        ("eu-west-1", "111111111111"),
    ];
    for (region, account) in places {
        let db = Db {
            region: region.to_owned(),
            account: account.to_owned(),
            ..Db::default()
        };
        let Decision::Enroll(enrollment) = chain.judge(&db.build()).decision else {
            panic!("{db:?}")
        };
        names.insert(enrollment.name);
        short_names.insert(enrollment.short_name);
    }
    assert_eq!(names.len(), places.len(), "{names:?}");
    assert_eq!(
        short_names.len(),
        1,
        "people say `orders` to all of them: {short_names:?}"
    );
}
