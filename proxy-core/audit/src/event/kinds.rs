//! Every kind of event: its type, its code, when it is written and what is in it.
//!
//! `docs/audit.md` is written from this list.

/// A kind of event.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its type, the field `event`.
    pub event: &'static str,
    /// Its code. The last letter is how grave it is: `I` nothing, `W` a warning, `E` an error.
    pub code: &'static str,
    /// When it is written.
    pub when: &'static str,
    /// The fields that it may have, beside those that all events have.
    pub fields: &'static [&'static str],
}

/// Fields of every event.
pub const EVERY: &[(&str, &str)] = &[
    ("time", "when it happened, in UTC with microseconds"),
    ("event", "its type"),
    ("code", "its code"),
    ("uid", "its own id, a UUID"),
    (
        "ei",
        "its number in its session, from 0; where one is missing, an event could not be recorded; 0 outside of sessions",
    ),
    ("cluster_name", "this muster's name, from the configuration"),
    ("seq", "its number in the log, from 1 and without a gap"),
    (
        "chain",
        "SHA-256 over the chain of the line before and this line up to here",
    ),
];

/// Fields of every event of a session, where they are known.
pub const SESSION: &[(&str, &str)] = &[
    ("sid", "the session's id"),
    ("user", "who"),
    ("user_kind", "1 a person, 2 a service"),
    (
        "roles",
        "the roles that were in the certificate and that the user still has",
    ),
    ("db_service", "the target's name"),
    ("db_protocol", "the protocol: `postgres`"),
    (
        "db_type",
        "what runs it: `rds`, `aurora`, `azure-postgresql`, `azure-postgresql-flexible`, `self-hosted`",
    ),
    (
        "db_origin",
        "how the target came here: `discovery`, `record` or `configuration`",
    ),
    ("db_uri", "the target's address"),
    ("db_name", "the database's name in it"),
    ("db_user", "the user's name in it"),
    ("db_roles", "the roles that allowed the session"),
    ("addr.remote", "the client's address"),
    (
        "addr.upstream",
        "the address that the target was reached at",
    ),
];

/// What the fields mean that only some events have.
pub const MEANINGS: &[(&str, &str)] = &[
    (
        "affected_records",
        "rows that the statement returned or changed, as the database says",
    ),
    (
        "bytes",
        "bytes: of rows without their messages' headers, or of a file",
    ),
    ("bytes_from_client", "bytes from the client, without TLS"),
    ("bytes_to_client", "bytes to the client, without TLS"),
    ("cert_type", "whose certificate: `user`"),
    (
        "command_tag",
        "what the database calls that which it did: `SELECT 5`",
    ),
    ("count", "how many"),
    ("db_query", "the statement, without its secrets"),
    ("direction", "`in` to the database, `out` of it, or `both`"),
    (
        "duration_us",
        "microseconds from the statement's arrival to the end of its result",
    ),
    ("end_time", "when it ended"),
    ("error", "why not: muster's reason, or the database's text"),
    ("error_code", "the database's code: PostgreSQL's SQLSTATE"),
    ("expected_chain", "the chain that the head has"),
    ("expected_seq", "the number that the head has"),
    ("expires", "until when it holds"),
    ("file", "a file's name"),
    ("files", "files' names"),
    ("format", "of the rows: `text` or `binary`"),
    ("found_chain", "the chain of the last line that was found"),
    ("found_seq", "the number of the last line that was found"),
    ("from", "the earliest time in the file"),
    ("function_args", "the function's arguments"),
    ("function_oid", "the function's number"),
    ("join_method", "how one may join with it"),
    ("last_chain", "the chain of the last line that was removed"),
    ("last_seq", "the number of the last line that was removed"),
    ("lines", "lines of the file, with this one"),
    ("message", "what the person concerned was told"),
    ("messages", "messages with rows"),
    (
        "method",
        "how: `password`, or `password+totp` with a second factor; which second factor: `totp`",
    ),
    ("name", "the name of that which the event is about"),
    (
        "parameters",
        "what was bound, which PostgreSQL has in the event of the Bind alone: texts as they are but for secrets in them, binary values in base64, `null` for NULL; `***` where the statement takes a secret",
    ),
    (
        "payload",
        "the bytes, or as many as are recorded: in base64, but for a line that was cut off",
    ),
    ("payload_length", "how many bytes there were"),
    ("phase", "of the rotation"),
    ("pid", "the process that writes"),
    ("portal_name", "the portal; empty is the unnamed one"),
    (
        "postgres_pid",
        "the process of the database that serves the session",
    ),
    (
        "previous_chain",
        "the chain of the line before, in the file before",
    ),
    ("previous_file", "the file before"),
    ("query", "the statement, without its secrets"),
    ("query_ei", "the number of the statement's event"),
    ("reason", "why"),
    ("roles", "roles"),
    ("rows_limit", "the most rows that were asked for"),
    ("serial", "the certificate's number"),
    ("start_time", "when it began"),
    (
        "statement_name",
        "the prepared statement; empty is the unnamed one",
    ),
    ("statements", "statements that were run"),
    ("success", "whether it was done"),
    ("target", "who or what is locked out"),
    ("to", "the latest time in the file"),
    ("ttl", "how long it holds"),
    ("user_agent", "what the client calls itself"),
    ("version", "muster's version"),
];

