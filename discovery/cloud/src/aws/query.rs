//! Calls that muster signs itself, for services where a whole SDK client would be too much.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::{
    AwsRegion,
    classify::{Refusal, broken, refused, retry_after, undelivered},
    http::read,
    partition::{Service, endpoint},
};
use crate::error::{CallError, Classified, Reason, chain};

/// One call, before it is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// `ec2:DescribeRegions`.
    pub name: &'static str,
    pub service: Service,
    pub content_type: &'static str,
    /// `X-Amz-Target`, of the JSON protocols.
    pub target: Option<&'static str>,
    pub body: &'a str,
    /// Finds code and message in the body of a refusal.
    pub explain: fn(&[u8]) -> Explained,
}

/// The error's code and message, as far as they could be read.
pub(super) type Explained = (Option<String>, Option<String>);

/// Sends one attempt, and gives the body of a success.
///
/// # Errors
/// Already judged: throttled, denied, truncated, and so on.
pub(super) async fn send(region: &AwsRegion, call: Call<'_>) -> Result<Bytes, Classified> {
    let credentials = region.credentials().get().await.map_err(CallError::fatal)?;
    let url = endpoint(region.sdk_config(), call.service, region.name(), call.name)
        .map_err(CallError::fatal)?;
    let rejected = |what: String| CallError::new(Reason::Rejected, call.name, what).fatal();

    let mut headers = vec![("content-type", call.content_type)];
    headers.extend(call.target.map(|target| ("x-amz-target", target)));
    let signature = signature(
        &credentials,
        region.name(),
        call.service.prefix,
        SystemTime::now(),
        url.as_str(),
        &headers,
        call.body,
    )
    .map_err(|error| rejected(format!("cannot sign the request: {error}")))?;

    let mut request = HttpRequest::new(SdkBody::from(call.body));
    let set = request
        .set_method("POST")
        .and_then(|()| request.set_uri(url.as_str()));
    set.map_err(|error| rejected(format!("cannot make the request: {}", chain(&error))))?;
    let own = [("user-agent", AGENT)];
    let signature = signature
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    for (name, value) in headers.into_iter().chain(own).chain(signature) {
        let set = request.headers_mut().try_insert(name, value.to_owned());
        set.map_err(|_| rejected(format!("cannot send the header {name}")))?;
    }

    let response = match region.http().send(request).await {
        Ok(response) => response,
        Err(error) => return Err(undelivered(call.name, &error)),
    };
    answer(call, response).await
}

const AGENT: &str = concat!("muster/", env!("CARGO_PKG_VERSION"));

async fn answer(call: Call<'_>, mut response: HttpResponse) -> Result<Bytes, Classified> {
    let status = response.status();
    let body = read(response.take_body())
        .await
        .map_err(|error| broken(call.name, &error));
    if status.is_success() {
        return body;
    }
    let (code, message) = body.map(|body| (call.explain)(&body)).unwrap_or_default();
    // JSON services may name the error in a header alone: `AccessDeniedException:http://...`.
    let header = response
        .headers()
        .get("x-amzn-errortype")
        .and_then(|text| text.split(':').next());
    Err(refused(
        call.name,
        Refusal {
            status: status.as_u16(),
            code: code.as_deref().or(header),
            message: message.as_deref(),
            retry_after: retry_after(response.headers()),
        },
    ))
}

/// The headers that sign a POST of `body` to `url` (Signature Version 4).
fn signature(
    credentials: &Credentials,
    region: &str,
    service: &str,
    time: SystemTime,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Vec<(&'static str, String)>, Box<dyn std::error::Error + Send + Sync>> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(time)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let request = SignableRequest::new(
        "POST",
        url,
        headers.iter().copied(),
        SignableBody::Bytes(body.as_bytes()),
    )?;
    let (instructions, _) = sign(request, &params)?.into_parts();
    let (headers, _) = instructions.into_parts();
    Ok(headers
        .into_iter()
        .map(|header| (header.name(), header.value().to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::{
        collections::BTreeMap,
        time::{Duration, UNIX_EPOCH},
    };

    use serde::Deserialize;

    use super::*;

    /// One request as botocore signs it; `tests/data/aws-signatures.py` writes the file.
    #[derive(Deserialize)]
    struct Known {
        region: String,
        service: String,
        token: Option<String>,
        epoch: u64,
        url: String,
        headers: BTreeMap<String, String>,
        body: String,
        signed: BTreeMap<String, String>,
    }

    #[test]
    fn signs_as_botocore_signs() {
        let known: Vec<Known> =
            serde_json::from_str(include_str!("../../tests/data/aws-signatures.json")).unwrap();
        assert!(known.len() >= 4);
        for case in known {
            let credentials = Credentials::new(
                "AKIDEXAMPLE",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                case.token,
                None,
                "test",
            );
            let headers = case
                .headers
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect::<Vec<_>>();
            let time = UNIX_EPOCH + Duration::from_secs(case.epoch);
            let signed = signature(
                &credentials,
                &case.region,
                &case.service,
                time,
                &case.url,
                &headers,
                &case.body,
            )
            .unwrap();
            let signed = signed
                .into_iter()
                .map(|(k, v)| (k.to_lowercase(), v))
                .collect();
            assert_eq!(case.signed, signed, "{}", case.url);
        }
    }
}
