//! A plugin tried in the place of another one: what is loaded already, with one file more. Nothing of it comes into
//! force.

use std::path::{Path, PathBuf};

use muster_matchers::Matcher;

use super::{Loaded, Loader, Plugins, Trusted, load::Asking};
use crate::config::{Config, Problem};

/// A plugin that is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The rule whose plugin it is tried as; none for each that asks one of its name.
    pub rule: Option<String>,
    /// Its file.
    pub file: PathBuf,
}

/// In whose place it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The rule that asks it.
    pub rule: String,
    /// What it calls itself, and its version.
    pub name: String,
    /// The same of the one in whose place it is.
    pub before: String,
    /// The file of that one.
    pub place: PathBuf,
}

impl Trial {
    /// `FILE`, or `RULE=FILE`.
    pub fn parse(text: &str) -> Self {
        let whole = Path::new(text);
        match text.split_once('=') {
            Some((rule, file)) if !whole.exists() => Self {
                rule: Some(rule.to_owned()),
                file: file.into(),
            },
            _ => Self {
                rule: None,
                file: whole.to_owned(),
            },
        }
    }
}

impl Loader {
    /// The same plugins, with this one in the place of another, and with the settings that its rule has for that one.
    /// Whoever names a file to try it wants it run: it needs no pin and no signature.
    ///
    /// # Errors
    /// Everything that stands against it, in lines.
    pub fn trying(
        &self,
        plugins: &Plugins,
        trial: &Trial,
        config: &Config,
        store: &Path,
    ) -> Result<(Plugins, Vec<Replaced>), Vec<String>> {
        let lines = |problems: Vec<Problem>| -> Vec<String> {
            problems.iter().map(Problem::to_string).collect()
        };
        let component = self
            .component(config, store, &trial.file)
            .map_err(|problem| lines(vec![problem]))?;
        let name = component.name().to_owned();
        let places = places(plugins, trial, &name)?;
        let (mut tried, mut replaced, mut problems) = (plugins.clone(), Vec::new(), Vec::new());
        for place in places {
            let Some(before) = plugins.loaded.get(place) else {
                continue;
            };
            let rules = config.rules.iter().flatten().zip(0_usize..);
            let rule = rules.map(|(rule, index)| (&rule.name, rule.plugin.as_ref(), index));
            let Some((rule, Some(plugin), index)) =
                rule.into_iter().find(|(rule, ..)| **rule == before.rule)
            else {
                continue;
            };
            let asking = Asking {
                rule,
                plugin,
                path: format!("rules[{index}].plugin"),
            };
            match component.configured(&asking, &trial.file, Trusted::Unsigned) {
                Ok(loaded) => {
                    replaced.push(Replaced {
                        rule: loaded.rule.clone(),
                        name: called(&loaded),
                        before: called(before),
                        place: before.path.clone(),
                    });
                    if let Some(place) = tried.loaded.get_mut(place) {
                        *place = std::sync::Arc::new(loaded);
                    }
                }
                Err(refused) => problems.extend(refused),
            }
        }
        if problems.is_empty() {
            Ok((tried, replaced))
        } else {
            Err(lines(problems))
        }
    }
}

fn called(loaded: &Loaded) -> String {
    format!("{} {}", loaded.matcher.name(), loaded.matcher.version())
}

/// Which of the plugins it is to replace.
fn places(plugins: &Plugins, trial: &Trial, name: &str) -> Result<Vec<usize>, Vec<String>> {
    let all = || plugins.loaded.iter().enumerate();
    let shown = trial.file.display();
    let asks = || -> String {
        let each = plugins.loaded.iter().map(|it| {
            let (rule, name) = (&it.rule, it.matcher.name());
            format!("rule {rule:?} asks `{name}`")
        });
        let each: Vec<String> = each.collect();
        match each.as_slice() {
            [] => "no rule of the configuration asks a plugin".to_owned(),
            each => each.join(", "),
        }
    };
    let Some(rule) = &trial.rule else {
        let places: Vec<usize> = all()
            .filter(|(_, it)| it.matcher.name() == name)
            .map(|(place, _)| place)
            .collect();
        return match places.is_empty() {
            false => Ok(places),
            true => Err(vec![
                format!(
                    "{shown} calls itself `{name}`, and no rule asks a plugin of that name: {}",
                    asks()
                ),
                "name the rule: `--matcher RULE=FILE`".to_owned(),
            ]),
        };
    };
    let of_rule: Vec<(usize, bool)> = all()
        .filter(|(_, it)| it.rule == *rule)
        .map(|(place, it)| (place, it.matcher.name() == name))
        .collect();
    match of_rule.as_slice() {
        [] => Err(vec![format!("no rule {rule:?} asks a plugin: {}", asks())]),
        [(only, _)] => Ok(vec![*only]),
        several => {
            let same: Vec<usize> = several
                .iter()
                .filter(|(_, same)| *same)
                .map(|(place, _)| *place)
                .collect();
            match same.is_empty() {
                false => Ok(same),
                true => Err(vec![format!(
                    "rule {rule:?} asks {} plugins, and {shown} calls itself as none of them: `{name}`",
                    several.len()
                )]),
            }
        }
    }
}
