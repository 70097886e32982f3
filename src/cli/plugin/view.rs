//! How plugins are shown: fields in a column, sizes and times as people say them.

use std::{
    io::{self, Write},
    time::Duration,
};

use crate::report::escape::shown;

/// The width of the column with the names of fields.
const FIELD: usize = 12;

/// A field and its value, on a line; nothing where there is none.
pub(super) fn line(out: &mut dyn Write, field: &str, value: &str) -> io::Result<()> {
    match value {
        "" => Ok(()),
        value => writeln!(out, "  {field:<FIELD$} {}", shown(value)),
    }
}

/// A size: `812 bytes`, `18.2 KiB`, `3.0 MiB`.
pub(super) fn size(bytes: usize) -> String {
    // Exact enough for a size that people read.
    #[allow(clippy::cast_precision_loss)]
    let of = |unit: usize| bytes as f64 / unit as f64;
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{:.1} KiB", of(1 << 10)),
        _ => format!("{:.1} MiB", of(1 << 20)),
    }
}

/// A time: `840 ns`, `12.3 us`, `4.0 ms`, `2.1 s`.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_nanos() {
        nanos @ 0..1000 => format!("{nanos} ns"),
        1000..1_000_000 => format!("{:.1} us", seconds * 1e6),
        1_000_000..1_000_000_000 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.1} s"),
    }
}

/// Several of something: `1 line`, `2 lines`.
pub(super) fn count(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_said_as_people_do() {
        let sizes = [0, 1023, 1024, 18_637, 0x10_0000, 3 << 20].map(size);
        assert_eq!(
            sizes,
            [
                "0 bytes",
                "1023 bytes",
                "1.0 KiB",
                "18.2 KiB",
                "1.0 MiB",
                "3.0 MiB"
            ]
        );
        let times = [0, 999, 12_340, 4_000_000, 2_100_000_000]
            .map(|nanos| time(Duration::from_nanos(nanos)));
        assert_eq!(times, ["0 ns", "999 ns", "12.3 us", "4.0 ms", "2.1 s"]);
        assert_eq!([count(1, "line"), count(2, "line")], ["1 line", "2 lines"]);
    }
}
