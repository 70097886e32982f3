//! Evidence, from files, addresses and clouds. Nothing here judges, and nothing changes anything: no file is made or
//! mended, no port is listened on, no token is kept.

pub mod accounts;
pub mod addresses;
pub mod certificates;
pub mod copy;
pub mod denied;
pub mod endpoints;
pub mod files;
pub mod handshake;
pub mod logins;
pub mod sample;
