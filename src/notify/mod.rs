//! Tells others what happened: a webhook or a command for each [`Notice`], at least once and in order.
//!
//! A notice becomes part of the store in the batch that holds the change it tells of, so that no kill can come
//! between the two. From there each sink is told by a task of its own, so that none waits for another, and the
//! scans wait for none.
//!
//! | part | what it does |
//! |---|---|
//! | [`outbox`] | the queue in the store: appended to by whoever commits, trimmed when every sink is past |
//! | `places` | which sink has had what: a small file beside the store |
//! | `deliverer` | starts and ends the tasks, and says how they do |
//! | `task` | one sink: takes notice after notice, tries again after a failure |
//! | `backoff` | for how long it waits before that |
//! | `body` | a notice as those who are told see it |
//! | `webhook`, `signature` | by HTTP |
//! | `command` | by a program |
//!
//! Nothing here decides what is worth telling: that is the engine's.
//!
//! [`Notice`]: crate::service::notice::Notice

mod backoff;
mod body;
mod command;
mod deliverer;
pub mod outbox;
mod places;
mod signature;
mod task;
mod text;
mod webhook;

pub use self::{
    body::{Body, DELIVERY, EVENT, SIGNATURE},
    deliverer::{Deliverer, Options},
    places::FILE,
    task::Attempt,
};
