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
        needs_restart,
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
    let waits = needs_restart.iter().map(|waits| {
        check
            .warns("needs-restart", &subject)
            .what("a part of the configuration was loaded, and is not in force yet")
            .why(waits)
            .remedy("restart the service, such as with: systemctl restart muster\nopen sessions end with it")
    });
    wrong.chain(odd).chain(differs).chain(waits).collect()
}
