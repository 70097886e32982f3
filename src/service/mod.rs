//! The service: `muster run`, left alone beside a cluster.
//!
//! | part | what it does |
//! |---|---|
//! | [`engine`] | takes one scope's scan in: merges, judges what changed, plans, commits. No clock of its own, no async |
//! | [`handle`] | what the control socket, the API and the metrics see of the running service, and may ask of it |
//! | [`status`] | what the service knows of itself at a moment, as data |
//! | [`notice`] | what happened, for those who want to be told |
//! | [`run`] | the loop: clock, scans, engine, commands, signals, recovery |

pub mod engine;
pub mod handle;
pub mod notice;
pub mod run;
pub mod status;
