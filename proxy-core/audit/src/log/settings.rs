//! How the log is kept.

use std::{path::PathBuf, time::Duration};

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it goes.
    pub sink: Sink,
    /// This muster's name, in every event.
    pub cluster_name: String,
    /// When the next file begins.
    pub rotate: Rotate,
    /// How many old files stay.
    pub keep: Keep,
    /// Bytes of a statement that are recorded, and of what is bound to one; from 256 to 1 MiB.
    pub max_statement: usize,
    /// Whether literals in statements are recorded as `?`, with a fingerprint, and bound values not at all.
    pub mask_literals: bool,
    /// Bytes that wait for the writer, for each [`Pen`](crate::Pen). At least 16 times `max_statement` is taken, so
    /// that the longest event fits.
    pub queue: usize,
    /// How often the file is brought to the disk (fdatasync) while there is something to bring.
    pub sync_every: Duration,
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sink {
    /// Into files of this directory, which is made when it is not there.
    File(PathBuf),
    /// To standard output; chained from zero at each start.
    Stdout,
}

/// When the next file begins: whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct Rotate {
    /// Bytes of a file.
    pub bytes: u64,
    /// Age of a file.
    pub every: Duration,
}

/// How many old files stay. What is over either is removed, and the log says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// The most files, with the one that is written.
    pub files: Option<usize>,
    /// The oldest that a file's last event may be.
    pub age: Option<Duration>,
}

impl Settings {
    /// A log in files of 256 MiB or a day, all of which stay; 64 KiB of a statement; brought to the disk every second.
    pub fn new(dir: impl Into<PathBuf>, cluster_name: impl Into<String>) -> Self {
        Self {
            sink: Sink::File(dir.into()),
            cluster_name: cluster_name.into(),
            rotate: Rotate {
                bytes: 256 << 20,
                every: Duration::from_secs(86_400),
            },
            keep: Keep::default(),
            max_statement: 64 << 10,
            mask_literals: false,
            queue: 1 << 20,
            sync_every: Duration::from_secs(1),
        }
    }
}
