//! Addresses to listen on: free or the service's own, allowed, and reachable under the public names.

use super::words::argument;
use crate::doctor::{
    Check, Evidence, Finding,
    evidence::{Holder, Listener, Ports, Reach},
};

/// Looks at ports.
pub fn look(evidence: &Evidence) -> Vec<Finding> {
    let Some(seen) = &evidence.ports else {
        return Vec::new();
    };
    let Ports {
        service,
        listen,
        reach,
    } = seen;
    let mut findings: Vec<Finding> = listen
        .iter()
        .filter_map(|listener| listening(listener, *service))
        .collect();
    findings.extend(reach.iter().filter_map(reached));
    findings
}

fn listening(seen: &Listener, service: Option<u32>) -> Option<Finding> {
    let Listener {
        setting,
        address,
        held,
        lowest,
        local,
    } = seen;
    let check = Check::Ports;
    let port = address.port();
    if let Some(Holder { pid, command }) = held {
        if service.is_some() && (*pid == service || pid.is_none()) {
            return None;
        }
        let who = match (command, pid) {
            (Some(command), Some(pid)) => format!("`{command}` (process {pid})"),
            (None, Some(pid)) => format!("process {pid}"),
            _ => "a process of another user".to_owned(),
        };
        let end = match pid {
            Some(pid) => format!("end it (kill {pid})"),
            None => format!("see who it is (sudo ss -ltnp 'sport = :{port}') and end it"),
        };
        return Some(
            check
                .failed("port-in-use", address.to_string())
                .what(format!(
                    "`{setting}` names an address that another process has"
                ))
                .why(format!("{who} listens there"))
                .remedy(format!("{end}, or choose another port in `{setting}`")),
        );
    }
    if service.is_some() && port != 0 {
        return Some(
            check
                .warns("not-listening", address.to_string())
                .what(format!("the service does not listen at `{setting}`"))
                .why("it was started with another configuration, or has not come that far yet")
                .remedy("see where it listens: muster status\nan address takes effect at the next start: systemctl restart muster"),
        );
    }
    if !local {
        return Some(
            check
                .failed("address-elsewhere", address.to_string())
                .what(format!(
                    "`{setting}` names an address that this machine does not have"
                ))
                .why(format!("no interface has {}", address.ip()))
                .remedy(format!(
                    "name one that `ip address` lists, or every one, in `{setting}`: 0.0.0.0:{port}"
                )),
        );
    }
    (port != 0 && port < *lowest).then(|| {
        check
            .failed("port-privileged", address.to_string())
            .what(format!("`{setting}` names a port that only root may listen on"))
            .why(format!("ports below {lowest} are root's here"))
            .remedy(format!(
                "choose a port from {lowest} on in `{setting}`, or let the unit do it: systemctl edit muster, and \
                 under [Service]: AmbientCapabilities=CAP_NET_BIND_SERVICE"
            ))
    })
}

fn reached(seen: &Reach) -> Option<Finding> {
    let Reach {
        at,
        unreachable,
        foreign,
    } = seen;
    let check = Check::Ports;
    if let Some(why) = foreign {
        return Some(
            check
                .failed("public-foreign", at)
                .what("somebody else answers under a name of `proxy.public`")
                .why(why)
                .remedy(format!(
                    "let the name lead to this machine, and what is before it pass TLS on unopened; who answers: openssl \
                     s_client -connect {} -showcerts",
                    argument(at)
                )),
        );
    }
    let why = unreachable.as_ref()?;
    Some(
        check
            .warns("public-unreachable", at)
            .what("nobody answers under a name of `proxy.public`, seen from this machine")
            .why(why)
            .remedy(format!(
                "open the port in firewall and security group, and try from where people are: nc -vz -w 5 {}",
                argument(at).replacen(':', " ", 1)
            )),
    )
}
