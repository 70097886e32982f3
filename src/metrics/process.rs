//! What the process uses, as Linux tells of it in `/proc`. Elsewhere, and when there is no file descriptor left to
//! read it with, what is not known is left out.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// What the process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    /// Seconds of processor time.
    pub cpu: Option<f64>,
    /// Bytes in RAM.
    pub resident: Option<u64>,
    /// Bytes of address space.
    pub size: Option<u64>,
    /// Open file descriptors.
    pub open: Option<u64>,
    /// How many may be open.
    pub most: Option<u64>,
}

/// The unit of times in `/proc`: hundredths of a second on every architecture that Rust's standard library is
/// built for (`USER_HZ`).
const TICKS: f64 = 100.0;

impl Process {
    /// What it uses now.
    pub(super) fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        Self {
            cpu: cpu(&stat),
            resident: kilobytes(&status, "VmRSS:"),
            size: kilobytes(&status, "VmSize:"),
            // Without the one that the listing itself holds open.
            open: fs::read_dir("/proc/self/fd").ok().map(|all| {
                u64::try_from(all.count())
                    .unwrap_or(u64::MAX)
                    .saturating_sub(1)
            }),
            most: getrlimit(Resource::Nofile).current,
        }
    }
}

/// User and system time of `/proc/self/stat`. The second field is the program's name, which may hold anything.
fn cpu(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

fn kilobytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(number.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let stat = "12 (a) b) c) S 1 12 12 0 -1 4194560 900 0 3 0 1234 66 0 0 20 0 3 0 555 1 2";
        assert_eq!(cpu(stat), Some(13.0));
        let status = "Name:\tmuster\nVmSize:\t  2048 kB\nVmRSS:\t   100 kB\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(102_400));
        assert_eq!(kilobytes(status, "VmSize:"), Some(2_097_152));
    }

    #[test]
    fn says_nothing_of_what_it_cannot_read() {
        for broken in [
            "",
            "1 (a",
            "1 (a) S 1 2",
            "1 (a) S 1 1 1 0 -1 0 0 0 0 0 x y",
        ] {
            assert_eq!(cpu(broken), None, "{broken}");
        }
        assert_eq!(kilobytes("VmRSS: many kB", "VmRSS:"), None);
        assert_eq!(kilobytes("", "VmRSS:"), None);
    }

    #[test]
    fn sees_a_file_descriptor_that_is_opened() {
        let process = Process::read();
        let before = process.open.unwrap();
        let held: Vec<_> = (0..50)
            .map(|_| fs::File::open("/dev/null").unwrap())
            .collect();
        // Other tests of this process open and close some of their own.
        assert!(Process::read().open.unwrap() > before, "{before}");
        drop(held);
        assert!(process.resident.unwrap() > 1_000_000);
        assert!(process.size.unwrap() >= process.resident.unwrap());
    }
}
