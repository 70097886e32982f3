//! The series of one family, in the order of their labels, so that two scrapes can be compared line by line.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        gauge::ConstGauge,
        histogram::Histogram,
    },
    registry::Registry,
};

use super::family::{Family, Kind};

/// The values of the labels of one series.
type Key<const N: usize> = [Cow<'static, str>; N];

/// The series of one family with `N` labels. Clones share them.
pub struct Series<const N: usize, M> {
    family: &'static Family,
    cells: Arc<Mutex<BTreeMap<Key<N>, M>>>,
}

/// What one series is made of.
pub trait Cell: EncodeMetric + fmt::Debug + Send + Sync + 'static {
    /// One at zero.
    fn zero(kind: Kind) -> Self;
}

impl<const N: usize, M: Cell> Series<N, M> {
    fn new(family: &'static Family) -> Self {
        let series = Self {
            family,
            cells: Arc::default(),
        };
        for row in family.known() {
            if let Ok(key) = <[&'static str; N]>::try_from(row) {
                series.with(key, |_| ());
            }
        }
        series
    }

    /// The series of a family, each that is known at zero, to be encoded with the others of `registry`.
    pub fn within(family: &'static Family, registry: &mut Registry) -> Self {
        let series = Self::new(family);
        // The encoder writes a counter's suffix, and a help text's full stop.
        let name = match family.kind {
            Kind::Counter => family.name.trim_end_matches("_total"),
            Kind::Gauge | Kind::Histogram(_) => family.name,
        };
        let cells = Arc::clone(&series.cells);
        registry.register(name, family.help, Self { family, cells });
        series
    }

    /// Does something with one series; it is made when it is not there.
    pub fn with<T>(&self, labels: [&'static str; N], act: impl FnOnce(&mut M) -> T) -> T {
        self.at(labels.map(Cow::Borrowed), act)
    }

    /// The same for labels of which one is not a word of the program.
    pub fn at<T>(&self, labels: Key<N>, act: impl FnOnce(&mut M) -> T) -> T {
        let mut cells = self.cells();
        let zero = || M::zero(self.family.kind);
        act(cells.entry(labels).or_insert_with(zero))
    }

    /// Leaves only the series for which this holds.
    pub fn retain(&self, keep: impl Fn(&Key<N>) -> bool) {
        self.cells().retain(|key, _| keep(key));
    }

    fn cells(&self) -> MutexGuard<'_, BTreeMap<Key<N>, M>> {
        // Numbers: whole after any panic.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const N: usize, M: Cell> EncodeMetric for Series<N, M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for (key, cell) in &*self.cells() {
            if N == 0 {
                return cell.encode(encoder);
            }
            let names = self.family.labels.iter().copied();
            let labels: Vec<(&str, &str)> = names.zip(key.iter().map(AsRef::as_ref)).collect();
            cell.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        match self.family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram(_) => MetricType::Histogram,
        }
    }

    fn is_empty(&self) -> bool {
        self.cells().is_empty()
    }
}

impl<const N: usize, M> fmt::Debug for Series<N, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Series").field(&self.family.name).finish()
    }
}

impl Cell for Counter {
    fn zero(_kind: Kind) -> Self {
        Self::default()
    }
}

impl Cell for Histogram {
    fn zero(kind: Kind) -> Self {
        let bounds = match kind {
            Kind::Histogram(bounds) => bounds,
            Kind::Counter | Kind::Gauge => &[],
        };
        Self::new(bounds.iter().copied())
    }
}

impl Cell for ConstGauge<i64> {
    fn zero(_kind: Kind) -> Self {
        Self::new(0)
    }
}

impl Cell for ConstCounter<u64> {
    fn zero(_kind: Kind) -> Self {
        Self::new(0)
    }
}

impl Cell for ConstCounter<f64> {
    fn zero(_kind: Kind) -> Self {
        Self::new(0.0)
    }
}
