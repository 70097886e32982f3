//! Which target the server name of a client means.

/// The target that a server name begins with: `{target}.{host}`. Of hosts that end alike, the longest counts.
pub(super) fn named<'a>(server: &'a str, hosts: &[String]) -> Option<&'a str> {
    let server = server.strip_suffix('.').unwrap_or(server);
    if hosts.is_empty() {
        let name = server.split_once('.')?.0;
        return (!name.is_empty()).then_some(name);
    }
    // The door's own name names no target, although it may end like another one.
    if hosts.iter().any(|host| server.eq_ignore_ascii_case(host)) {
        return None;
    }
    let names = hosts.iter().filter_map(|host| below(server, host));
    names.min_by_key(|name| name.len())
}

/// What stands before `.{host}` in a server name.
fn below<'a>(server: &'a str, host: &str) -> Option<&'a str> {
    let cut = server.len().checked_sub(host.len() + 1)?;
    let (name, rest) = server.split_at_checked(cut)?;
    let rest = rest.strip_prefix('.')?;
    (rest.eq_ignore_ascii_case(host) && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::named;

    #[test]
    fn a_server_name_begins_with_the_target() {
        let one: &[&str] = &["db.example.com"];
        let some = &["example.com", "db.example.com", "db.internal.example.org"];
        for (server, hosts, name) in [
            ("orders.db.example.com", one, Some("orders")),
            ("ORDERS.DB.example.com.", one, Some("ORDERS")),
            ("a.b.db.example.com", one, Some("a.b")),
            ("db.example.com", one, None),
            (".db.example.com", one, None),
            ("ordersdb.example.com", one, None),
            ("orders.else.example.com", one, None),
            ("", one, None),
            ("orders.example.com", some, Some("orders")),
            ("orders.db.example.com", some, Some("orders")),
            ("orders.db.internal.example.org", some, Some("orders")),
            ("orders.other.example.com", some, Some("orders.other")),
            ("DB.example.com", some, None),
            ("db.internal.example.org.", some, None),
            ("orders.anything", &[], Some("orders")),
            (".anything", &[], None),
            ("localhost", &[], None),
        ] {
            let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
            assert_eq!(named(server, &hosts), name, "{server} {hosts:?}");
        }
    }
}
