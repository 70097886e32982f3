//! muster finds the databases that an organisation runs in its clouds and decides which of them people may
//! reach.
//!
//! ```text
//! clock -> scan -> inventory -> match -> plan -> enroll
//!          clouds   (store)    (matchers)  diff   (store)
//! ```
//!
//! This crate is the only place that sees every other one.
//!
//! | module | what it is for |
//! |---|---|
//! | [`cli`] | the commands, and how they end |
//! | [`config`] | the configuration file: read strictly, all problems at once |
//! | [`pipeline`] | the line above as a few functions |
//! | [`plugins`] | matchers of one's own, in WebAssembly |
//! | [`proxy`] | the door: what it serves and whom it asks, around the proxy core |
//! | [`control`] | the local socket: how commands reach the running service |
//! | [`service`] | the line run for ever: `muster run` |
//! | [`notify`] | tells others what happened, at least once |
//! | [`metrics`] | what the service counts, for Prometheus |
//! | [`authority`] | who people are, what they may, and the certificates that say so |
//! | [`admin`] | health, metrics and what the service knows, as HTTP on a loopback port |
//! | [`report`] | a plan as text, JSON, Markdown, HTML or CSV |
//! | [`install`] | what is to be set up outside: cloud policies |
//! | [`doctor`] | what is or soon will be wrong, each with its remedy |
//! | [`demo`] | the embedded example fleet |

pub mod admin;
pub mod authority;
pub mod cli;
pub mod config;
pub mod control;
pub mod demo;
pub mod doctor;
pub mod exit;
pub mod install;
pub mod metrics;
pub mod notify;
pub mod pipeline;
pub mod plugins;
pub mod proxy;
pub mod report;
pub mod service;
