//! The configuration can be read, and is the one that the service goes by.

use super::words;
use crate::doctor::{Check, Evidence, Finding, evidence::Configuration};

/// Looks at the configuration.
pub fn look(evidence: &Evidence) -> Vec<Finding> {
    let Some(seen) = &evidence.configuration else {
        return Vec::new();
    };
    let Configuration {
        path,
        problems,
        warnings,
        differs,
    } = seen;
    let check = Check::Configuration;
    let (subject, argument) = (path.display().to_string(), words::path(path));
    let wrong = problems.iter().map(|problem| {
        check
            .failed("invalid", &subject)
            .what("the configuration cannot be used")
            .why(problem)
            .remedy(format!(
                "correct it, then: muster --config {argument} config check"
            ))
    });
    let odd = warnings.iter().map(|warning| {
        check
            .warns("odd", &subject)
            .what(
                "the configuration says something that has no effect, or another one than it seems",
            )
            .why(warning)
            .remedy(format!(
                "change it, then: muster --config {argument} config check"
            ))
    });
    let differs = (*differs == Some(true)).then(|| {
        check
            .warns("not-in-force", &subject)
            .what("the service that runs goes by another configuration")
            .why("the file was changed since it was loaded, or the service was started with another one")
            .remedy("to load it: muster reload\nwhich one is in force: muster status")
    });
    wrong.chain(odd).chain(differs).collect()
}
