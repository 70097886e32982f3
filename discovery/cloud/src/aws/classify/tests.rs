#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

/// status, code, message, reason, whether it is tried again.
const TABLE: &[(u16, &str, &str, Reason, bool)] = &[
    (400, "Throttling", "Rate exceeded", Reason::Throttled, true),
    (400, "ThrottlingException", "slow", Reason::Throttled, true),
    (400, "ThrottledException", "slow", Reason::Throttled, true),
    (
        503,
        "RequestLimitExceeded",
        "Request limit exceeded.",
        Reason::Throttled,
        true,
    ),
    (
        503,
        "Client.RequestLimitExceeded",
        "",
        Reason::Throttled,
        true,
    ),
    (400, "TooManyRequestsException", "", Reason::Throttled, true),
    (503, "SlowDown", "", Reason::Throttled, true),
    (429, "", "", Reason::Throttled, true),
    (403, "AccessDenied", "no", Reason::Denied, false),
    (400, "AccessDeniedException", "no", Reason::Denied, false),
    (
        403,
        "UnauthorizedOperation",
        "You are not authorized",
        Reason::Denied,
        false,
    ),
    (403, "", "", Reason::Denied, false),
    (
        403,
        "InvalidClientTokenId",
        "The security token is invalid.",
        Reason::NoCredentials,
        false,
    ),
    (
        400,
        "UnrecognizedClientException",
        "invalid",
        Reason::NoCredentials,
        false,
    ),
    (
        401,
        "AuthFailure",
        "not able to validate",
        Reason::NoCredentials,
        false,
    ),
    (
        403,
        "ExpiredToken",
        "The security token is expired",
        Reason::NoCredentials,
        false,
    ),
    (
        400,
        "ExpiredTokenException",
        "expired",
        Reason::NoCredentials,
        false,
    ),
    (
        403,
        "SignatureDoesNotMatch",
        "differs",
        Reason::NoCredentials,
        false,
    ),
    (
        403,
        "SignatureDoesNotMatch",
        "Signature expired: 2015",
        Reason::Rejected,
        false,
    ),
    (
        400,
        "RequestExpired",
        "Request has expired.",
        Reason::Rejected,
        false,
    ),
    (
        403,
        "OptInRequired",
        "You are not subscribed to this service",
        Reason::Rejected,
        false,
    ),
    (
        403,
        "RegionDisabledException",
        "off",
        Reason::Rejected,
        false,
    ),
    (
        400,
        "InvalidParameterValue",
        "Unrecognized engine name: docdb",
        Reason::UnsupportedEngine,
        false,
    ),
    (
        400,
        "InvalidParameterValue",
        "bad filter",
        Reason::Rejected,
        false,
    ),
    (
        404,
        "DBInstanceNotFound",
        "no such",
        Reason::Rejected,
        false,
    ),
    (500, "InternalFailure", "oops", Reason::Server, true),
    (503, "ServiceUnavailable", "later", Reason::Server, true),
    (502, "", "", Reason::Server, true),
    (400, "InternalError", "oops", Reason::Server, true),
    (408, "", "", Reason::Unreachable, true),
    (400, "RequestTimeout", "too slow", Reason::Unreachable, true),
];

#[test]
fn every_refusal_has_its_reason() {
    for (status, code, message, reason, again) in TABLE {
        let refusal = Refusal {
            status: *status,
            code: Some(*code).filter(|code| !code.is_empty()),
            message: Some(*message).filter(|message| !message.is_empty()),
            retry_after: None,
        };
        let classified = refused("rds:DescribeDBInstances", refusal);
        assert_eq!(
            classified.error.reason, *reason,
            "{status} {code} {message}"
        );
        assert_eq!(
            classified.retry != Retry::No,
            *again,
            "{status} {code} {message}"
        );
        let permission = (*reason == Reason::Denied).then(|| "rds:DescribeDBInstances".to_owned());
        assert_eq!(
            classified.error.permission, permission,
            "{status} {code} {message}"
        );
        assert!(!classified.error.message.is_empty());
    }
}

#[test]
fn names_the_permission_that_the_provider_names() {
    let message = "User: arn:aws:sts::111111111111:assumed-role/a/b is not authorized to perform: \
                   rds:ListTagsForResource on resource: arn:aws:rds:eu-west-1:111111111111:db:x \
                   because no identity-based policy allows the rds:ListTagsForResource action";
    let refusal = Refusal {
        status: 403,
        code: Some("AccessDenied"),
        message: Some(message),
        ..Refusal::default()
    };
    let error = refused("rds:DescribeDBInstances", refusal).error;
    assert_eq!(error.permission.as_deref(), Some("rds:ListTagsForResource"));
    assert!(error.message.contains("assumed-role/a/b"), "{error}");

    for (message, want) in [
        (
            "... not authorized to perform: ec2:DescribeRegions.",
            Some("ec2:DescribeRegions"),
        ),
        ("... not authorized to perform this operation", None),
        ("... not authorized to perform: <script>:x", None),
        ("... not authorized to perform: rds:", None),
    ] {
        assert_eq!(named_permission(message), want, "{message}");
    }
}

#[test]
fn a_signature_error_does_not_quote_the_request() {
    let message = "The request signature we calculated does not match. The Canonical String should \
                   have been 'POST\n/\n\nx-amz-security-token:IQoJb3JpZ2lu\n'";
    let refusal = Refusal {
        status: 403,
        code: Some("SignatureDoesNotMatch"),
        message: Some(message),
        retry_after: None,
    };
    let text = refused("sts:GetCallerIdentity", refusal).error.to_string();
    assert!(
        !text.contains("IQoJ") && !text.contains("Canonical"),
        "{text}"
    );
}

#[test]
fn knows_when_to_come_back() {
    let after = |name: &'static str, value: &'static str| {
        let mut headers = Headers::new();
        headers.insert(name, value);
        retry_after(&headers)
    };
    assert_eq!(after("retry-after", "7"), Some(Duration::from_secs(7)));
    assert_eq!(
        after("x-amz-retry-after", "1500"),
        Some(Duration::from_millis(1500))
    );
    assert_eq!(after("retry-after", "soon"), None);
    assert_eq!(after("retry-after", "-1"), None);

    let refusal = Refusal {
        status: 503,
        retry_after: Some(Duration::from_secs(7)),
        ..Refusal::default()
    };
    let classified = refused("ec2:DescribeRegions", refusal);
    assert_eq!(classified.retry, Retry::After(Duration::from_secs(7)));
}
