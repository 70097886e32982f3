//! Where AWS answers: partitions, regions and host names.
//!
//! The SDK knows this for the services it has clients for; this is for the few calls that muster
//! signs itself. The facts are those of AWS's published `partitions.json` and endpoint rules.

use aws_types::SdkConfig;
use url::Url;

use super::endpoints;
use crate::error::{CallError, Reason};

/// A service that muster calls without an SDK client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    /// As in `AWS_ENDPOINT_URL_{ID}`, with spaces: `Resource Groups Tagging API`.
    pub id: &'static str,
    /// First label of its host name, and its name when signing.
    pub prefix: &'static str,
}

/// One of AWS's separate worlds. An account, its roles and its regions are all in one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As in ARNs: `aws`, `aws-cn`.
    pub(super) name: &'static str,
    /// Where to ask when nobody said.
    pub(super) home: &'static str,
    regions: &'static str,
    suffix: &'static str,
    dual_stack_suffix: &'static str,
}

// === impl Partition ===

impl Partition {
    /// That of a region's name; unknown names count as the public partition, as in the SDKs.
    pub fn of_region(region: &str) -> &'static Self {
        PARTITIONS
            .iter()
            .find(|partition| {
                !partition.regions.is_empty() && region.starts_with(partition.regions)
            })
            .unwrap_or(&PUBLIC)
    }

    /// As in ARNs: `aws`, `aws-cn`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What the host names of its services end in: `amazonaws.com`.
    pub const fn suffix(&self) -> &'static str {
        self.suffix
    }

    /// That of an ARN.
    pub fn of_arn(arn: &str) -> Option<&'static Self> {
        let name = arn.split(':').nth(1)?;
        std::iter::once(&PUBLIC)
            .chain(&PARTITIONS)
            .find(|partition| partition.name == name)
    }
}

/// Where `service` answers in `region`: an explicit endpoint, the service's own variable or profile
/// entry, the one for all services, or AWS itself. The same order as in the SDK's clients.
pub(super) fn endpoint(
    sdk: &SdkConfig,
    service: Service,
    region: &str,
    call: &str,
) -> Result<Url, CallError> {
    let not_a_region = || {
        CallError::new(
            Reason::Rejected,
            call,
            format!("`{region}` is not a region's name"),
        )
    };
    if !is_label(region) {
        return Err(not_a_region());
    }
    let explicit = sdk
        .endpoint_url()
        .filter(|_| sdk.get_origin("endpoint_url").is_client_config());
    let configured = explicit
        .map(str::to_owned)
        .or_else(|| endpoints::own(sdk, service.id));
    let text = match configured.or_else(|| sdk.endpoint_url().map(str::to_owned)) {
        Some(text) => text,
        None => {
            let fips = sdk.use_fips().unwrap_or_default();
            let dual_stack = sdk.use_dual_stack().unwrap_or_default();
            public_endpoint(service, region, fips, dual_stack).ok_or_else(not_a_region)?
        }
    };
    let rejected = |why: &str| {
        CallError::new(
            Reason::Rejected,
            call,
            format!("the endpoint of {} is no URL: {why}", service.id),
        )
    };
    let mut url = Url::parse(&text).map_err(|error| rejected(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(rejected("it needs a host and http or https"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// AWS's own; `None` when `region` cannot be part of a host name. That check keeps credentials
/// from being sent wherever a name with dots or slashes would lead.
fn public_endpoint(service: Service, region: &str, fips: bool, dual_stack: bool) -> Option<String> {
    if !is_label(region) {
        return None;
    }
    let partition = Partition::of_region(region);
    let suffix = if dual_stack {
        partition.dual_stack_suffix
    } else {
        partition.suffix
    };
    // GovCloud's ordinary EC2 host is its FIPS host.
    let plain = !fips || (service.prefix == "ec2" && partition.name == "aws-us-gov" && !dual_stack);
    let fips = if plain { "" } else { "-fips" };
    Some(format!(
        "https://{}{fips}.{region}.{suffix}/",
        service.prefix
    ))
}

/// Whether `name` can stand between two dots of a host name, as all regions' names can.
pub(super) fn is_label(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    name.len() <= 63
        && edge(name.as_bytes().first())
        && edge(name.as_bytes().last())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

const PUBLIC: Partition = Partition {
    name: "aws",
    home: "us-east-1",
    regions: "",
    suffix: "amazonaws.com",
    dual_stack_suffix: "api.aws",
};

const PARTITIONS: [Partition; 7] = [
    Partition {
        name: "aws-cn",
        home: "cn-north-1",
        regions: "cn-",
        suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
    },
    Partition {
        name: "aws-us-gov",
        home: "us-gov-west-1",
        regions: "us-gov-",
        suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
    },
    Partition {
        name: "aws-eusc",
        home: "eusc-de-east-1",
        regions: "eusc-",
        suffix: "amazonaws.eu",
        dual_stack_suffix: "api.amazonwebservices.eu",
    },
    Partition {
        name: "aws-iso",
        home: "us-iso-east-1",
        regions: "us-iso-",
        suffix: "c2s.ic.gov",
        dual_stack_suffix: "api.aws.ic.gov",
    },
    Partition {
        name: "aws-iso-b",
        home: "us-isob-east-1",
        regions: "us-isob-",
        suffix: "sc2s.sgov.gov",
        dual_stack_suffix: "api.aws.scloud",
    },
    Partition {
        name: "aws-iso-e",
        home: "eu-isoe-west-1",
        regions: "eu-isoe-",
        suffix: "cloud.adc-e.uk",
        dual_stack_suffix: "api.cloud-aws.adc-e.uk",
    },
    Partition {
        name: "aws-iso-f",
        home: "us-isof-south-1",
        regions: "us-isof-",
        suffix: "csp.hci.ic.gov",
        dual_stack_suffix: "api.aws.hci.ic.gov",
    },
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const EC2: Service = Service {
        id: "EC2",
        prefix: "ec2",
    };

    #[test]
    fn asks_where_botocore_asks() {
        // Each line is what botocore 1.43.11 answers for this region, FIPS and dual-stack.
        let lines = include_str!("../../tests/data/aws-endpoints.txt");
        let mut seen = 0;
        for line in lines.lines().filter(|line| !line.starts_with('#')) {
            let words = line.split_whitespace().collect::<Vec<_>>();
            let [prefix, region, fips, dual_stack, want] = words.try_into().unwrap();
            let service = Service {
                id: "",
                prefix: if prefix == "ec2" { "ec2" } else { "tagging" },
            };
            let got = public_endpoint(service, region, fips == "fips", dual_stack == "dual");
            assert_eq!(got.unwrap(), format!("{want}/"), "{line}");
            seen += 1;
        }
        assert!(seen > 50, "{seen} lines");
    }

    #[test]
    fn a_region_cannot_lead_elsewhere() {
        for region in [
            "",
            "evil.example/",
            "a.b",
            "-a",
            "a-",
            "eu west",
            "a@b",
            &"a".repeat(64),
        ] {
            assert_eq!(public_endpoint(EC2, region, false, false), None, "{region}");
        }
    }

    #[test]
    fn knows_the_partition_of_an_arn() {
        let name = |arn| Partition::of_arn(arn).map(|p| p.name);
        assert_eq!(name("arn:aws:iam::111111111111:role/a"), Some("aws"));
        assert_eq!(name("arn:aws-cn:iam::111111111111:role/a"), Some("aws-cn"));
        assert_eq!(name("arn:nowhere:iam::1:role/a"), None);
        assert_eq!(name("role"), None);
    }
}
