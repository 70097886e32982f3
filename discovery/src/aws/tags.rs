//! Tags of ElastiCache, whose listings carry none: in bulk, and one by one where the bulk call is refused.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicBool, Ordering},
};

use aws_sdk_elasticache::Client;
use futures::{StreamExt, stream};
use muster_cloud::{CallError, Reason, aws::AwsRegion};
use muster_model::{Scan, Unread};

use super::{
    pages::Calls,
    record::{Checked, Record},
};
use crate::failure::failure;

const LIST_TAGS: &str = "elasticache:ListTagsForResource";
/// How many single calls wait at once; the budget decides how many are sent.
const AT_ONCE: usize = 8;

/// The tags of a scope's resources.
#[derive(Debug, Default)]
pub(super) struct Tags {
    /// Whether a resource that is not in it has no tags. Otherwise they could not be read.
    complete: bool,
    by_arn: HashMap<String, BTreeMap<String, String>>,
}

// === impl Tags ===

impl Tags {
    #[cfg(test)]
    pub(super) fn known(by_arn: HashMap<String, BTreeMap<String, String>>, complete: bool) -> Self {
        Self { complete, by_arn }
    }

    /// Reads the tags of `arns`, which are of the type `resource_type`. What could not be read is warned of.
    pub(super) async fn read(
        region: &AwsRegion,
        client: &Client,
        calls: &Calls,
        resource_type: &str,
        arns: Vec<String>,
        scan: &mut Scan,
    ) -> Self {
        match region.tags(&[resource_type]).await {
            Ok(by_arn) => Self {
                complete: true,
                by_arn,
            },
            Err(error) => {
                scan.warnings.push(failure(error));
                Self::one_by_one(client, calls, arns, scan).await
            }
        }
    }

    /// A call per resource. Once the first answers are refusals and nothing was ever granted, the rest is not asked.
    async fn one_by_one(
        client: &Client,
        calls: &Calls,
        arns: Vec<String>,
        scan: &mut Scan,
    ) -> Self {
        let (granted, refused) = (AtomicBool::new(false), AtomicBool::new(false));
        let answers = stream::iter(arns)
            .map(|arn| {
                let (granted, refused) = (&granted, &refused);
                async move {
                    if refused.load(Ordering::Relaxed) && !granted.load(Ordering::Relaxed) {
                        return (arn, None);
                    }
                    let answer = calls
                        .call(LIST_TAGS, || {
                            client.list_tags_for_resource().resource_name(&arn).send()
                        })
                        .await;
                    match &answer {
                        Ok(_) => granted.store(true, Ordering::Relaxed),
                        Err(CallError {
                            reason: Reason::Denied,
                            ..
                        }) => refused.store(true, Ordering::Relaxed),
                        Err(_) => {}
                    }
                    (arn, Some(answer))
                }
            })
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let mut tags = Self::default();
        for (arn, answer) in answers {
            match answer {
                Some(Ok(answer)) => {
                    let list = answer.tag_list.unwrap_or_default().into_iter();
                    let list =
                        list.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
                    tags.by_arn.insert(arn, list.collect());
                }
                Some(Err(error)) => {
                    let warning = failure(error);
                    // One warning says as much as one a resource.
                    if !scan
                        .warnings
                        .iter()
                        .any(|it| it.call == warning.call && it.reason == warning.reason)
                    {
                        scan.warnings.push(warning);
                    }
                }
                None => {}
            }
        }
        tags
    }

    /// Gives a record its tags, or says that they are not known.
    pub(super) fn give(&self, record: &mut Record) -> Checked<()> {
        match self.by_arn.get(record.arn()) {
            Some(tags) => record.tags(
                tags.iter()
                    .map(|(key, value)| (Some(key.clone()), Some(value.clone()))),
            ),
            None if self.complete => Ok(()),
            None => {
                record.unread(Unread::Tags);
                Ok(())
            }
        }
    }
}
