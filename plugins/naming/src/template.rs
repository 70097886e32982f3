//! [`Template`]: `{name}-{label:env|none}-{region}`.

use muster_plugin::{Database, text};

pub(crate) struct Template(Vec<Part>);

enum Part {
    Text(String),
    Field {
        field: Field,
        /// What stands for it where it is not there.
        default: Option<String>,
    },
}

enum Field {
    Plain(&'static str),
    Label(String),
    Tag([String; 1]),
    Fact(String),
}

const PLAIN: &[&str] = &[
    "name", "provider", "kind", "protocol", "engine", "account", "region", "role",
];

// === impl Template ===

impl Template {
    /// What is wrong with it otherwise, for whoever wrote it.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((before, after)) = rest.split_once('{') {
            parts.push(Part::text(before)?);
            let (field, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{{{after}` has no end"))?;
            parts.push(Part::field(field)?);
            rest = after;
        }
        parts.push(Part::text(rest)?);
        if !parts.iter().any(|part| matches!(part, Part::Field { .. })) {
            return Err("has no field: all databases would have one name".to_owned());
        }
        Ok(Self(parts))
    }

    /// A name of small ASCII letters, digits and single hyphens, or what is missing for it.
    pub(crate) fn fill(&self, database: Database<'_>) -> Result<String, String> {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Field { field, default } => {
                    let value = field
                        .value(database)
                        .filter(|value| !value.trim().is_empty());
                    match value.or(default.as_deref()) {
                        Some(value) => name.push_str(&text::slug(value)),
                        None => return Err(format!("it has no {}", field.shown())),
                    }
                }
            }
        }
        // Names are typed, and go where letters of other scripts do not. What was left out may leave hyphens side by side.
        let name = name.replace(|c: char| !c.is_ascii(), "-");
        let name = text::slug(&name).into_owned();
        if name.is_empty() {
            Err("nothing is left of its name".to_owned())
        } else {
            Ok(name)
        }
    }
}

// === impl Part ===

impl Part {
    fn text(text: &str) -> Result<Self, String> {
        let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match text.chars().find(|c| !fit(*c)) {
            None => Ok(Self::Text(text.to_owned())),
            Some(c) => Err(format!(
                "`{c}` cannot be in a name: small letters, digits and hyphens"
            )),
        }
    }

    fn field(written: &str) -> Result<Self, String> {
        let (field, default) = match written.split_once('|') {
            Some((field, default)) => (field, Some(default.to_owned())),
            None => (written, None),
        };
        let field = match field.split_once(':') {
            Some((_, "")) => return Err(format!("`{{{written}}}` names no key")),
            Some(("label", key)) => Field::Label(key.to_owned()),
            Some(("tag", key)) => Field::Tag([key.to_owned()]),
            Some(("fact", key)) => Field::Fact(key.to_owned()),
            _ => match PLAIN.iter().find(|plain| **plain == field) {
                Some(plain) => Field::Plain(plain),
                None => {
                    return Err(format!(
                        "`{{{written}}}` is none of {}, label:KEY, tag:KEY, fact:KEY",
                        PLAIN.join(", ")
                    ));
                }
            },
        };
        Ok(Self::Field { field, default })
    }
}

// === impl Field ===

impl Field {
    fn value<'a>(&self, database: Database<'a>) -> Option<&'a str> {
        match self {
            Self::Plain(field) => Some(match *field {
                "name" => database.name(),
                "provider" => database.provider(),
                "kind" => database.kind(),
                "protocol" => database.protocol(),
                "engine" => database.engine(),
                "account" => database.account(),
                "region" => database.region(),
                _ => database.role(),
            }),
            Self::Label(key) => database.label(key),
            Self::Tag(key) => database.tags().first(key).map(|(_, value)| value),
            Self::Fact(key) => database.fact(key),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Plain(field) => (*field).to_owned(),
            Self::Label(key) => format!("label `{key}`"),
            Self::Tag([key]) => format!("tag `{key}`"),
            Self::Fact(key) => format!("fact `{key}`"),
        }
    }
}
