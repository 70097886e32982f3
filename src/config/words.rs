//! The words and units of the configuration.

use muster_model::Service;

/// What `sources.aws[].types` may say.
pub(super) const AWS_TYPES: &[(&str, &[Service])] = &[
    ("rds", &[Service::Rds]),
    ("docdb", &[Service::Docdb]),
    ("elasticache", &[Service::Elasticache]),
    ("elasticache-serverless", &[Service::ElasticacheServerless]),
];

/// What `sources.azure[].types` may say.
pub(super) const AZURE_TYPES: &[(&str, &[Service])] = &[
    (
        "postgres",
        &[Service::Postgresql, Service::PostgresqlFlexible],
    ),
    ("postgres-single", &[Service::Postgresql]),
    ("postgres-flexible", &[Service::PostgresqlFlexible]),
    (
        "postgresql",
        &[Service::Postgresql, Service::PostgresqlFlexible],
    ),
    ("postgresql-single", &[Service::Postgresql]),
    ("postgresql-flexible", &[Service::PostgresqlFlexible]),
    ("mysql", &[Service::Mysql, Service::MysqlFlexible]),
    ("mysql-single", &[Service::Mysql]),
    ("mysql-flexible", &[Service::MysqlFlexible]),
];

/// The services that a word for AWS stands for: `rds`, `docdb`, `elasticache`, `elasticache-serverless`.
pub fn aws_services(word: &str) -> Option<&'static [Service]> {
    AWS_TYPES
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, services)| *services)
}

/// The services that a word for Azure stands for: `postgres`, `mysql`, and each with `-single` or `-flexible`.
pub fn azure_services(word: &str) -> Option<&'static [Service]> {
    AZURE_TYPES
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, services)| *services)
}

/// The word that says exactly one service, as [`AWS_TYPES`] or [`AZURE_TYPES`] have it.
pub(super) fn type_word(service: Service) -> &'static str {
    match service {
        Service::Postgresql => "postgres-single",
        Service::PostgresqlFlexible => "postgres-flexible",
        Service::Mysql => "mysql-single",
        other => other.as_str(),
    }
}

/// What people write instead of an AWS type, and what they mean.
pub(super) const AWS_MEANT: &[(&str, &str)] = &[
    ("aurora", "Aurora clusters are found by `rds`"),
    ("postgres", "PostgreSQL on AWS is found by `rds`"),
    ("postgresql", "PostgreSQL on AWS is found by `rds`"),
    ("mysql", "MySQL on AWS is found by `rds`"),
    ("mariadb", "MariaDB on AWS is found by `rds`"),
    ("documentdb", "DocumentDB is `docdb`"),
    ("mongodb", "DocumentDB is `docdb`"),
    (
        "redis",
        "Redis and Valkey are found by `elasticache` and `elasticache-serverless`",
    ),
    (
        "valkey",
        "Redis and Valkey are found by `elasticache` and `elasticache-serverless`",
    ),
    (
        "*",
        "name the types: rds, docdb, elasticache, elasticache-serverless",
    ),
];

/// What people write instead of an Azure type, and what they mean.
pub(super) const AZURE_MEANT: &[(&str, &str)] = &[
    ("flexible", "`postgres-flexible` or `mysql-flexible`"),
    ("*", "name the types: postgres, mysql"),
];

/// The regions of AWS that are known here. Others may exist: a region that is none of these is used all the
/// same. Source: the endpoints of the AWS SDKs.
#[rustfmt::skip]
pub(super) const AWS_REGIONS: &[&str] = &[
    "af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
    "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
    "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "cn-north-1", "cn-northwest-1",
    "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2",
    "eu-west-3", "eusc-de-east-1", "il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1",
    "sa-west-1", "us-east-1", "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-iso-east-1", "us-iso-west-1",
    "us-isob-east-1", "us-west-1", "us-west-2",
];

