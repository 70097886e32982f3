//! [`Verdict`]: what is said of a database.

use std::borrow::Cow;

/// Keys and values that may borrow from the database, the matcher, or nothing.
pub(crate) type List<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What is said of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is to be enrolled.
    Enroll(Enroll<'a>),
    /// It is not, and why.
    Skip(Cow<'a, str>),
    /// No opinion: labels to be added to those so far, and the next step is asked.
    Pass(List<'a>),
    /// It cannot be said this time, and why: what it needs could not be read, or contradicts itself. What is enrolled
    /// stays as it is, and the steps after this one are not asked.
    Undecided(Cow<'a, str>),
}

/// How a database is to be enrolled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enroll<'a> {
    /// None: muster names it.
    pub name: Option<Cow<'a, str>>,
    /// To be added to the labels so far, or to replace them.
    pub labels: List<'a>,
    /// For whoever connects.
    pub hints: List<'a>,
    /// In one line.
    pub reason: Cow<'a, str>,
}

// === impl Verdict ===

impl<'a> Verdict<'a> {
    /// It is to be enrolled, and why.
    pub fn enroll(reason: impl Into<Cow<'a, str>>) -> Self {
        Self::Enroll(Enroll {
            reason: reason.into(),
            ..Enroll::default()
        })
    }

    /// It is not to be enrolled, and why.
    pub fn skip(reason: impl Into<Cow<'a, str>>) -> Self {
        Self::Skip(reason.into())
    }

    /// No opinion.
    pub fn pass() -> Self {
        Self::Pass(Vec::new())
    }

    /// It cannot be said this time, and why.
    pub fn undecided(why: impl Into<Cow<'a, str>>) -> Self {
        Self::Undecided(why.into())
    }

    /// With a label, in place of an earlier one with this key. Only what is enrolled or passed has
    /// labels: on other verdicts this changes nothing.
    #[must_use]
    pub fn label(mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        match &mut self {
            Self::Enroll(Enroll { labels, .. }) | Self::Pass(labels) => {
                set(labels, key.into(), value.into());
            }
            Self::Skip(_) | Self::Undecided(_) => {}
        }
        self
    }

    /// With some labels.
    #[must_use]
    pub fn labels<K: Into<Cow<'a, str>>, V: Into<Cow<'a, str>>>(
        self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        labels
            .into_iter()
            .fold(self, |verdict, (key, value)| verdict.label(key, value))
    }

    /// Under a name. Only what is enrolled has one.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'a, str>>) -> Self {
        if let Self::Enroll(enroll) = &mut self {
            enroll.name = Some(name.into());
        }
        self
    }

    /// With a hint for whoever connects. Only what is enrolled has any.
    #[must_use]
    pub fn hint(mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        if let Self::Enroll(enroll) = &mut self {
            set(&mut enroll.hints, key.into(), value.into());
        }
        self
    }
}

fn set<'a>(list: &mut List<'a>, key: Cow<'a, str>, value: Cow<'a, str>) {
    match list.iter_mut().find(|(there, _)| *there == key) {
        Some((_, there)) => *there = value,
        None => list.push((key, value)),
    }
}
