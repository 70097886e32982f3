//! [`LabelRules`]: which targets a side of a role is about.

use muster_model::{
    Labels, Selector, SelectorError,
    selector::{Pattern, PatternError},
};

use crate::{
    template::{Template, TemplateError},
    user::Traits,
};

/// A selector over labels, some of whose values may be templates. By itself it matches nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelRules {
    /// The keys without templates.
    fixed: Option<Selector>,
    /// The keys of which some value is a template. All have to hold, too.
    filled: Vec<Filled>,
}

/// What is asked of one key: any of these values.
#[derive(Clone, Debug, PartialEq)]
struct Filled {
    key: String,
    patterns: Vec<Pattern>,
    templates: Vec<Template>,
}

/// Why labels of a role cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// As in any selector.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// A template.
    #[error("key `{key}`: {problem}")]
    Template {
        /// The key.
        key: String,
        /// What is wrong.
        problem: TemplateError,
    },
    /// A pattern beside a template.
    #[error("key `{key}`: {problem}")]
    Pattern {
        /// The key.
        key: String,
        /// What is wrong.
        problem: PatternError,
    },
}

impl LabelRules {
    /// No target.
    pub fn none() -> Self {
        Self::default()
    }

    /// Every target.
    pub fn all() -> Self {
        Selector::all().into()
    }

    /// Asks, of each key, for any of some values, which may be templates.
    ///
    /// # Errors
    /// When a value, or the whole, cannot be understood.
    pub fn with_templates<'t>(
        fixed: Option<Selector>,
        keys: impl IntoIterator<Item = (String, Vec<&'t str>)>,
    ) -> Result<Self, LabelError> {
        let mut filled = Vec::new();
        for (key, values) in keys {
            let mut entry = Filled {
                key,
                patterns: Vec::new(),
                templates: Vec::new(),
            };
            for value in values {
                let key = || entry.key.clone();
                if Template::is_one(value) {
                    let template =
                        Template::parse(value).map_err(|problem| LabelError::Template {
                            key: key(),
                            problem,
                        })?;
                    entry.templates.push(template);
                } else {
                    let pattern = Pattern::parse(value).map_err(|problem| LabelError::Pattern {
                        key: key(),
                        problem,
                    })?;
                    entry.patterns.push(pattern);
                }
            }
            filled.push(entry);
        }
        Ok(Self { fixed, filled })
    }

    /// Whether it can match nothing at all.
    pub fn is_none(&self) -> bool {
        self.fixed.is_none() && self.filled.is_empty()
    }

    /// Whether it matches every target.
    pub fn is_all(&self) -> bool {
        self.filled.is_empty() && self.fixed.as_ref().is_some_and(Selector::is_all)
    }

    /// The part without templates.
    pub fn selector(&self) -> Option<&Selector> {
        self.fixed.as_ref()
    }

    /// The keys of which some value is a template, with their values as written.
    pub fn filled(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.filled.iter().map(|entry| {
            let patterns = entry.patterns.iter().map(Pattern::as_str);
            let templates = entry.templates.iter().map(Template::as_str);
            (entry.key.as_str(), patterns.chain(templates).collect())
        })
    }

    /// Whether the labels are as it says, for somebody with these traits.
    ///
    /// A value of a trait counts as if it stood in the role: it may be `*` or a pattern. One that is no pattern although
    /// it looks like one matches nothing; what denies asks [`is_match_or_broken`](Self::is_match_or_broken) instead.
    pub fn is_match(&self, labels: &Labels, traits: &Traits) -> bool {
        self.judge(labels, traits, false)
    }

    /// As [`is_match`](Self::is_match), but a value of a trait that cannot be understood matches everything.
    pub fn is_match_or_broken(&self, labels: &Labels, traits: &Traits) -> bool {
        self.judge(labels, traits, true)
    }

    fn judge(&self, labels: &Labels, traits: &Traits, broken: bool) -> bool {
        !self.is_none()
            && self
                .fixed
                .as_ref()
                .is_none_or(|fixed| fixed.is_match(|key| labels.value(key)))
            && self
                .filled
                .iter()
                .all(|entry| entry.is_match(labels, traits, broken))
    }

    /// Why the labels are not as it says, for somebody with these traits; none when they are.
    pub fn mismatch(&self, labels: &Labels, traits: &Traits) -> Option<String> {
        if self.is_none() {
            return Some("it names no labels".to_owned());
        }
        let mut reasons = Vec::new();
        if let Some(Err(mismatch)) = self
            .fixed
            .as_ref()
            .map(|fixed| fixed.matches(|key| labels.value(key)))
        {
            reasons.push(mismatch.to_string());
        }
        for entry in &self.filled {
            if !entry.is_match(labels, traits, false) {
                reasons.push(entry.reason(labels, traits));
            }
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        self.filled.iter().flat_map(|entry| entry.templates.iter())
    }
}

impl From<Selector> for LabelRules {
    fn from(selector: Selector) -> Self {
        Self {
            fixed: Some(selector),
            filled: Vec::new(),
        }
    }
}

impl std::fmt::Display for LabelRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_none() {
            return f.write_str("nothing");
        }
        let mut between = "";
        if let Some(fixed) = &self.fixed {
            write!(f, "{fixed}")?;
            between = ", ";
        }
        for (key, values) in self.filled() {
            write!(f, "{between}{key} in {}", values.join(", "))?;
            between = ", ";
        }
        Ok(())
    }
}

impl Filled {
    fn is_match(&self, labels: &Labels, traits: &Traits, broken: bool) -> bool {
        let Some(value) = labels.value(&self.key) else {
            return false;
        };
        self.patterns.iter().any(|pattern| pattern.matches(value))
            || self.templates.iter().any(|template| {
                template.any(traits, |text| {
                    (text == value && !text.starts_with('^'))
                        || Pattern::parse(text).map_or(broken, |pattern| pattern.matches(value))
                })
            })
    }

    fn reason(&self, labels: &Labels, traits: &Traits) -> String {
        let key = &self.key;
        let Some(value) = labels.value(key) else {
            return format!("no `{key}`");
        };
        let values: Vec<String> = self
            .templates
            .iter()
            .flat_map(|template| template.values(traits))
            .chain(self.patterns.iter().map(|pattern| pattern.to_string()))
            .collect();
        if values.is_empty() {
            let traits: Vec<&str> = self.templates.iter().map(Template::reads).collect();
            return format!(
                "{key} is `{value}`, and the trait `{}` is empty",
                traits.join("`, `")
            );
        }
        format!("{key} is `{value}`, not {}", values.join(" or "))
    }
}
