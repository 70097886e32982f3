//! How people prove who they are: passwords, second factors, invitations, and how often they may try.

pub mod limit;
pub mod password;
pub mod secret;
#[cfg(test)]
mod tests;
pub mod totp;
