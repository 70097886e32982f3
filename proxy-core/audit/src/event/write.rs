//! From an event to the members of its line.

use super::{
    Closed, Event, Kind, Outcome, Value, kinds,
    statement::{DB_QUERY, QUERY, bound, cut, statement},
};
use crate::{
    json::{self, Members},
    redact::{self, MASK, Sensitive},
    time::Micros,
};

/// How much of an event is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a statement, and of all parameters together.
    pub(crate) statement: usize,
    /// Whether literals are masked.
    pub(crate) mask_literals: bool,
}

/// Bytes of a packet that are recorded.
const PAYLOAD: usize = 256;
/// Bytes of any other text from outside.
const TEXT: usize = 4096;

impl Event<'_> {
    pub(crate) const fn kind(&self) -> &'static Kind {
        match self {
            Self::SessionStart { .. } => &kinds::SESSION_START,
            Self::SessionRefused { .. } => &kinds::SESSION_REFUSED,
            Self::SessionEnd { .. } => &kinds::SESSION_END,
            Self::Query { .. } => &kinds::QUERY,
            Self::Malformed { .. } => &kinds::MALFORMED,
            Self::Result { .. } => &kinds::RESULT,
            Self::Parse { .. } => &kinds::POSTGRES_PARSE,
            Self::Bind { .. } => &kinds::POSTGRES_BIND,
            Self::Execute { .. } => &kinds::POSTGRES_EXECUTE,
            Self::Close { .. } => &kinds::POSTGRES_CLOSE,
            Self::Function { .. } => &kinds::POSTGRES_FUNCTION,
            Self::CopyStart { .. } => &kinds::POSTGRES_COPY_START,
            Self::CopyEnd { .. } => &kinds::POSTGRES_COPY_END,
            Self::Cancel { .. } => &kinds::SESSION_CANCEL,
            Self::Disconnect { .. } => &kinds::CLIENT_DISCONNECT,
            Self::Other { kind, .. } => kind,
        }
    }

    /// Writes what only this event has.
    pub(crate) fn members(&self, at: Micros, limits: Limits, to: &mut Members<'_>) {
        match *self {
            Self::SessionStart {
                backend,
                user_agent,
            } => {
                to.flag("success", true);
                to.some_number("postgres_pid", backend.map(u64::from));
                to.some_text("user_agent", user_agent.map(short));
            }
            Self::SessionRefused {
                error,
                message,
                user_agent,
            } => {
                to.flag("success", false);
                to.text("error", short(error));
                to.text("message", short(message));
                to.some_text("user_agent", user_agent.map(short));
            }
            Self::SessionEnd {
                started,
                reason,
                statements,
                from_client,
                to_client,
            } => {
                to.time("start_time", started);
                to.time("end_time", at);
                to.some_text("reason", reason.map(short));
                to.number("statements", statements);
                to.number("bytes_from_client", from_client);
                to.number("bytes_to_client", to_client);
            }
            Self::Query {
                query,
                parameters,
                outcome,
            } => {
                let sensitive = statement(to, &DB_QUERY, &query, limits);
                bound(
                    to,
                    "db_query_parameters",
                    "db_query_parameters_cut",
                    parameters,
                    sensitive,
                    limits,
                );
                ended(to, outcome, sensitive, limits);
            }
            Self::Malformed { error, payload } => {
                to.text("error", short(error));
                to.base64("payload", payload.get(..PAYLOAD).unwrap_or(payload));
                to.number("payload_length", payload.len() as u64);
            }
            Self::Result { of, outcome } => {
                to.some_number("query_ei", of);
                ended(to, Some(outcome), Sensitive::No, limits);
            }
            Self::Parse {
                statement: name,
                query,
                outcome,
            } => {
                to.bytes("statement_name", short_bytes(name));
                let sensitive = statement(to, &QUERY, &query, limits);
                ended(to, outcome, sensitive, limits);
            }
            Self::Bind {
                portal,
                statement,
                parameters,
            } => {
                to.bytes("statement_name", short_bytes(statement));
                to.bytes("portal_name", short_bytes(portal));
                bound(
                    to,
                    "parameters",
                    "parameters_cut",
                    parameters,
                    Sensitive::No,
                    limits,
                );
            }
            Self::Execute {
                portal,
                statement: name,
                query,
                parameters,
                limit,
                outcome,
            } => {
                to.bytes("portal_name", short_bytes(portal));
                if let Some(name) = name {
                    to.bytes("statement_name", short_bytes(name));
                }
                let given = parameters.map_or(Sensitive::No, |parameters| parameters.sensitive);
                let read =
                    query.map_or(Sensitive::No, |query| statement(to, &QUERY, &query, limits));
                let sensitive = given.or(read);
                bound(
                    to,
                    "parameters",
                    "parameters_cut",
                    parameters,
                    sensitive,
                    limits,
                );
                if limit > 0 {
                    to.number("rows_limit", u64::from(limit));
                }
                ended(to, outcome, sensitive, limits);
            }
            Self::Close { what } => match what {
                Closed::Statement(name) => to.bytes("statement_name", short_bytes(name)),
                Closed::Portal(name) => to.bytes("portal_name", short_bytes(name)),
            },
            Self::Function {
                oid,
                arguments,
                outcome,
            } => {
                to.number("function_oid", u64::from(oid));
                bound(
                    to,
                    "function_args",
                    "function_args_cut",
                    arguments,
                    Sensitive::No,
                    limits,
                );
                ended(to, outcome, Sensitive::No, limits);
            }
            Self::CopyStart { direction, binary } => {
                to.text("direction", direction.as_str());
                to.text("format", if binary { "binary" } else { "text" });
            }
            Self::CopyEnd {
                direction,
                bytes,
                messages,
                outcome,
            } => {
                to.text("direction", direction.as_str());
                to.number("bytes", bytes);
                to.number("messages", messages);
                ended(to, outcome, Sensitive::No, limits);
            }
            Self::Cancel { error } => {
                to.flag("success", error.is_none());
                to.some_text("error", error.map(short));
            }
            Self::Disconnect { reason } => to.text("reason", short(reason)),
            Self::Other { fields, .. } => {
                for (name, value) in fields {
                    field(to, name, *value);
                }
            }
        }
    }
}

