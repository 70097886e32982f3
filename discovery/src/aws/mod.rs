//! Scanners for AWS, on the SDK's own crates.
//!
//! Each service is a file with two halves: a scanner that reads pages, and pure functions from the SDK's records to
//! databases. Everything that a region holds is listed, without filters, so that a person can ask why something is
//! not enrolled.

use std::sync::Arc;

use muster_cloud::aws::AwsRegion;
use muster_model::{Scope, Service};

use crate::Scanner;

mod docdb;
mod elasticache;
mod listener;
mod pages;
mod rds;
mod record;
mod serverless;
mod tags;
mod version;

#[cfg(test)]
mod testkit;

pub use self::rds::rds_records;

/// The scanner of an AWS scope; none when the scope's service is not one of AWS.
pub fn aws_scanner(region: AwsRegion, scope: Arc<Scope>) -> Option<Box<dyn Scanner>> {
    match scope.service {
        Service::Rds => Some(Box::new(rds::Rds::new(region, scope))),
        Service::Docdb => Some(Box::new(docdb::Docdb::new(region, scope))),
        Service::Elasticache => Some(Box::new(elasticache::Elasticache::new(region, scope))),
        Service::ElasticacheServerless => {
            Some(Box::new(serverless::Serverless::new(region, scope)))
        }
        Service::Postgresql
        | Service::PostgresqlFlexible
        | Service::Mysql
        | Service::MysqlFlexible
        | Service::SelfHosted => None,
    }
}
