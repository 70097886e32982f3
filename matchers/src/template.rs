//! Values with `{{ fields }}` in them: names, hints and the labels that a rule adds.
//!
//! The language is minijinja's, of which only expressions are allowed: `{{ identifier | lower }}`,
//! `{{ tags.team | default("none") }}`, `{{ "a" if labels.env == "prod" else "b" }}`. A field that a database
//! lacks is an error and never an empty text. Length of the source, work and output are bounded.
//!
//! A template only ever makes a value. What a tag holds is not read as a template.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior,
    value::{Enumerator, Object, Value},
};
use muster_model::{Database, Labels, fact};

/// The fields of a template. `labels`, `tags` and `facts` are maps: `labels["endpoint-type"]`.
pub const FIELDS: &[&str] = &[
    "account",
    "base_name",
    "engine",
    "engine_version",
    "facts",
    "identifier",
    "kind",
    "labels",
    "protocol",
    "provider",
    "region",
    "role",
    "tags",
];

/// The facts that a scanner may know.
const FACTS: &[&str] = &[
    fact::CA,
    fact::CREATED,
    fact::DESCRIPTION,
    fact::ENTRA_AUTH,
    fact::IAM_AUTH,
    fact::MODE,
    fact::PUBLIC,
    fact::RESOURCE_GROUP,
    fact::RESOURCE_ID,
    fact::TLS,
    fact::USER_GROUPS,
    fact::VPC,
];

/// The longest template, in bytes.
const MAX_SOURCE: usize = 1024;

/// The longest text that a template may make, in bytes.
pub(crate) const MAX_OUTPUT: usize = 1024;

/// How many instructions one evaluation may take.
const FUEL: u64 = 10_000;

/// What all templates of a chain are compiled into.
#[derive(Clone, Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
    count: usize,
}

/// One template.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    text: String,
    /// Its name among the compiled ones, and the fields it may look at; none when it is plain text.
    compiled: Option<(String, BTreeSet<&'static str>)>,
}

/// Why a template is none, with a hint.
pub(crate) struct BadTemplate {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

// === impl Templates ===

impl Templates {
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(32);
        Self {
            environment,
            count: 0,
        }
    }

    /// Compiles a template and tries it; the second value is what looks wrong and may not be.
    pub(crate) fn add(&mut self, text: &str) -> Result<(Template, Vec<String>), BadTemplate> {
        let bad = |message: String, hint: Option<&str>| BadTemplate {
            message,
            hint: hint.map(str::to_owned),
        };
        if text.len() > MAX_SOURCE {
            return Err(bad(
                format!("the template is longer than {MAX_SOURCE} bytes"),
                None,
            ));
        }
        if text.contains("{%") {
            let hint = "write a condition as `{{ A if CONDITION else B }}`";
            return Err(bad(
                "a template has expressions only, no `{% … %}`".to_owned(),
                Some(hint),
            ));
        }
        if !text.contains("{{") && !text.contains("{#") {
            return Ok((
                Template {
                    text: text.to_owned(),
                    compiled: None,
                },
                Vec::new(),
            ));
        }
        let name = self.count.to_string();
        self.environment
            .add_template_owned(name.clone(), text.to_owned())
            .map_err(|error| bad(format!("it is not a template: {}", describe(&error)), None))?;
        self.count += 1;
        let used = match self.environment.get_template(&name) {
            Ok(template) => template.undeclared_variables(false),
            Err(error) => return Err(bad(describe(&error), None)),
        };
        let unknown: BTreeSet<&String> = used
            .iter()
            .filter(|field| !FIELDS.contains(&field.as_str()))
            .collect();
        if let Some(unknown) = unknown.first() {
            let hint = format!(
                "fields are {}; a key with other letters is written `labels[\"endpoint-type\"]`",
                FIELDS.join(", ")
            );
            return Err(bad(format!("unknown field `{unknown}`"), Some(&hint)));
        }
        let fields = FIELDS
            .iter()
            .copied()
            .filter(|field| used.contains(*field))
            .collect();
        let template = Template {
            text: text.to_owned(),
            compiled: Some((name, fields)),
        };
        let warnings = self.rehearse(&template)?;
        Ok((template, warnings))
    }

