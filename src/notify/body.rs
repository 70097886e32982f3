//! A notice as those who are told see it.

use serde::{Deserialize, Serialize};

use crate::service::notice::{Notice, NoticeEvent};

/// The header that holds the delivery's id: the same each time that a notice is repeated, and never used for
/// another one.
pub const DELIVERY: &str = "Muster-Delivery";
/// The header that holds the event's word.
pub const EVENT: &str = "Muster-Event";
/// The header that holds the signature, when a sink has a secret.
pub const SIGNATURE: &str = "Muster-Signature";

/// The JSON that a webhook gets as its body, and a command as a line on its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The delivery's id.
    pub delivery: String,
    /// How many notices this sink should have had before this one, and never will: too many waited.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// What happened.
    #[serde(flatten)]
    pub notice: Notice,
}

/// What is handed to a webhook or a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) id: String,
    pub(super) event: NoticeEvent,
    pub(super) json: String,
}

impl Delivery {
    /// The notice under a number of the queue.
    ///
    /// # Errors
    /// When JSON cannot hold it.
    pub(super) fn new(
        epoch: i64,
        seq: u64,
        dropped: u64,
        notice: Notice,
    ) -> Result<Self, serde_json::Error> {
        let body = Body {
            delivery: id(epoch, seq),
            dropped,
            notice,
        };
        Ok(Self {
            json: serde_json::to_string(&body)?,
            event: body.notice.event,
            id: body.delivery,
        })
    }
}

/// A store that is deleted and begun anew counts from 1 again: the epoch keeps its ids from being taken for
/// repeats.
fn id(epoch: i64, seq: u64) -> String {
    format!("{epoch}-{seq}")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}
