//! What can be said of selectors without any database: for warnings about rules that can never match.
//!
//! Every answer errs on one side: a `true` or `Some` is certain, a `false` or `None` is not.

use super::{Pattern, Requirement, Selector};

impl Selector {
    /// Whether a database whose label `key` has this value could match. False is certain.
    pub fn can_match_value(&self, key: &str, value: &str) -> bool {
        self.requirement(key)
            .is_none_or(|requirement| requirement.check(Some(value)).is_ok())
    }

    /// Whether a database without the label `key` could match. False is certain.
    pub fn can_match_absent(&self, key: &str) -> bool {
        self.requirement(key)
            .is_none_or(|requirement| requirement.check(None).is_ok())
    }

    /// Whether it matches every database that `other` matches. True is certain.
    pub fn covers(&self, other: &Self) -> bool {
        self.requirements.iter().all(|ours| {
            let nothing_asked = Requirement {
                key: ours.key.clone(),
                any_of: Vec::new(),
                none_of: Vec::new(),
                exists: None,
            };
            ours.follows_from(other.requirement(&ours.key).unwrap_or(&nothing_asked))
        })
    }

    /// The key on which no database can satisfy both, if there is one.
    pub fn conflict<'a>(&'a self, other: &Self) -> Option<&'a str> {
        self.requirements
            .iter()
            .find(|ours| {
                other
                    .requirement(&ours.key)
                    .is_some_and(|theirs| ours.is_disjoint(theirs))
            })
            .map(|ours| ours.key.as_str())
    }

    /// Why it can never match anything, if that is certain: `owner` must not exist and must be one of some.
    pub fn contradiction(&self) -> Option<String> {
        self.requirements
            .iter()
            .find_map(Requirement::contradiction)
    }
}

impl Requirement {
    /// Whether it holds wherever `given` holds.
    fn follows_from(&self, given: &Self) -> bool {
        if given.check(None).is_ok() && self.check(None).is_err() {
            return false;
        }
        if given.exists == Some(false) {
            return true;
        }
        let any = [ANY];
        let given_values: Vec<GivenValue<'_>> = if given.any_of.is_empty() {
            any.to_vec()
        } else {
            given.any_of.iter().map(GivenValue::of).collect()
        };
        given_values.into_iter().all(|value| match value {
            GivenValue::Literal(text) => {
                given.check(Some(text)).is_err() || self.check(Some(text)).is_ok()
            }
            GivenValue::Pattern(pattern) => self.holds_for(pattern, given),
        })
    }

    /// Whether it holds for every value that is as `pattern` says (none: any value) and that `given` does not
    /// exclude.
    fn holds_for(&self, pattern: Option<&Pattern>, given: &Self) -> bool {
        let covered_by = |wider: &Pattern| match pattern {
            Some(pattern) => wider.covers(pattern),
            None => wider.as_str().bytes().all(|byte| byte == b'*') && !wider.as_str().is_empty(),
        };
        if given.none_of.iter().any(covered_by) {
            return true;
        }
        self.exists != Some(false)
            && (self.any_of.is_empty() || self.any_of.iter().any(covered_by))
            && self.none_of.iter().all(|excluded| {
                given.none_of.iter().any(|already| already.covers(excluded))
                    || pattern.is_some_and(|pattern| {
                        excluded.is_literal() && !pattern.matches(excluded.as_str())
                    })
            })
    }

    /// Whether no value, nor absence, satisfies both. True is certain.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        if self.check(None).is_ok() && other.check(None).is_ok() {
            return false;
        }
        if self.exists == Some(false) || other.exists == Some(false) {
            return true;
        }
        let never_with = |one: &Self, two: &Self| {
            !one.any_of.is_empty()
                && one.any_of.iter().all(|pattern| {
                    pattern.is_literal() && {
                        let value = Some(pattern.as_str());
                        one.check(value).is_err() || two.check(value).is_err()
                    }
                })
        };
        never_with(self, other) || never_with(other, self)
    }

    fn contradiction(&self) -> Option<String> {
        let key = &self.key;
        if self.check(None).is_ok() {
            return None;
        }
        if self.exists == Some(false) {
            return Some(format!(
                "`{key}` must not exist, and yet have one of some values"
            ));
        }
        let excluded = |pattern: &Pattern| self.none_of.iter().any(|wider| wider.covers(pattern));
        if self.any_of.is_empty() {
            let everything = self
                .none_of
                .iter()
                .find(|pattern| pattern.covers_everything())?;
            return Some(format!(
                "`{key}` must exist, and `not` excludes every value (`{everything}`)"
            ));
        }
        self.any_of
            .iter()
            .all(excluded)
            .then(|| format!("`not` excludes every value that `{key}` may have"))
    }
}

impl Pattern {
    fn covers_everything(&self) -> bool {
        !self.as_str().is_empty() && self.as_str().bytes().all(|byte| byte == b'*')
    }
}

/// What a requirement lets a value be.
#[derive(Clone, Copy)]
enum GivenValue<'a> {
    Literal(&'a str),
    /// None: any value.
    Pattern(Option<&'a Pattern>),
}

const ANY: GivenValue<'static> = GivenValue::Pattern(None);

impl<'a> GivenValue<'a> {
    fn of(pattern: &'a Pattern) -> Self {
        if pattern.is_literal() {
            Self::Literal(pattern.as_str())
        } else {
            Self::Pattern(Some(pattern))
        }
    }
}