    /// Evaluates once with every field there and once with none: what is wrong then is wrong always.
    fn rehearse(&self, template: &Template) -> Result<Vec<String>, BadTemplate> {
        let mut warnings = Vec::new();
        for with_fields in [true, false] {
            let seen = Arc::new(Lookups::default());
            let root = Root {
                fields: BTreeMap::new(),
                rehearsal: Some(with_fields),
                seen: Arc::clone(&seen),
            };
            if let Err(error) = self.evaluate(template, root) {
                let always = matches!(
                    error.kind(),
                    ErrorKind::UnknownFilter
                        | ErrorKind::UnknownTest
                        | ErrorKind::UnknownFunction
                        | ErrorKind::UnknownMethod
                        | ErrorKind::MissingArgument
                        | ErrorKind::TooManyArguments
                        | ErrorKind::OutOfFuel
                );
                if always {
                    return Err(BadTemplate {
                        message: describe(&error),
                        hint: None,
                    });
                }
            }
            for fact in seen.unknown_facts() {
                let warning = format!("there is no fact `{fact}`; there are: {}", FACTS.join(", "));
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        Ok(warnings)
    }

    /// The text that a template makes of a database and its labels; what is wrong, otherwise.
    pub(crate) fn render(
        &self,
        template: &Template,
        database: &Database,
        labels: &Labels,
    ) -> Result<String, String> {
        let Some((_, fields)) = &template.compiled else {
            return Ok(template.text.clone());
        };
        let seen = Arc::new(Lookups::default());
        let map = |field, values: BTreeMap<String, String>| {
            Value::from_object(Map {
                field,
                values,
                rehearsal: None,
                seen: Arc::clone(&seen),
            })
        };
        let text = |text: &str| (!text.is_empty()).then(|| Value::from(text));
        let value = |field: &'static str| match field {
            "account" => text(database.scope.account.as_str()),
            "base_name" => text(&database.base_name()),
            "engine" => text(&database.engine),
            "engine_version" => text(&database.engine_version),
            "facts" => Some(map(field, database.facts.clone())),
            "identifier" => text(&database.identifier),
            "kind" => text(database.kind.as_str()),
            "labels" => {
                let owned = labels
                    .values()
                    .map(|(key, value)| (key.to_owned(), value.to_owned()));
                Some(map(field, owned.collect()))
            }
            "protocol" => database
                .protocol
                .map(|protocol| Value::from(protocol.as_str())),
            "provider" => text(database.scope.provider.as_str()),
            "region" => text(&database.region),
            "role" => text(database.role.as_str()),
            "tags" => Some(map(field, database.tags.clone())),
            _ => None,
        };
        let fields = fields
            .iter()
            .filter_map(|field| Some((*field, value(field)?)))
            .collect();
        let root = Root {
            fields,
            rehearsal: None,
            seen: Arc::clone(&seen),
        };
        self.evaluate(template, root)
            .map_err(|error| match (error.kind(), seen.last_missed()) {
                (ErrorKind::UndefinedError, Some(field)) => {
                    format!("the database has no `{field}`")
                }
                (ErrorKind::WriteFailure, _) => {
                    format!("it makes a text of more than {MAX_OUTPUT} bytes")
                }
                _ => describe(&error),
            })
    }

    fn evaluate(&self, template: &Template, root: Root) -> Result<String, Error> {
        let Some((name, _)) = &template.compiled else {
            return Ok(template.text.clone());
        };
        let mut output = Bounded(Vec::new());
        self.environment
            .get_template(name)?
            .render_captured_to(Value::from_object(root), &mut output)?;
        String::from_utf8(output.0).map_err(|_| {
            Error::new(
                ErrorKind::InvalidOperation,
                "it makes a text that is not UTF-8",
            )
        })
    }
}

/// An error of the engine in one line, without the name that the template has there.
fn describe(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// The fields of one database.
#[derive(Debug)]
struct Root {
    fields: BTreeMap<&'static str, Value>,
    /// In a rehearsal: whether fields are there.
    rehearsal: Option<bool>,
    seen: Arc<Lookups>,
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let field = FIELDS.iter().copied().find(|field| *field == key)?;
        if let Some(value) = self.fields.get(field) {
            return Some(value.clone());
        }
        if let Some(there) = self.rehearsal {
            if matches!(field, "labels" | "tags" | "facts") {
                let (rehearsal, seen) = (Some(there), Arc::clone(&self.seen));
                return Some(Value::from_object(Map {
                    field,
                    values: BTreeMap::new(),
                    rehearsal,
                    seen,
                }));
            }
            return there.then(|| Value::from(SAMPLE));
        }
        self.seen.miss(field.to_owned());
        None
    }
}

/// What every field holds in a rehearsal.
const SAMPLE: &str = "sample";

/// `labels`, `tags` or `facts` of one database.
#[derive(Debug)]
struct Map {
    field: &'static str,
    values: BTreeMap<String, String>,
    rehearsal: Option<bool>,
    seen: Arc<Lookups>,
}

impl Object for Map {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        if let Some(there) = self.rehearsal {
            if self.field == "facts" && !FACTS.contains(&key) {
                self.seen.miss(key.to_owned());
            }
            return there.then(|| Value::from(SAMPLE));
        }
        let value = self.values.get(key);
        if value.is_none() {
            let plain = key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let field = self.field;
            self.seen.miss(if plain {
                format!("{field}.{key}")
            } else {
                format!("{field}[\"{key}\"]")
            });
        }
        value.map(|value| Value::from(value.as_str()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.values
                .keys()
                .map(|key| Value::from(key.as_str()))
                .collect(),
        )
    }
}

/// What was looked up in vain, so that an error can name it.
#[derive(Default)]
struct Lookups(Mutex<Vec<String>>);

impl Lookups {
    fn miss(&self, field: String) {
        const KEPT: usize = 64;
        let mut missed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if missed.len() == KEPT {
            missed.clear();
        }
        missed.push(field);
    }

    fn last_missed(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last()
            .cloned()
    }

    fn unknown_facts(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookups")
    }
}

/// A writer that takes [`MAX_OUTPUT`] bytes.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
