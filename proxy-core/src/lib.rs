//! The proxy core: one TLS door, sessions in stages, an engine for each wire protocol, and the relay to the database.
