//! muster has a way to log in to each database.

use super::words::{count, path};
use crate::doctor::{
    Check, Evidence, Finding,
    evidence::{Logins, Without},
};

/// Looks at ways to log in.
pub fn look(evidence: &Evidence) -> Vec<Finding> {
    let Some(seen) = &evidence.logins else {
        return Vec::new();
    };
    let Logins {
        without, secrets, ..
    } = seen;
    let check = Check::Logins;
    let secrets = secrets.iter().map(|(file, why)| {
        check
            .failed("secret-unusable", file.display().to_string())
            .what("the password file of `proxy.secrets` cannot be used")
            .why(why)
            .remedy(format!(
                "write the password into it, for its owner alone: install -m 600 /dev/stdin {}",
                path(file)
            ))
    });
    let without = without.iter().map(|seen| {
        let Without {
            code,
            place,
            count: many,
            names,
            message,
            hint,
        } = seen;
        let listed = names.join(", ");
        let why = match (many.saturating_sub(names.len() as u64), names.len()) {
            (_, 0) => "`muster doctor logins` names them".to_owned(),
            (0, _) => listed,
            (more, _) => format!("{listed}, and {more} more"),
        };
        let remedy = match (names.first(), *many) {
            (Some(first), 2..) => format!("for {first}, and likewise for the others:\n{hint}"),
            _ => hint.clone(),
        };
        check
            .failed(code, place)
            .what(format!(
                "nobody can log in to {} of {place}: {message}",
                count(*many, "database")
            ))
            .why(why)
            .remedy(remedy)
    });
    secrets.chain(without).collect()
}
