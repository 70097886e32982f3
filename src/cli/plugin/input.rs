//! What a plugin is given: settings and databases, from files, standard input or the store.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::Path,
};

use serde_json::Value;

use super::database::Sample;
use crate::{
    cli::{
        Common, Failure,
        context::load,
        explain::is_called,
        opened::{Opened, is_there},
        service::store_dir,
    },
    config::strict::Strict,
    pipeline::state::State,
    plugins::file::{self, ReadError},
};

/// The largest file of databases or settings that is read, in bytes.
const MAX_TEXT: u64 = 8 << 20;
/// How many problems of a file are shown.
const SHOWN: usize = 20;

/// The settings of a plugin, as JSON; `null` where no file is named. The file is YAML or JSON.
///
/// # Errors
/// When it cannot be read, or is neither.
pub(super) fn settings(path: Option<&Path>) -> Result<String, Failure> {
    let Some(path) = path else {
        return Ok("null".to_owned());
    };
    let what = format!("cannot use the settings {}", path.display());
    let text = text(path).map_err(|failure| failure.within(&what))?;
    Ok(value(&text, path)
        .map_err(|failure| failure.within(&what))?
        .to_string())
}

/// Databases of a file, or of standard input for `-`: one, or a list, as YAML or JSON.
///
/// # Errors
/// When it cannot be read, is neither, or what is in it are no databases.
pub(super) fn databases(path: &Path) -> Result<Vec<Sample>, Failure> {
    let what = match path.to_str() {
        Some("-") => "cannot use the databases of standard input".to_owned(),
        _ => format!("cannot use the databases of {}", path.display()),
    };
    let text = match path.to_str() {
        Some("-") => standard_input(),
        _ => self::text(path),
    };
    let text = text.map_err(|failure| failure.within(&what))?;
    let value = value(&text, path).map_err(|failure| failure.within(&what))?;
    let one = std::slice::from_ref(&value);
    let (items, is_list) = match &value {
        Value::Array(items) => (items.as_slice(), true),
        _ => (one, false),
    };
    let mut samples = Vec::new();
    let mut wrongs = Vec::new();
    for (place, item) in items.iter().enumerate() {
        match Sample::read(item) {
            Ok(sample) => samples.push(sample),
            Err(wrong) => wrongs.push(wrong.at(if is_list {
                format!("[{place}]")
            } else {
                String::new()
            })),
        }
    }
    if wrongs.is_empty() && !samples.is_empty() {
        return Ok(samples);
    }
    let mut failure = Failure::new(what);
    if items.is_empty() {
        failure = failure.because("the list is empty");
    }
    for wrong in wrongs.iter().take(SHOWN) {
        failure = failure.because(wrong.to_string());
    }
    if wrongs.len() > SHOWN {
        failure = failure.because(format!("and {} more", wrongs.len() - SHOWN));
    }
    Err(failure.hint(
        "docs/plugins.md has the short form, in which all may be left out but what matters; a whole one is in \
         /api/v1/databases/ID and what `muster db show -o json` prints",
    ))
}

/// Databases that the store knows: those that are called `name`, or all.
///
/// # Errors
/// When there is no store, or none of its databases is called so.
pub(super) fn stored(common: &Common, name: Option<&str>) -> Result<Vec<Sample>, Failure> {
    let dir = store_dir(common)?;
    let empty = |why: String| {
        Failure::new(format!(
            "cannot take databases from the store {}",
            dir.display()
        ))
        .because(why)
        .hint(
            "`muster scan` reads the clouds and fills it; `--database FILE` takes one from a file",
        )
    };
    if !is_there(&dir)? {
        return Err(empty("it does not exist".to_owned()));
    }
    let store = Opened::open(&dir)?;
    let state: State = load(&store)?;
    if state.records.is_empty() {
        return Err(empty("it is empty".to_owned()));
    }
    let judged = BTreeMap::new();
    let found: Vec<Sample> = state
        .records
        .values()
        .filter(|record| name.is_none_or(|name| is_called(record, name, &state, &judged)))
        .map(|record| Sample::of(record.database.clone(), Some(record.first_seen)))
        .collect();
    match (found.is_empty(), name) {
        (false, _) => Ok(found),
        (true, name) => {
            let name = name.unwrap_or_default();
            Err(Failure::new(format!(
                "cannot find `{name}` in the store {}",
                dir.display()
            ))
            .because(format!(
                "none of its {} databases is called so, by name, id or host",
                state.records.len()
            ))
            .hint(format!("`muster explain {name}` looks for similar names")))
        }
    }
}

/// The text of a file.
fn text(path: &Path) -> Result<String, Failure> {
    let (bytes, _) = file::read(path, MAX_TEXT).map_err(|error| {
        let failure = Failure::new("").cause(&error);
        match error {
            ReadError::Kind("a pipe") => {
                failure.hint("databases are read from standard input by `--database -`")
            }
            _ => failure,
        }
    })?;
    utf8(bytes)
}

fn standard_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_TEXT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new("").cause(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size > MAX_TEXT) {
        return Err(Failure::new("").because(format!("it has more than {MAX_TEXT} bytes")));
    }
    utf8(bytes)
}

/// A text of bytes, or where it is none.
pub(super) fn utf8(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::new("")
            .because(format!("line {line} is not UTF-8 text"))
            .hint("save it in the encoding UTF-8")
    })
}

/// A value of YAML or JSON.
fn value(text: &str, path: &Path) -> Result<Value, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let error = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) if is_json => {
            return Err(Failure::new("").because(format!("not valid JSON: {error}")));
        }
        Err(error) => error,
    };
    let problems = match Strict::read(text) {
        Ok((document, problems)) if problems.is_empty() => {
            return json(&document.value("").unwrap_or_default())
                .map_err(|why| Failure::new("").because(why));
        }
        Ok((_, problems)) => problems,
        // What begins like JSON is more likely to be meant as that.
        Err(_) if text.trim_start().starts_with(['{', '[']) => {
            return Err(Failure::new("").because(format!("not valid JSON: {error}")));
        }
        Err(problem) => vec![problem],
    };
    Err(problems
        .iter()
        .take(SHOWN)
        .fold(Failure::new(""), |failure, problem| {
            let line = problem
                .line
                .map_or_else(String::new, |line| format!("line {line}: "));
            failure.because(format!("{line}{}", problem.plain()))
        }))
}

/// YAML as JSON.
///
/// # Errors
/// For numbers that JSON does not have.
pub(super) fn json(value: &serde_yaml::Value) -> Result<Value, String> {
    use serde_yaml::Value as Yaml;
    Ok(match value {
        Yaml::Number(number) if number.as_f64().is_some_and(|number| !number.is_finite()) => {
            return Err(format!("JSON has no number `{number}`: write it in quotes"));
        }
        Yaml::Sequence(items) => Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Yaml::Mapping(entries) => {
            let pair = |(key, value): (&Yaml, &Yaml)| {
                Ok((key.as_str().unwrap_or_default().to_owned(), json(value)?))
            };
            Value::Object(entries.iter().map(pair).collect::<Result<_, String>>()?)
        }
        other => serde_json::to_value(other).map_err(|error| error.to_string())?,
    })
}