pub(crate) fn field(to: &mut Members<'_>, name: &str, value: Value<'_>) {
    match value {
        Value::Text(text) => to.text(name, short(text)),
        Value::Bytes(text) => to.bytes(name, short_bytes(text)),
        Value::Number(number) => to.number(name, number),
        Value::Flag(flag) => to.flag(name, flag),
        Value::Time(time) => to.time(name, time),
        Value::List(texts) => to.list(name, texts.iter().take(256).map(|text| short(text))),
        Value::Map(pairs) => {
            to.key(name);
            to.out.push(b'{');
            for (index, (key, value)) in pairs.iter().take(256).enumerate() {
                if index > 0 {
                    to.out.push(b',');
                }
                json::string(to.out, short(key).as_bytes());
                to.out.push(b':');
                json::string(to.out, short(value).as_bytes());
            }
            to.out.push(b'}');
        }
    }
}

fn ended(to: &mut Members<'_>, outcome: Option<Outcome<'_>>, sensitive: Sensitive, limits: Limits) {
    let Some(outcome) = outcome else {
        return;
    };
    to.flag("success", outcome.error.is_none());
    to.some_number("affected_records", outcome.rows);
    if !outcome.tag.is_empty() {
        to.bytes("command_tag", short_bytes(outcome.tag));
    }
    to.number("duration_us", outcome.duration_us);
    if let Some(failure) = outcome.error {
        to.bytes("error_code", short_bytes(failure.code));
        // A database likes to quote the word that it did not understand.
        if sensitive == Sensitive::Yes || limits.mask_literals {
            to.text("error", MASK);
        } else {
            let text = short_bytes(failure.message);
            let text = redact::statement(text, false, false).text;
            // It quotes connection strings too.
            to.bytes("error", &redact::value(&text, false));
        }
    }
}

fn short_bytes(text: &[u8]) -> &[u8] {
    cut(text, TEXT)
}

fn short(text: &str) -> &str {
    text.get(..cut(text.as_bytes(), TEXT).len()).unwrap_or("")
}
