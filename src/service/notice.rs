//! [`Notice`]: what happened, for those who want to be told.

use muster_model::{Event, FieldChange, HistoryEntry, ResourceId, Timestamp};
use serde::{Deserialize, Serialize};

/// One thing that happened. Serialised, it is the body of a webhook and the standard input of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub event: NoticeEvent,
    /// When.
    pub at: Timestamp,
    /// The discovery group.
    pub group: String,
    /// The run that did it: a scan's, or a person's.
    pub run: String,
    /// Which database; none for a scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ResourceId>,
    /// The target's name, or the scope.
    pub name: String,
    /// Why.
    pub reason: String,
    /// For `held`: what would have been done (`add`, `update`, `remove`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<String>,
    /// For `held`: the safety that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety: Option<String>,
    /// For `updated`: field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// What one can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeEvent {
    /// A database was enrolled.
    Enrolled,
    /// A target was updated.
    Updated,
    /// A target was removed.
    Removed,
    /// A change is held by a safety that was not before.
    Held,
    /// A scope that was completely read before was not this time.
    ScopeFailed,
}

impl Notice {
    /// What an entry of the history says to those who want to be told; none for what they are not told of.
    pub fn of(entry: &HistoryEntry, group: &str) -> Option<Self> {
        let event = match entry.event {
            Event::Enrolled => NoticeEvent::Enrolled,
            Event::Updated => NoticeEvent::Updated,
            Event::Removed => NoticeEvent::Removed,
            Event::Seen
            | Event::Changed
            | Event::Missing
            | Event::Returned
            | Event::Forgotten
            | Event::Approved
            | Event::Rejected => return None,
        };
        Some(Self {
            event,
            at: entry.at,
            group: group.to_owned(),
            run: entry.run.clone(),
            id: Some(entry.id.clone()),
            name: entry.name.clone(),
            reason: entry.reason.clone(),
            would: None,
            safety: None,
            fields: entry.fields.clone(),
        })
    }
}

impl NoticeEvent {
    /// Every event.
    pub const ALL: &'static [Self] = &[
        Self::Enrolled,
        Self::Updated,
        Self::Removed,
        Self::Held,
        Self::ScopeFailed,
    ];

    /// The word that stands for it in the configuration and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Updated => "updated",
            Self::Removed => "removed",
            Self::Held => "held",
            Self::ScopeFailed => "scope-failed",
        }
    }
}
