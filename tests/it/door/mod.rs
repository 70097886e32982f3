//! The door as people have it: the program as it is run, a real PostgreSQL behind it, and real clients before it.

pub mod daily;
mod ends;
mod enter;
mod login;
mod record;
pub mod town;
pub mod ways;
