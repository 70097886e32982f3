//! What is to be set up outside muster: the permissions that it needs in the clouds.

pub mod iam;
