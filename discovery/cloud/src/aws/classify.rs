//! What the AWS SDK's errors mean.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::{CallError, Classified, Classify, Reason};

impl<E> Classify for SdkError<E, HttpResponse>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn classify(&self, call: &str) -> Classified {
        CallError::new(Reason::Rejected, call, "").fatal()
    }
}
