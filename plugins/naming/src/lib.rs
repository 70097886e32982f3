//! A matcher that names databases by a template, with a suffix that keeps equal names apart.
//!
//! Each database is judged by itself, so nobody knows here which names are taken. The suffix is made from the database's
//! id, which never changes: the same database has the same name on every day and in every order.

#![allow(missing_docs)]

mod template;

use muster_plugin::{About, Database, Matcher, Problem, Verdict, text};
use serde::Deserialize;

use self::template::Template;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What names look like.
    template: String,
    /// How many letters the suffix has; 0 for none.
    suffix: usize,
    /// The longest name, in bytes. What is cut is the template's part, never the suffix.
    longest: usize,
    /// What is done where the template wants something that a database has not.
    missing: Missing,
    /// A label that the name without its suffix is put into, or none.
    short_name_label: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Missing {
    /// Nothing is decided, and it is reported.
    #[default]
    Undecided,
    /// It is not enrolled.
    Skip,
    /// The next step is asked, and muster names it.
    Pass,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            template: "{name}-{region}".to_owned(),
            suffix: 6,
            longest: 63,
            missing: Missing::default(),
            short_name_label: None,
        }
    }
}

pub struct Naming {
    template: Template,
    suffix: usize,
    longest: usize,
    missing: Missing,
    label: Option<String>,
}

/// Hardly any vowels, so that it seldom makes a word, and no `l`, which is taken for a 1.
const LETTERS: &[u8; 32] = b"0123456789bcdfghjkmnpqrstvwxyzae";
/// Sixty bits of the hash.
const MAX_SUFFIX: usize = 12;
/// What muster takes.
const MAX_NAME: usize = 255;

impl Matcher for Naming {
    const ABOUT: About =
        muster_plugin::about!().with_schema(include_str!("../settings.schema.json"));

    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let Settings {
            template,
            suffix,
            longest,
            missing,
            short_name_label: label,
        } = settings;
        let mut problems = Vec::new();
        if suffix > MAX_SUFFIX {
            problems.push(Problem::at("suffix", format!("is more than {MAX_SUFFIX}")));
        }
        if !(16..=MAX_NAME).contains(&longest) {
            problems.push(Problem::at("longest", format!("is not 16 to {MAX_NAME}")));
        }
        if label
            .as_deref()
            .is_some_and(|label| label.is_empty() || text::is_reserved(label))
        {
            problems.push(Problem::at("short_name_label", "is muster's own to write"));
        }
        match Template::parse(&template) {
            Ok(template) if problems.is_empty() => Ok(Self {
                template,
                suffix,
                longest,
                missing,
                label,
            }),
            Ok(_) => Err(problems),
            Err(why) => {
                problems.push(Problem::at("template", why));
                Err(problems)
            }
        }
    }

    fn judge<'a>(&'a self, database: Database<'a>) -> Verdict<'a> {
        let short = match self.template.fill(database) {
            Ok(short) => short,
            Err(why) => {
                return match self.missing {
                    Missing::Undecided => Verdict::undecided(why),
                    Missing::Skip => Verdict::skip(why),
                    Missing::Pass => Verdict::pass(),
                };
            }
        };
        let suffix = suffix(database.id(), self.suffix);
        let room = match suffix.len() {
            0 => self.longest,
            letters => self.longest - letters - 1,
        };
        let short = text::cut(&short, room).trim_end_matches('-').to_owned();
        let name = match suffix.as_str() {
            "" => short.clone(),
            suffix => format!("{short}-{suffix}"),
        };
        let verdict = Verdict::enroll("named by the template").name(name);
        match &self.label {
            Some(label) => verdict.label(label, short),
            None => verdict,
        }
    }
}

muster_plugin::export!(Naming);

/// So many letters of five bits each.
fn suffix(id: &str, letters: usize) -> String {
    let mut hash = mix(text::hash(id));
    let mut suffix = String::new();
    for _ in 0..letters {
        let letter = LETTERS.get((hash & 31) as usize).copied().unwrap_or(b'0');
        suffix.push(char::from(letter));
        hash >>= 5;
    }
    suffix
}

/// Spreads what differs over all bits (the end of MurmurHash3, 64 bits): the last letters of ids differ most, and the
/// low bits are what short suffixes are made from.
fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;
