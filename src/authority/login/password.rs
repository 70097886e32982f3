//! Passwords: Argon2id, and the same work for somebody who is not there.

use std::sync::OnceLock;

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordVerifier, Version,
    password_hash::{PasswordHasher, SaltString},
};

use crate::authority::chance::{Chance, NoChance};

/// Memory of one check in KiB, passes over it, and threads: the first choice of OWASP's password storage cheat sheet.
pub const PARAMETERS: (u32, u32, u32) = (19 << 10, 2, 1);

/// The fewest characters of a password.
pub const SHORTEST: usize = 12;

/// The most bytes of a password.
pub const LONGEST: usize = 1024;

/// Makes and checks hashes of passwords. Slow by design: some tens of milliseconds and 19 MiB each.
pub struct Passwords {
    argon: Argon2<'static>,
    /// What a password is checked against when there is nobody of that name.
    nobody: OnceLock<String>,
    chance: Chance,
}

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Too short.
    #[error("a password has at least {SHORTEST} characters")]
    Short,
    /// Too long.
    #[error("a password has at most {LONGEST} bytes")]
    Long,
}

/// Why a hash could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HashError {
    /// No randomness.
    #[error(transparent)]
    Chance(#[from] NoChance),
    /// The parameters, or memory.
    #[error("cannot hash the password: {0}")]
    Hash(String),
}

impl Passwords {
    /// With [`PARAMETERS`].
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(chance: Chance) -> Result<Self, HashError> {
        let (memory, passes, threads) = PARAMETERS;
        Self::with(memory, passes, threads, chance)
    }

    /// With other parameters: for tests, which make many.
    ///
    /// # Errors
    /// When they are none that Argon2 takes.
    pub fn with(memory: u32, passes: u32, threads: u32, chance: Chance) -> Result<Self, HashError> {
        let params = Params::new(memory, passes, threads, Some(32)).map_err(failed)?;
        Ok(Self {
            argon: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            nobody: OnceLock::new(),
            chance,
        })
    }

    /// Gets ready for names that nobody has: takes as long as one check. Without it, the first check takes twice as long.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn ready(&self) -> Result<&str, HashError> {
        if let Some(hash) = self.nobody.get() {
            return Ok(hash);
        }
        let mut unknown = [0; 32];
        (self.chance)(&mut unknown)?;
        let hash = self.hash_bytes(&unknown)?;
        Ok(self.nobody.get_or_init(|| hash))
    }

    /// Whether a password may be chosen.
    ///
    /// # Errors
    /// Why not.
    pub fn fits(password: &str) -> Result<(), Unfit> {
        match () {
            () if password.len() > LONGEST => Err(Unfit::Long),
            () if password.chars().count() < SHORTEST => Err(Unfit::Short),
            () => Ok(()),
        }
    }

    /// The hash to keep, with its salt and parameters in it (PHC string format).
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn hash(&self, password: &str) -> Result<String, HashError> {
        self.hash_bytes(password.as_bytes())
    }

    /// Whether this is the password. Without a hash the answer is no, after the same work.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn is(&self, password: &str, hash: Option<&str>) -> Result<bool, HashError> {
        let nobody = self.ready()?;
        let known = hash.is_some();
        let hash = PasswordHash::new(hash.unwrap_or(nobody));
        let password = password
            .get(..LONGEST.min(password.len()))
            .unwrap_or(password);
        let right = hash.is_ok_and(|hash| {
            self.argon
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        });
        Ok(right & known)
    }

    fn hash_bytes(&self, password: &[u8]) -> Result<String, HashError> {
        let mut salt = [0; 16];
        (self.chance)(&mut salt)?;
        let salt = SaltString::encode_b64(&salt).map_err(failed)?;
        let hash = self.argon.hash_password(password, &salt).map_err(failed)?;
        Ok(hash.to_string())
    }
}

fn failed(error: impl ToString) -> HashError {
    HashError::Hash(error.to_string())
}
