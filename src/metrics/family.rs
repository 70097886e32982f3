//! What a metric is called, what it means, and which series it has: everything that is said of it, in one place.

/// One metric: the name, the type, the labels, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name, as it is queried.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// What it means: a sentence without its full stop.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Which values they have.
    pub values: Values,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows, from zero at the start.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many were how large, by these upper bounds.
    Histogram(&'static [f64]),
}

/// Which values the labels of a metric have.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// These, and each series is there from the start.
    Known(fn() -> Vec<Vec<&'static str>>),
    /// These at most: a series is there while there is something to say.
    Among(fn() -> Vec<Vec<&'static str>>),
    /// The first label is what the configuration names, such as a sink; the others have these values.
    Named {
        /// What the first label is.
        what: &'static str,
        /// The values of the others.
        others: fn() -> Vec<Vec<&'static str>>,
    },
}

impl Family {
    /// The values of the labels of every series that is there from the start.
    pub fn known(&self) -> Vec<Vec<&'static str>> {
        match self.values {
            Values::Known(rows) => rows(),
            Values::Among(_) | Values::Named { .. } => Vec::new(),
        }
    }

    /// The values that each label may have, in order; none for a label whose values the configuration names.
    pub fn by_label(&self) -> Vec<(&'static str, Option<Vec<&'static str>>)> {
        let (rows, named) = match self.values {
            Values::Known(rows) | Values::Among(rows) => (rows(), 0),
            Values::Named { others, .. } => (others(), 1),
        };
        let column = |index: usize| {
            let mut values: Vec<_> = rows
                .iter()
                .filter_map(|row| row.get(index))
                .copied()
                .collect();
            let mut seen = std::collections::BTreeSet::new();
            values.retain(|value| seen.insert(*value));
            values
        };
        let labels = self.labels.iter().enumerate();
        labels
            .map(|(index, label)| (*label, index.checked_sub(named).map(column)))
            .collect()
    }
}

impl Kind {
    /// `counter`, `gauge` or `histogram`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}
