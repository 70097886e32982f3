//! Tokens of Entra ID for Azure's databases: for whom they are asked, and the name to log in with.
//!
//! The token is the same for every database and user of a cloud: the server looks at the identity in it, and at whether
//! that identity may be the user. So it must never go to a host that is not Azure's.

use muster_model::{Target, hint};

use crate::method::is_azure_single;

/// The scope in the public cloud, as Azure documents it.
pub const PUBLIC: &str = "https://ossrdbms-aad.database.windows.net/.default";
/// The scope in Azure China, as the Azure CLI has it.
pub const CHINA: &str = "https://ossrdbms-aad.database.chinacloudapi.cn/.default";
/// The scope in Azure Government, as the Azure CLI has it.
pub const GOVERNMENT: &str = "https://ossrdbms-aad.database.usgovcloudapi.net/.default";

/// The scope for a host: that of the cloud whose name the host ends in, else the public one.
pub fn scope(host: &str) -> &'static str {
    let host = host.to_ascii_lowercase();
    if host.ends_with(".chinacloudapi.cn") {
        CHINA
    } else if host.ends_with(".usgovcloudapi.net") {
        GOVERNMENT
    } else {
        PUBLIC
    }
}

/// The name to log in with: `db_user`, and at single servers `db_user@server` unless it ends in that already.
pub fn user(target: &Target, db_user: &str) -> String {
    if !is_azure_single(target.kind) {
        return db_user.to_owned();
    }
    let Some(server) = server(target) else {
        return db_user.to_owned();
    };
    let has_it = db_user
        .rsplit_once('@')
        .is_some_and(|(_, end)| end.eq_ignore_ascii_case(server));
    if has_it {
        db_user.to_owned()
    } else {
        format!("{db_user}@{server}")
    }
}

/// The server's name: the hint, the last part of its id in Azure, or the first label of its host.
fn server(target: &Target) -> Option<&str> {
    let hinted = target.hints.get(hint::AZURE_SERVER).map(String::as_str);
    let by_id = || {
        let id = target.id.provider_id();
        let (rest, name) = id.rsplit_once('/')?;
        let (_, kind) = rest.rsplit_once('/')?;
        kind.eq_ignore_ascii_case("servers").then_some(name)
    };
    let by_host = || target.endpoint.as_ref()?.host.split('.').next();
    hinted
        .or_else(by_id)
        .or_else(by_host)
        .filter(|name| !name.is_empty())
}
