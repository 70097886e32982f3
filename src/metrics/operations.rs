//! Every call that goes to a cloud, so that a label can only be one of them.

use super::values::OTHER;

/// A call, and the interface that throttles it together with its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The call, as its permission is named.
    pub call: &'static str,
    /// The interface.
    pub service: &'static str,
}

/// All of them, by call. The last stands for a call that is not among them.
pub const OPERATIONS: &[Operation] = &[
    known(
        "Microsoft.DBforMySQL/flexibleServers/read",
        "mysql-flexible",
    ),
    known("Microsoft.DBforMySQL/servers/read", "mysql"),
    known(
        "Microsoft.DBforPostgreSQL/flexibleServers/read",
        "postgresql-flexible",
    ),
    known("Microsoft.DBforPostgreSQL/servers/read", "postgresql"),
    known("Microsoft.Resources/subscriptions/read", "subscriptions"),
    known("azure:token", "login"),
    known("ec2:DescribeRegions", "ec2"),
    known("elasticache:DescribeCacheClusters", "elasticache"),
    known("elasticache:DescribeCacheSubnetGroups", "elasticache"),
    known("elasticache:DescribeReplicationGroups", "elasticache"),
    known("elasticache:DescribeServerlessCaches", "elasticache"),
    known("elasticache:ListTagsForResource", "elasticache"),
    known("rds:DescribeDBClusters", "rds"),
    known("rds:DescribeDBInstances", "rds"),
    known("sts:AssumeRole", "sts"),
    known("sts:GetCallerIdentity", "sts"),
    known("tag:GetResources", "tag"),
    OTHERS,
];

const OTHERS: Operation = known(OTHER, OTHER);

/// The call of this name.
pub fn operation(call: &str) -> Operation {
    OPERATIONS
        .iter()
        .find(|known| known.call == call)
        .copied()
        .unwrap_or(OTHERS)
}

const fn known(call: &'static str, service: &'static str) -> Operation {
    Operation { call, service }
}
