//! Whether a host belongs to the provider, so that one of its tokens may go there.
//!
//! A target that muster found has the endpoint that the provider reported, and that is enough. A record that a person
//! wrote says "this is an RDS instance" and names a host: the host must be one of that provider, and of the region whose
//! token it gets. A token for a host is good at that host only; this check is for the mistake, and for whoever may write
//! records but should not be handed tokens.
//!
//! Host names as AWS and Azure document them. Does not resolve names.

use muster_cloud::aws::Partition;
use muster_model::{Endpoint, Kind, Target};

use crate::method::{is_azure, is_cache, is_rds};

/// Why a token must not go to a target's endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The provider reports no endpoint: it is stopped, or being made.
    #[error("the database has no endpoint (state: {state})")]
    None {
        /// The provider's state.
        state: String,
    },
    /// The host cannot be a host name.
    #[error("`{host}` is no host name")]
    Name {
        /// The host.
        host: String,
    },
    /// The host is not the provider's, or not in the region.
    #[error("{host} is not a host of {whose}: expected {expected}")]
    Foreign {
        /// The host.
        host: String,
        /// `Amazon RDS in eu-west-1`.
        whose: String,
        /// What such hosts look like, joined by ` or `.
        expected: String,
    },
}

/// The suffixes of Azure's clouds, after `postgres.database` or `mysql.database`.
const AZURE_CLOUDS: [&str; 3] = ["azure.com", "chinacloudapi.cn", "usgovcloudapi.net"];

/// The endpoint of a target.
///
/// # Errors
/// [`EndpointError::None`], or [`EndpointError::Name`] when it cannot be a host name.
pub fn endpoint(target: &Target) -> Result<&Endpoint, EndpointError> {
    let endpoint = target
        .endpoint
        .as_ref()
        .ok_or_else(|| EndpointError::None {
            state: target.state.name.clone(),
        })?;
    if is_host(&endpoint.host) {
        Ok(endpoint)
    } else {
        Err(EndpointError::Name {
            host: endpoint.host.chars().take(255).collect(),
        })
    }
}

/// The endpoint of a target, if a token of its provider may go there.
///
/// # Errors
/// As [`endpoint`], and [`EndpointError::Foreign`].
pub fn token_endpoint(target: &Target) -> Result<&Endpoint, EndpointError> {
    let endpoint = endpoint(target)?;
    if target.owner.is_discovery() {
        return Ok(endpoint);
    }
    let host = endpoint.host.to_ascii_lowercase();
    let region = target.scope.region.as_str();
    let kind = target.kind;
    let (whose, suffixes) = if is_rds(kind) {
        (format!("Amazon RDS in {region}"), aws(region, "rds"))
    } else if kind == Kind::Docdb {
        (
            format!("Amazon DocumentDB in {region}"),
            aws(region, "docdb"),
        )
    } else if is_cache(kind) {
        (format!("Amazon ElastiCache in {region}"), cache(region))
    } else if is_azure(kind) {
        let product = if matches!(kind, Kind::AzureMysql | Kind::AzureMysqlFlexible) {
            "mysql"
        } else {
            "postgres"
        };
        let suffixes = AZURE_CLOUDS.map(|cloud| format!(".{product}.database.{cloud}"));
        ("Azure Database".to_owned(), suffixes.to_vec())
    } else {
        ("a cloud".to_owned(), Vec::new())
    };
    // Something before the suffix: the suffix alone is nobody's database.
    if suffixes.iter().any(|suffix| host.ends_with(suffix)) {
        return Ok(endpoint);
    }
    let expected: Vec<String> = suffixes.iter().map(|suffix| format!("*{suffix}")).collect();
    Err(EndpointError::Foreign {
        host: endpoint.host.clone(),
        whose,
        expected: if expected.is_empty() {
            "no host: tokens go to a cloud's own databases only".to_owned()
        } else {
            expected.join(" or ")
        },
    })
}

/// The suffixes of RDS and DocumentDB. China has region and service the other way round.
fn aws(region: &str, service: &str) -> Vec<String> {
    if !is_label(region) {
        return Vec::new();
    }
    let partition = Partition::of_region(region);
    let suffix = partition.suffix();
    let mut all = vec![format!(".{region}.{service}.{suffix}")];
    if partition.name() == "aws-cn" {
        all.push(format!(".{service}.{region}.{suffix}"));
    }
    all
}

/// The suffixes of ElastiCache, which spells regions in short: `use1`, `apse2`, `usgw1`.
fn cache(region: &str) -> Vec<String> {
    let Some(short) = short_region(region) else {
        return Vec::new();
    };
    vec![format!(
        ".{short}.cache.{}",
        Partition::of_region(region).suffix()
    )]
}

fn short_region(region: &str) -> Option<String> {
    let words: Vec<&str> = region.split('-').collect();
    let (number, rest) = words.split_last()?;
    let (compass, place) = rest.split_last()?;
    let first = place.first()?;
    let sound = is_label(region) && number.bytes().all(|byte| byte.is_ascii_digit());
    if !sound {
        return None;
    }
    let compass = match *compass {
        "north" => "n",
        "south" => "s",
        "east" => "e",
        "west" => "w",
        "central" => "c",
        "northeast" => "ne",
        "northwest" => "nw",
        "southeast" => "se",
        "southwest" => "sw",
        _ => return None,
    };
    let place = match place.get(1) {
        Some(more) => format!("{first}{}", more.get(..1)?),
        None => (*first).to_owned(),
    };
    Some(format!("{place}{compass}{number}"))
}

/// Whether the text can stand between two dots.
fn is_label(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(inside)
}

/// Whether the text is a host name or an address: nothing that could mean more in a token, a URL or a log.
pub(crate) fn is_host(text: &str) -> bool {
    let name = text.len() <= 253 && text.split('.').all(is_label);
    name || text.parse::<std::net::IpAddr>().is_ok()
}
