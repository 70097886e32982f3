//! Tags in bulk: the Resource Groups Tagging API, for services whose listings carry none.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    AwsRegion,
    partition::Service,
    query::{Call, Explained, send},
};
use crate::error::{CallError, Classified, Reason, Retry};

/// The action that must be allowed. (The operation is called `GetResources`.)
const CALL: &str = "tag:GetResources";

/// Resources in one answer; the most that the service gives.
const PAGE: u32 = 100;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Question<'a> {
    resource_type_filters: &'a [&'a str],
    resources_per_page: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination_token: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    pagination_token: Option<String>,
    resource_tag_mapping_list: Vec<Resource>,
}

#[derive(Debug, Deserialize)]
struct Resource {
    #[serde(rename = "ResourceARN")]
    arn: String,
    #[serde(rename = "Tags", default)]
    tags: Option<Vec<Tag>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(rename = "__type", alias = "code")]
    code: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

/// The tags of all resources of these types in a region, by ARN.
pub(super) async fn tags(
    region: &AwsRegion,
    types: &[&str],
) -> Result<HashMap<String, BTreeMap<String, String>>, CallError> {
    let budget = region.budget("tagging");
    let mut found = HashMap::new();
    let mut token: Option<String> = None;
    for _ in 0..budget.max_pages() {
        let question = Question {
            resource_type_filters: types,
            resources_per_page: PAGE,
            pagination_token: token.as_deref(),
        };
        let body = serde_json::to_string(&question)
            .map_err(|error| CallError::new(Reason::Rejected, CALL, error.to_string()))?;
        let call = Call {
            name: CALL,
            service: Service {
                id: "Resource Groups Tagging API",
                prefix: "tagging",
            },
            content_type: "application/x-amz-json-1.1",
            target: Some("ResourceGroupsTaggingAPI_20170126.GetResources"),
            body: &body,
            explain,
        };
        let page = budget
            .call(CALL, || async { parse(&send(region, call).await?) })
            .await?;
        for resource in page.resource_tag_mapping_list {
            let tags = resource.tags.unwrap_or_default().into_iter();
            let tags = tags
                .map(|tag| (tag.key, tag.value.unwrap_or_default()))
                .collect();
            found.insert(resource.arn, tags);
        }
        match page.pagination_token.filter(|next| !next.is_empty()) {
            None => return Ok(found),
            // It would go round until the cap.
            Some(next) if token.as_ref() == Some(&next) => {
                let message = "the same page was given twice";
                return Err(CallError::new(Reason::Malformed, CALL, message));
            }
            next => token = next,
        }
    }
    Err(budget.capped(CALL))
}

fn parse(body: &Bytes) -> Result<Page, Classified> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_eof() && !body.is_empty() {
            let message = format!("the answer ended in the middle: {error}");
            CallError::new(Reason::Truncated, CALL, message).retry(Retry::Yes)
        } else {
            let message = format!("the answer makes no sense: {error}");
            CallError::new(Reason::Malformed, CALL, message).fatal()
        }
    })
}

fn explain(body: &[u8]) -> Explained {
    let Ok(Refusal { code, message }) = serde_json::from_slice(body) else {
        return (None, None);
    };
    // `com.amazonaws.resourcegroupstaggingapi#ThrottledException`.
    let code = code.map(|code| code.rsplit('#').next().unwrap_or_default().to_owned());
    (code, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = r#"{"PaginationToken":"next","ResourceTagMappingList":[
        {"ResourceARN":"arn:aws:elasticache:eu-west-1:1:replicationgroup:a","Tags":[{"Key":"env","Value":"prod"},{"Key":"bare"}]},
        {"ResourceARN":"arn:aws:elasticache:eu-west-1:1:replicationgroup:b"}]}"#;

    #[test]
    fn an_answer_cut_anywhere_is_truncated() {
        assert!(parse(&Bytes::from_static(PAGE.as_bytes())).is_ok());
        for at in 1..PAGE.len() {
            let error = parse(&Bytes::copy_from_slice(&PAGE.as_bytes()[..at])).unwrap_err();
            assert_eq!(error.error.reason, Reason::Truncated, "cut at {at}");
        }
    }

    #[test]
    fn an_answer_without_the_list_is_no_empty_list() {
        for body in [
            "{}",
            "[]",
            "",
            "<html>",
            r#"{"ResourceTagMappingList":null}"#,
        ] {
            let error = parse(&Bytes::from_static(body.as_bytes())).unwrap_err();
            assert_eq!(error.error.reason, Reason::Malformed, "{body}");
        }
    }

    #[test]
    fn reads_a_refusal() {
        assert_eq!(
            explain(br#"{"__type":"com.amazonaws.x#ThrottledException","message":"slow"}"#),
            (Some("ThrottledException".into()), Some("slow".into()))
        );
        assert_eq!(
            explain(br#"{"code":"AccessDeniedException","Message":"no"}"#),
            (Some("AccessDeniedException".into()), Some("no".into()))
        );
        assert_eq!(explain(b"<html>"), (None, None));
    }

    proptest! {
        #[test]
        fn bytes_from_outside_never_panic(body: Vec<u8>) {
            let _ = parse(&Bytes::from(body.clone()));
            let _ = explain(&body);
        }
    }
}
