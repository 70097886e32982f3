//! [`LabelOps`]: what a rule does to labels. First rename, then map, then drop, then add.
//!
//! The order is that of a clean-up: keys become what they should be, then values, then what is not wanted
//! goes, and last comes what the operator says himself, which nothing of the tags can undo.

use std::collections::BTreeMap;

use muster_model::{
    Database, Label, Labels, Origin,
    selector::{MAX_KEY_LEN, Pattern, Shown},
};

use crate::{
    file::{LabelsFile, MAX_ENTRIES},
    problem::Problem,
    template::{Template, Templates},
};

/// Changes to labels, checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelOps {
    rename: BTreeMap<String, String>,
    map: BTreeMap<String, ValueMap>,
    drop: Vec<Pattern>,
    add: BTreeMap<String, Template>,
}

/// Old values to new ones.
#[derive(Clone, Debug, Default)]
struct ValueMap {
    exact: BTreeMap<String, String>,
    patterns: Vec<(Pattern, String)>,
}

impl LabelOps {
    /// Checks what a rule says; `path` is where it says it.
    pub(crate) fn compile(
        file: &LabelsFile,
        path: &str,
        templates: &mut Templates,
        problems: &mut Vec<Problem>,
    ) -> Self {
        if *file == LabelsFile::default() {
            problems.push(
                Problem::error(path, "it changes nothing")
                    .hint("give `rename`, `map`, `drop` or `add`, or leave it out"),
            );
        }
        for (old, new) in &file.rename {
            let at = format!("{path}.rename.{old}");
            check_key(old, &at, problems);
            check_key(new, &at, problems);
            if file.rename.contains_key(new) {
                problems.push(
                    Problem::error(
                        at,
                        format!(
                            "`{new}` is renamed itself, so the result would depend on the order"
                        ),
                    )
                    .hint("make two rules of it"),
                );
            }
        }
        Self {
            rename: file.rename.clone(),
            map: compile_map(&file.map, path, problems),
            drop: compile_drop(&file.drop, path, problems),
            add: compile_add(&file.add, path, templates, problems),
        }
    }

    /// Whether it may change the label `key`.
    pub(crate) fn touches(&self, key: &str) -> bool {
        self.rename
            .iter()
            .any(|(old, new)| old == key || new == key)
            || self.map.contains_key(key)
            || self.add.contains_key(key)
            || self.drop.iter().any(|pattern| pattern.matches(key))
    }

    /// Changes the labels of a database for the matcher `who`, and says what it did. An error (a template's field is
    /// missing) leaves the labels half changed.
    pub(crate) fn apply(
        &self,
        labels: &mut Labels,
        database: &Database,
        templates: &Templates,
        who: &str,
        mut say: impl FnMut(String),
    ) -> Result<(), String> {
        for (old, new) in &self.rename {
            if labels.label(new).is_some() {
                if labels.label(old).is_some() {
                    say(format!("`{old}` not renamed: `{new}` is already there"));
                }
            } else if let Some(label) = labels.remove(old) {
                say(format!(
                    "`{new}` is `{}`, renamed from `{old}` ({})",
                    Shown(&label.value),
                    origin(&label)
                ));
                set(labels, new, label.value, who)?;
            }
        }
        for (key, values) in &self.map {
            if let Some((label, new)) = labels
                .label(key)
                .and_then(|label| Some((label, values.get(&label.value)?)))
            {
                say(format!(
                    "`{key}` is `{}`, mapped from `{}` ({})",
                    Shown(new),
                    Shown(&label.value),
                    origin(label)
                ));
                set(labels, key, new.to_owned(), who)?;
            }
        }
        if !self.drop.is_empty() {
            let unwanted =
                |key: &str| !Labels::is_reserved(key) && self.drop.iter().any(|it| it.matches(key));
            let unwanted: Vec<String> = labels
                .iter()
                .map(|(key, _)| key)
                .filter(|key| unwanted(key))
                .map(str::to_owned)
                .collect();
            for key in unwanted {
                if let Some(label) = labels.remove(&key) {
                    say(format!(
                        "`{}` dropped, was `{}` ({})",
                        Shown(&key),
                        Shown(&label.value),
                        origin(&label)
                    ));
                }
            }
        }
        self.add(labels, database, templates, who, say)
    }

    fn add(
        &self,
        labels: &mut Labels,
        database: &Database,
        templates: &Templates,
        who: &str,
        mut say: impl FnMut(String),
    ) -> Result<(), String> {
        // All of them before any is set: no added label depends on another one.
        let mut values = Vec::with_capacity(self.add.len());
        for (key, template) in &self.add {
            let value = templates.render(template, database, labels);
            values.push((
                key,
                value.map_err(|why| format!("labels.add.{key}: {why}"))?,
            ));
        }
        for (key, value) in values {
            say(change(labels, key, &value));
            set(labels, key, value, who)?;
        }
        Ok(())
    }
}

