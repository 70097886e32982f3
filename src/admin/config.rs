//! The configuration in force, with nothing in it that could be a password.
//!
//! The configuration holds no secret by design, but a webhook's address can carry a token, and a command's arguments
//! too: of both only what says who is told is shown.

use serde_json::Value;

use super::problem::Problem;
use crate::{
    config::{Loaded, Overrides, show::show},
    service::handle::Active,
};

/// What stands for what is not shown.
const HIDDEN: &str = "<hidden>";

/// Every setting, as `muster config show` has it, shortened.
pub(super) fn effective(active: &Active) -> Result<Value, Problem> {
    let loaded = Loaded {
        config: active.config.clone(),
        bytes: Vec::new(),
        warnings: Vec::new(),
        given: Default::default(),
        plugins: Default::default(),
    };
    let text = show(&loaded, &Overrides::default(), false);
    let mut value: Value =
        serde_yaml::from_str(&text).map_err(|error| Problem::internal(&error))?;
    shorten(&mut value, false);
    Ok(value)
}

/// Shortens every address, and every list of words under `command`.
pub(super) fn shorten(value: &mut Value, command: bool) {
    match value {
        Value::String(text) => {
            if let Some(short) = short_url(text) {
                *text = short;
            }
        }
        Value::Array(items) if command => {
            for item in items.iter_mut().skip(1) {
                *item = HIDDEN.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, false)),
        Value::Object(fields) => {
            for (key, field) in fields {
                shorten(field, key == "command" || key == "argv");
            }
        }
        _ => {}
    }
}

/// An address without all that can be a password: scheme, host and port are left. None for what is no address, or one
/// that has nothing more.
fn short_url(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let host = url.host_str()?;
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let short = format!("{}://{host}{port}", url.scheme());
    (text.trim_end_matches('/') != short).then(|| format!("{short}/{HIDDEN}"))
}
