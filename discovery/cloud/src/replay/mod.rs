//! A local HTTP server that answers calls to AWS and Azure with recorded answers.
//!
//! Why: the demonstration, the tests and the benchmarks must run the real scanners over the real HTTP clients
//! without an account and without a network. A [`Tape`] holds what is answered, a [`Replayer`] serves it, and its
//! [log](Replayer::log) shows what was asked, in order.
//!
//! It does not verify signatures, it knows no service and no database, and it listens on the loopback address only.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use muster_cloud::replay::{Replayer, Tape};
//!
//! let replayer = Replayer::start(Tape::from_dir("fixtures/cloud/demo")?)?;
//! // AWS: AWS_ENDPOINT_URL=<url>. Azure: the authority and the management endpoint.
//! println!("{}", replayer.url());
//! for seen in replayer.log() {
//!     println!("{seen}");
//! }
//! replayer.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod request;
mod server;
mod tape;

pub use self::{
    request::{Request, Seen},
    server::Replayer,
    tape::{Answer, Exchange, Fault, Problem, Tape, TapeError},
};

#[cfg(test)]
mod tests;
