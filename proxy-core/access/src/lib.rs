//! Who may open which database, as which database user, on which database name: roles, users, locks, and the decision.
//!
//! Pure: no I/O, no clock, no async.