/// What the ends of names mean that follow a statement's field or a field with values.
pub const ENDINGS: &[(&str, &str)] = &[
    (
        "_length",
        "how many bytes the statement has, where it was cut",
    ),
    (
        "_sha256",
        "SHA-256 of the whole statement, where it was cut; not where it has a secret",
    ),
    ("_truncated", "`true`: the statement was cut"),
    (
        "_redacted",
        "`true`: there is a secret in the statement, or a place for one",
    ),
    ("_base64", "the statement as bytes, where it is not UTF-8"),
    (
        "_fingerprint",
        "by which statements are one that differ in literals only; with `mask_literals`",
    ),
    (
        "_parameters",
        "as `parameters`; for protocols that bind and run in one message, of which muster speaks none yet",
    ),
    (
        "_cut",
        "which values were cut, by their index from 0, and how many bytes they have; `more` values were left out",
    ),
];

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal $event:literal, $when:literal, [$($field:literal),* $(,)?];)*) => {
        $($(#[$doc])* #[doc = $when]
        pub const $name: Kind = Kind { event: $event, code: $code, when: $when, fields: &[$($field),*] };)*
        /// All of them, in the order of the page.
        pub const KINDS: &[Kind] = &[$($name),*];
    };
}

kinds! {
    SESSION_START = "TDB00I" "db.session.start", "a session began",
        ["success", "postgres_pid", "user_agent"];
    SESSION_REFUSED = "TDB00W" "db.session.start", "a session was refused, by muster or by the database",
        ["success", "error", "message", "user_agent"];
    SESSION_END = "TDB01I" "db.session.end", "a session ended",
        ["start_time", "end_time", "reason", "statements", "bytes_from_client", "bytes_to_client"];
    QUERY = "TDB02I" "db.session.query", "a statement or command",
        ["db_query", "db_query_length", "db_query_sha256", "db_query_truncated", "db_query_redacted",
         "db_query_base64", "db_query_fingerprint", "db_query_parameters", "db_query_parameters_cut", "success",
         "affected_records", "command_tag", "duration_us", "error", "error_code"];
    DB_CREATE = "TDB03I" "db.create", "a record of a database was made", ["user", "name", "addr.remote"];
    DB_UPDATE = "TDB04I" "db.update", "a record of a database was changed", ["user", "name", "addr.remote"];
    DB_DELETE = "TDB05I" "db.delete", "a record of a database was removed", ["user", "name", "addr.remote"];
    MALFORMED = "TDB06I" "db.session.malformed_packet", "bytes that the protocol does not allow",
        ["error", "payload", "payload_length"];
    RESULT = "TDB10I" "db.session.result", "how a statement ended whose event had to be written before its end",
        ["query_ei", "success", "affected_records", "command_tag", "duration_us", "error", "error_code"];
    POSTGRES_PARSE = "TPG00I" "db.session.postgres.statements.parse", "PostgreSQL: a statement was prepared",
        ["statement_name", "query", "query_length", "query_sha256", "query_truncated", "query_redacted",
         "query_base64", "query_fingerprint", "success", "affected_records", "command_tag", "duration_us", "error",
         "error_code"];
    POSTGRES_BIND = "TPG01I" "db.session.postgres.statements.bind",
        "PostgreSQL: parameters were bound to a prepared statement",
        ["statement_name", "portal_name", "parameters", "parameters_cut"];
    POSTGRES_EXECUTE = "TPG02I" "db.session.postgres.statements.execute", "PostgreSQL: a bound statement was run",
        ["portal_name", "statement_name", "query", "query_length", "query_sha256", "query_truncated",
         "query_redacted", "query_base64", "query_fingerprint", "parameters", "parameters_cut", "rows_limit",
         "success", "affected_records", "command_tag", "duration_us", "error", "error_code"];
    POSTGRES_CLOSE = "TPG03I" "db.session.postgres.statements.close",
        "PostgreSQL: a prepared statement or a portal was closed", ["statement_name", "portal_name"];
    POSTGRES_FUNCTION = "TPG04I" "db.session.postgres.function", "PostgreSQL: a function was called by its number",
        ["function_oid", "function_args", "function_args_cut", "success", "affected_records", "command_tag",
         "duration_us", "error", "error_code"];
    POSTGRES_COPY_START = "MPG00I" "db.session.postgres.copy.start", "PostgreSQL: COPY began to move rows",
        ["direction", "format"];
    POSTGRES_COPY_END = "MPG01I" "db.session.postgres.copy.end", "PostgreSQL: COPY ended",
        ["direction", "bytes", "messages", "success", "affected_records", "command_tag", "duration_us", "error",
         "error_code"];
    SESSION_CANCEL = "MDB00I" "db.session.cancel",
        "a client asked to cancel what the session runs; a second one, with `error`, says that the database could not be asked",
        ["success", "error"];
    CLIENT_DISCONNECT = "T3006I" "client.disconnect", "muster ended a session", ["reason"];
    AUTH_FAILED = "T3007W" "auth", "somebody was not let in at the door",
        ["user", "success", "error", "addr.remote", "db_user", "db_name"];
    LOGIN = "T1000I" "user.login", "a user logged in", ["user", "success", "method", "addr.remote"];
    LOGIN_FAILED = "T1000W" "user.login", "a login failed", ["user", "success", "method", "error", "addr.remote"];
    USER_CREATED = "T1002I" "user.create", "a user was made", ["user", "name", "roles", "addr.remote"];
    USER_UPDATED = "T1003I" "user.update", "a user was changed", ["user", "name", "roles", "addr.remote"];
    USER_DELETED = "T1004I" "user.delete", "a user was removed", ["user", "name", "addr.remote"];
    PASSWORD_CHANGED = "T1005I" "user.password_change", "a user changed the password",
        ["user", "name", "addr.remote"];
    MFA_ADDED = "T1006I" "mfa.add", "a user set up a second factor", ["user", "name", "method", "addr.remote"];
    INVITED = "T6000I" "reset_password_token.create", "a user was invited, or may set a new password",
        ["user", "name", "ttl", "expires", "addr.remote"];
    CERT_CREATED = "TC000I" "cert.create", "a certificate was signed",
        ["user", "cert_type", "name", "roles", "db_service", "db_user", "db_name", "serial", "expires",
         "addr.remote"];
    ROLE_CREATED = "T9000I" "role.created", "a role was made", ["user", "name", "addr.remote"];
    ROLE_DELETED = "T9001I" "role.deleted", "a role was removed", ["user", "name", "addr.remote"];
    ROLE_UPDATED = "T9002I" "role.updated", "a role was changed", ["user", "name", "addr.remote"];
    LOCK_CREATED = "TLK00I" "lock.created", "somebody or something was locked out",
        ["user", "name", "target", "message", "expires", "addr.remote"];
    LOCK_DELETED = "TLK01I" "lock.deleted", "a lock was removed", ["user", "name", "target", "addr.remote"];
    TOKEN_CREATED = "TJT00I" "join_token.create", "a token to join with was made; its name without the secret",
        ["user", "name", "roles", "join_method", "expires", "addr.remote"];
    TOKEN_DELETED = "MJT01I" "join_token.delete", "a token to join with was removed",
        ["user", "name", "addr.remote"];
    AUTHORITY_ROTATED = "MCA00I" "cert_authority.rotate", "a certificate authority got a new key",
        ["user", "name", "phase", "expires", "addr.remote"];
    LOG_START = "MAU00I" "audit.log.start", "muster began to write the log", ["pid", "version"];
    LOG_STOP = "MAU01I" "audit.log.stop", "muster ended, and all that was queued is in the log", ["pid"];
    LOG_REPAIRED = "MAU02W" "audit.log.repaired",
        "the last line was cut off (a crash, a power cut) and was taken out; the event that it began is in here",
        ["file", "bytes", "payload"];
    LOG_DAMAGED = "MAU03E" "audit.log.damaged",
        "the log is not as it was left: something was taken away or changed while nobody wrote it",
        ["file", "error", "expected_seq", "expected_chain", "found_seq", "found_chain"];
    LOG_SKIPPED = "MAU04W" "audit.log.skipped",
        "events that are not in the log, as it could not be written: of sessions of best effort, of others at their end, \
         and what still waited when muster ended", ["count"];
    LOG_RECOVERED = "MAU05W" "audit.log.recovered", "the log could be written again; what was queued follows",
        ["error", "start_time", "end_time"];
    FILE_START = "MAU10I" "audit.file.start", "the first line of every file",
        ["file", "previous_file", "previous_chain"];
    FILE_END = "MAU11I" "audit.file.end", "the last line of a file that is full",
        ["file", "lines", "from", "to"];
    FILES_REMOVED = "MAU12I" "audit.files.removed", "old files were removed, as the configuration says",
        ["files", "last_seq", "last_chain"];
    FILE_RESTORED = "MAU13W" "audit.file.restored",
        "the file was removed or replaced while it was written; it was made again from what was still open",
        ["file", "bytes"];
}

#[cfg(test)]
#[path = "kinds_tests.rs"]
mod tests;