impl ValueMap {
    fn get(&self, value: &str) -> Option<&str> {
        self.exact
            .get(value)
            .or_else(|| {
                self.patterns
                    .iter()
                    .find(|(pattern, _)| pattern.matches(value))
                    .map(|(_, new)| new)
            })
            .map(String::as_str)
    }
}

fn set(labels: &mut Labels, key: &str, value: String, who: &str) -> Result<(), String> {
    if labels.set(key, value, who) {
        Ok(())
    } else {
        Err(format!("label `{key}` is muster's own"))
    }
}

fn compile_map(
    file: &BTreeMap<String, BTreeMap<String, String>>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, ValueMap> {
    let mut maps = BTreeMap::new();
    for (key, values) in file {
        check_key(key, &format!("{path}.map.{key}"), problems);
        let mut map = ValueMap::default();
        for (old, new) in values {
            match Pattern::parse(old) {
                Ok(pattern) if pattern.is_literal() => {
                    map.exact.insert(old.clone(), new.clone());
                }
                Ok(pattern) => map.patterns.push((pattern, new.clone())),
                Err(problem) => problems.push(Problem::error(
                    format!("{path}.map.{key}"),
                    problem.to_string(),
                )),
            }
        }
        maps.insert(key.clone(), map);
    }
    maps
}

fn compile_drop(file: &[String], path: &str, problems: &mut Vec<Problem>) -> Vec<Pattern> {
    if file.len() > MAX_ENTRIES {
        problems.push(Problem::error(
            format!("{path}.drop"),
            format!("more than {MAX_ENTRIES} entries"),
        ));
        return Vec::new();
    }
    let mut patterns = Vec::new();
    for (index, text) in file.iter().enumerate() {
        let at = format!("{path}.drop[{index}]");
        match Pattern::parse(text) {
            Ok(pattern) => {
                if pattern.is_literal() {
                    check_key(text, &at, problems);
                }
                patterns.push(pattern);
            }
            Err(problem) => problems.push(Problem::error(at, problem.to_string())),
        }
    }
    patterns
}

fn compile_add(
    file: &BTreeMap<String, String>,
    path: &str,
    templates: &mut Templates,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Template> {
    let mut add = BTreeMap::new();
    for (key, text) in file {
        let at = format!("{path}.add.{key}");
        check_key(key, &at, problems);
        if let Some(template) = compile_template(text, &at, templates, problems) {
            add.insert(key.clone(), template);
        }
    }
    add
}

/// Compiles a template, and reports what is wrong with it.
pub(crate) fn compile_template(
    text: &str,
    path: &str,
    templates: &mut Templates,
    problems: &mut Vec<Problem>,
) -> Option<Template> {
    match templates.add(text) {
        Ok((template, warnings)) => {
            problems.extend(
                warnings
                    .into_iter()
                    .map(|warning| Problem::warning(path, warning)),
            );
            Some(template)
        }
        Err(bad) => {
            problems.push(Problem {
                hint: bad.hint,
                ..Problem::error(path, bad.message)
            });
            None
        }
    }
}

/// Whether a rule may write a key.
fn check_key(key: &str, path: &str, problems: &mut Vec<Problem>) {
    if key.is_empty()
        || key.len() > MAX_KEY_LEN
        || key.trim() != key
        || key.chars().any(char::is_control)
    {
        problems.push(Problem::error(
            path,
            format!(
                "`{}` cannot be a label's key: 1 to {MAX_KEY_LEN} bytes, no white space around it",
                Shown(key)
            ),
        ));
    } else if Labels::is_reserved(key) {
        problems.push(
            Problem::error(
                path,
                format!("label `{key}` is muster's own and cannot be changed"),
            )
            .hint(format!(
                "copy it into a label of yours: `add: {{my-{0}: \"{{{{ labels['{0}'] }}}}\"}}`",
                key
            )),
        );
    }
}

/// What becomes of a label that is set, for the trace.
pub(crate) fn change(labels: &Labels, key: &str, value: &str) -> String {
    match labels.label(key) {
        Some(old) => format!(
            "`{}` is `{}`, was `{}` ({})",
            Shown(key),
            Shown(value),
            Shown(&old.value),
            origin(old)
        ),
        None => format!("`{}` is `{}`, added", Shown(key), Shown(value)),
    }
}

/// Where a label came from, for the trace.
fn origin(label: &Label) -> &str {
    match &label.origin {
        Origin::Derived => "derived",
        Origin::Tag => "tag",
        Origin::Matcher(who) => who,
    }
}
