//! Why a certificate was not made.

/// Why a certificate was not made, or an authority not exchanged.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The key that was sent is none that certificates are made for.
    #[error("the public key cannot be used: {0}")]
    Key(String),
    /// A name cannot stand in a certificate.
    #[error("`{0}` cannot stand in a certificate")]
    Name(String),
    /// The identity is too large, or makes no sense.
    #[error("the identity cannot stand in a certificate")]
    Identity(#[from] muster_access::IdentityError),
    /// What is kept of an authority cannot be read.
    #[error("what is kept of the authority {ca} cannot be read: {why}")]
    Stored {
        /// Which.
        ca: super::Ca,
        /// Why not.
        why: String,
    },
    /// Another exchange goes on.
    #[error("the authority {ca} is being exchanged until {until}")]
    Rotating {
        /// Which.
        ca: super::Ca,
        /// Until when.
        until: muster_model::Timestamp,
    },
    /// There is nothing to go back to.
    #[error("the authority {0} is not being exchanged")]
    NotRotating(super::Ca),
    /// No randomness.
    #[error(transparent)]
    Chance(#[from] crate::authority::chance::NoChance),
    /// The certificate could not be signed.
    #[error("cannot sign the certificate")]
    Sign(#[from] rcgen::Error),
}
