//! What was looked at, check by check: so that "ok" says what is ok.

use muster_model::Timestamp;

use super::{Check, Evidence, evidence::Compared};

/// In a line, what a check had to look at.
pub(super) fn note(check: Check, evidence: &Evidence) -> String {
    let said = match check {
        Check::Configuration => configuration(evidence),
        Check::Store => store(evidence),
        Check::Audit => audit(evidence),
        Check::Certificates => certificates(evidence),
        Check::Clock => clock(evidence),
        Check::Ports => ports(evidence),
        Check::Credentials => credentials(evidence),
        Check::Permissions => permissions(evidence),
        Check::Logins => logins(evidence),
        Check::Endpoints => endpoints(evidence),
        Check::Login => login(evidence),
    };
    said.unwrap_or_else(|| "nothing was there to look at".to_owned())
}

fn configuration(evidence: &Evidence) -> Option<String> {
    let seen = evidence.configuration.as_ref()?;
    let in_force = match seen.differs {
        Some(false) if seen.needs_restart.is_empty() => ", in force",
        Some(false) => ", in force but for what needs a restart",
        _ => "",
    };
    Some(format!("{}{in_force}", seen.path.display()))
}

fn store(evidence: &Evidence) -> Option<String> {
    let seen = evidence.store.as_ref()?;
    let mut said = vec![seen.path.display().to_string()];
    said.extend(seen.records.map(|n| format!("{n} records can be read")));
    said.extend(room(seen.disk.as_ref()));
    Some(said.join(", "))
}

fn audit(evidence: &Evidence) -> Option<String> {
    let seen = evidence.audit.as_ref()?;
    let path = seen
        .place
        .as_ref()
        .map(|place| place.path.display().to_string());
    let mut said = vec![path.unwrap_or_else(|| "standard output".to_owned())];
    said.extend(room(seen.disk.as_ref()));
    Some(said.join(", "))
}

fn room(disk: Option<&super::evidence::Disk>) -> Option<String> {
    let disk = disk?;
    let gib = |bytes: u64| {
        let tenths = u128::from(bytes) * 10 / (1 << 30);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    Some(format!(
        "{} of {} GiB free",
        gib(disk.free),
        gib(disk.total)
    ))
}

fn certificates(evidence: &Evidence) -> Option<String> {
    let seen = evidence.certificates.as_ref()?;
    let mut said = Vec::new();
    let first: Option<Timestamp> = seen.authorities.iter().map(|one| one.expires).min();
    if let Some(first) = first {
        said.push(format!("authorities until {first}"));
    }
    said.extend(
        seen.shown_until
            .map(|end| format!("the proxy's until {end}")),
    );
    let trusted: usize = seen
        .trusted
        .iter()
        .map(|file| file.certificates.len())
        .sum();
    if trusted > 0 {
        said.push(format!("{trusted} in `proxy.trust`"));
    }
    if !seen.names.is_empty() {
        said.push(format!("{} public names", seen.names.len()));
    }
    (!said.is_empty()).then(|| said.join(", "))
}

fn clock(evidence: &Evidence) -> Option<String> {
    let seen = evidence.clock.as_ref()?;
    let compare = |Compared { with, theirs, ours }: &Compared| {
        let by = theirs.since(*ours).max(ours.since(*theirs));
        format!("{by} s from {with}'s date")
    };
    let mut said: Vec<String> = seen.compared.iter().map(compare).collect();
    if seen.synchronized == Some(true) {
        said.push("kept by a time server".to_owned());
    }
    if said.is_empty() {
        said.push("nobody's date was at hand to compare it with".to_owned());
    }
    Some(said.join(", "))
}

fn ports(evidence: &Evidence) -> Option<String> {
    let seen = evidence.ports.as_ref()?;
    let listen = seen.listen.iter();
    let listen = listen.map(|one| {
        let whose = match one.held {
            Some(_) if seen.service.is_some() => "the service's",
            Some(_) => "taken",
            None => "free",
        };
        format!("{} {} ({whose})", one.setting, one.address)
    });
    let reach = seen.reach.iter().map(|one| one.at.clone());
    let said: Vec<String> = listen.chain(reach).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

fn credentials(evidence: &Evidence) -> Option<String> {
    let seen = evidence.credentials.as_ref()?;
    let said: Vec<String> = seen
        .iter()
        .map(|account| {
            let is_role = account.name.starts_with("arn:");
            match (&account.caller, is_role) {
                (Some(caller), false) => format!("{}: {caller}", account.cloud),
                _ => format!("{}: {}", account.cloud, account.name),
            }
        })
        .collect();
    let more = match said.len() {
        0..=3 => String::new(),
        all => format!(", and {} more", all - 3),
    };
    (!said.is_empty()).then(|| {
        format!(
            "{}{more}",
            said.get(..said.len().min(3)).unwrap_or_default().join(", ")
        )
    })
}

fn permissions(evidence: &Evidence) -> Option<String> {
    let seen = evidence.permissions.as_ref()?;
    Some(match seen.denied.len() {
        0 => "no scan was denied anything".to_owned(),
        1 => "scans of 1 account were denied something".to_owned(),
        many => format!("scans of {many} accounts were denied something"),
    })
}

fn logins(evidence: &Evidence) -> Option<String> {
    let seen = evidence.logins.as_ref()?;
    let without: u64 = seen.without.iter().map(|one| one.count).sum();
    Some(format!(
        "{} of {} databases can be logged in to",
        seen.of.saturating_sub(without),
        seen.of
    ))
}

fn endpoints(evidence: &Evidence) -> Option<String> {
    let seen = evidence.endpoints.as_ref()?;
    let all = match seen.of > seen.looked + seen.unfinished {
        true => "; `--all` looks at each",
        false => "",
    };
    let well = seen.at.iter().filter(|one| one.stopped.is_some()).count() as u64;
    Some(format!(
        "{} of {} that were looked at are well, of {} in all{all}",
        seen.looked.saturating_sub(well),
        seen.looked,
        seen.of
    ))
}

fn login(evidence: &Evidence) -> Option<String> {
    let seen = evidence.login.as_ref()?;
    let psql = match &seen.psql {
        Some(psql) => format!(", {}", psql.display()),
        None => String::new(),
    };
    if seen.proxy.is_empty() {
        return Some(format!("{}{psql}", seen.name));
    }
    Some(format!(
        "{} at {} until {}{psql}",
        seen.name, seen.proxy, seen.expires
    ))
}
