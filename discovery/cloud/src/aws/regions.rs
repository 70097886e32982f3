//! The regions that an account has enabled.
//!
//! `ec2:DescribeRegions` is the one call for this that every account may be granted alone; its
//! answer is a screen of XML, so it is signed and read here.

use serde::Deserialize;

use super::{
    AwsRegion,
    partition::{Service, is_label},
    query::{Call, Explained, send},
};
use crate::error::{CallError, Classified, Reason};

const CALL: &str = "ec2:DescribeRegions";

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(rename = "regionInfo")]
    regions: Regions,
}

#[derive(Debug, Deserialize)]
struct Regions {
    #[serde(rename = "item", default)]
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(rename = "regionName")]
    name: String,
    #[serde(rename = "optInStatus", default)]
    opt_in: Option<String>,
}

/// A refusal of EC2's.
#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(rename = "Errors")]
    errors: Errors,
}

#[derive(Debug, Deserialize)]
struct Errors {
    #[serde(rename = "Error")]
    error: Vec<Why>,
}

#[derive(Debug, Deserialize)]
struct Why {
    #[serde(rename = "Code")]
    code: Option<String>,
    #[serde(rename = "Message")]
    message: Option<String>,
}

/// The enabled regions, sorted, as the account sees them from `region`.
pub(super) async fn regions(region: &AwsRegion) -> Result<Vec<String>, CallError> {
    let call = Call {
        name: CALL,
        service: Service {
            id: "EC2",
            prefix: "ec2",
        },
        content_type: "application/x-www-form-urlencoded; charset=utf-8",
        target: None,
        // Without `AllRegions` the answer holds the enabled ones only.
        body: "Action=DescribeRegions&Version=2016-11-15",
        explain,
    };
    let attempt = || async { parse(&send(region, call).await?) };
    region.budget("ec2").call(CALL, attempt).await
}

fn parse(body: &[u8]) -> Result<Vec<String>, Classified> {
    let malformed = |why: String| {
        CallError::new(
            Reason::Malformed,
            CALL,
            format!("the answer makes no sense: {why}"),
        )
        .fatal()
    };
    let text = std::str::from_utf8(body).map_err(|error| malformed(error.to_string()))?;
    let answer: Answer =
        quick_xml::de::from_str(text).map_err(|error| malformed(error.to_string()))?;
    let mut regions = Vec::with_capacity(answer.regions.items.len());
    for item in answer.regions.items {
        if item.opt_in.as_deref() == Some("not-opted-in") {
            continue;
        }
        if !is_label(&item.name) {
            return Err(malformed(format!("`{}` is not a region's name", item.name)));
        }
        regions.push(item.name);
    }
    // An account without any region cannot exist; an empty answer must not pass for one.
    if regions.is_empty() {
        return Err(malformed("it lists no regions".to_owned()));
    }
    regions.sort();
    regions.dedup();
    Ok(regions)
}

fn explain(body: &[u8]) -> Explained {
    let refusal = std::str::from_utf8(body)
        .ok()
        .and_then(|text| quick_xml::de::from_str(text).ok());
    let why = refusal.and_then(|refusal: Refusal| refusal.errors.error.into_iter().next());
    why.map(|why| (why.code, why.message)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>59dbff89-35bd-4eac-99ed-be587EXAMPLE</requestId>
  <regionInfo>
    <item><regionName>us-east-1</regionName><regionEndpoint>ec2.us-east-1.amazonaws.com</regionEndpoint><optInStatus>opt-in-not-required</optInStatus></item>
    <item><regionName>af-south-1</regionName><optInStatus>opted-in</optInStatus></item>
    <item><regionName>me-south-1</regionName><optInStatus>not-opted-in</optInStatus></item>
    <item><regionName>eu-west-1</regionName></item>
  </regionInfo>
</DescribeRegionsResponse>"#;

    fn reason(body: &[u8]) -> Reason {
        parse(body).unwrap_err().error.reason
    }

    #[test]
    fn lists_what_is_enabled() {
        assert_eq!(
            parse(ANSWER.as_bytes()).unwrap(),
            ["af-south-1", "eu-west-1", "us-east-1"]
        );
    }

    #[test]
    fn no_regions_is_no_answer() {
        for body in [
            "<DescribeRegionsResponse><regionInfo/></DescribeRegionsResponse>",
            "<DescribeRegionsResponse></DescribeRegionsResponse>",
            "<html><body>Sign in to the hotel network</body></html>",
            "{}",
            "",
        ] {
            assert_eq!(reason(body.as_bytes()), Reason::Malformed, "{body}");
        }
        assert_eq!(reason(b"\xff\xfe"), Reason::Malformed);
    }

    #[test]
    fn a_region_is_a_host_name_label() {
        let evil = ANSWER.replace(">eu-west-1<", ">evil.example/x<");
        assert_eq!(reason(evil.as_bytes()), Reason::Malformed);
    }

    #[test]
    fn reads_a_refusal() {
        let body = b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Slow down.</Message></Error></Errors><RequestID>x</RequestID></Response>";
        assert_eq!(
            explain(body),
            (
                Some("RequestLimitExceeded".into()),
                Some("Slow down.".into())
            )
        );
        assert_eq!(explain(b"<html>"), (None, None));
    }

    proptest! {
        #[test]
        fn bytes_from_outside_never_panic(body: Vec<u8>) {
            let _ = parse(&body);
            let _ = explain(&body);
        }

        #[test]
        fn broken_answers_never_panic(at in 0..ANSWER.len(), byte: u8) {
            let mut body = ANSWER.as_bytes().to_vec();
            body[at] = byte;
            let _ = parse(&body);
        }
    }
}