/// The regions of Azure that are known here. Others may exist.
#[rustfmt::skip]
pub(super) const AZURE_REGIONS: &[&str] = &[
    "australiacentral", "australiacentral2", "australiaeast", "australiasoutheast", "austriaeast",
    "belgiumcentral", "brazilsouth", "brazilsoutheast", "canadacentral", "canadaeast", "centralindia",
    "centralus", "chilecentral", "chinaeast", "chinaeast2", "chinaeast3", "chinanorth", "chinanorth2",
    "chinanorth3", "denmarkeast", "eastasia", "eastus", "eastus2", "eastus3", "francecentral", "francesouth",
    "germanynorth", "germanywestcentral", "indonesiacentral", "israelcentral", "italynorth", "japaneast",
    "japanwest", "koreacentral", "koreasouth", "malaysiawest", "mexicocentral", "newzealandnorth",
    "northcentralus", "northeurope", "norwayeast", "norwaywest", "polandcentral", "qatarcentral",
    "southafricanorth", "southafricawest", "southcentralus", "southeastasia", "southindia", "spaincentral",
    "swedencentral", "swedensouth", "switzerlandnorth", "switzerlandwest", "uaecentral", "uaenorth",
    "uksouth", "ukwest", "usdodcentral", "usdodeast", "usgovarizona", "usgovtexas", "usgovvirginia",
    "westcentralus", "westeurope", "westindia", "westus", "westus2", "westus3",
];

/// Whether a region is like AWS's: `us-east-1`, `us-gov-west-1`.
pub(super) fn is_aws_region(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    let is_word =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [area, words @ .., number] => {
            (2..=4).contains(&area.len())
                && is_word(area)
                && !words.is_empty()
                && words.iter().all(is_word)
                && number.len() == 1
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

/// `West Europe` as `westeurope`.
pub(super) fn azure_region(region: &str) -> String {
    region
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

/// A region without its number: in a new region of a known place only that differs.
pub(super) fn place_of(region: &str) -> &str {
    region.trim_end_matches(|letter: char| letter.is_ascii_digit())
}

/// The seconds of `1h30m`; why not, otherwise.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(0);
    }
    let wrong = || format!("`{text}` is not a time: write a number and its unit, such as `30m`");
    let (mut total, mut rest) = (0_u64, text);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if number.is_empty() {
            return Err(wrong());
        }
        let Some(unit) = after.chars().next() else {
            return Err(format!(
                "`{text}` has no unit: write `{text}s`, `{text}m`, `{text}h` or `{text}d`"
            ));
        };
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return Err(wrong()),
        };
        let too_long = || format!("`{text}` is too long");
        let number: u64 = number.parse().map_err(|_| too_long())?;
        total = number
            .checked_mul(factor)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(too_long)?;
        rest = after.get(unit.len_utf8()..).unwrap_or_default();
    }
    // Whoever waits for a century waits for a mistake, and times have to be added to the clock.
    if total > 36_500 * 24 * 60 * 60 {
        Err(format!("`{text}` is too long"))
    } else {
        Ok(total)
    }
}

/// Seconds as a person writes them: `1h30m`.
pub(crate) fn duration(seconds: u64) -> String {
    if seconds == 0 {
        return "0".to_owned();
    }
    let parts = [
        (seconds / 86_400, 'd'),
        (seconds / 3600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect()
}

/// The number of `20%`; why not, otherwise.
pub(super) fn percent(text: &str) -> Result<u8, String> {
    let text = text.trim();
    let Some(number) = text.strip_suffix('%') else {
        let number: Option<u8> = text.parse().ok().filter(|number| *number <= 100);
        return Err(match number {
            Some(number) => format!("`{text}` has no unit: write `{number}%`"),
            None => format!("`{text}` is not a share: write it in percent, such as `20%`"),
        });
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match number.parse::<u8>() {
        Ok(number) if number <= 100 && is_number => Ok(number),
        _ if is_number => Err(format!("`{text}` is more than 100%")),
        _ => Err(format!(
            "`{text}` is not a share: write whole percent, such as `20%`"
        )),
    }
}
