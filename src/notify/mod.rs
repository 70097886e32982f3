//! Tells others what happened: a webhook or a command for each [`Notice`], at least once and in order.
//!
//! A notice becomes part of the store in the batch that holds the change it tells of, so that no kill can come
//! between the two. From there each sink is told by a task of its own.
//!
//! | part | what it does |
//! |---|---|
//! | [`outbox`] | the queue in the store: appended to by whoever commits, trimmed when every sink is past |
//!
//! [`Notice`]: crate::service::notice::Notice

pub mod outbox;
