//! The clock, against the dates that others send.

use super::words::span;
use crate::doctor::{
    Check, Evidence, Finding, Severity,
    evidence::{Clock, Compared},
};

/// From here on AWS refuses signatures (five minutes), and certificates that were just made count as not yet valid.
const FAILED: u64 = 240;
/// From here on codes of second factors (thirty seconds each) are refused.
const WARNS: u64 = 20;
/// A date is cut to the second, and an answer takes some time.
const SLACK: u64 = 2;

const REMEDY: &str = "keep it by a time server: timedatectl set-ntp true\nwhat it says of itself: timedatectl status";

/// Looks at the clock.
pub fn look(evidence: &Evidence) -> Vec<Finding> {
    let Some(seen) = &evidence.clock else {
        return Vec::new();
    };
    let Clock {
        compared,
        jumped,
        synchronized,
    } = seen;
    let check = Check::Clock;
    let mut findings: Vec<Finding> = compared.iter().filter_map(off).collect();
    if let Some(by) = jumped {
        let way = if *by < 0 { "back" } else { "forward" };
        findings.push(
            check
                .warns("jumped", "clock")
                .what(format!(
                    "the service saw the clock jump {way} by {}",
                    span(by.unsigned_abs())
                ))
                .why("its clock was set, or the machine slept; until it is settled nothing counts as gone for long enough")
                .remedy(REMEDY),
        );
    }
    if *synchronized == Some(false) {
        findings.push(
            check
                .warns("unsynchronized", "clock")
                .what("no time server keeps the clock")
                .why("systemd-timesyncd runs and has not reached one since the start of the machine")
                .remedy("name one that can be reached (NTP= in /etc/systemd/timesyncd.conf), then: systemctl restart systemd-timesyncd"),
        );
    }
    findings
}

fn off(compared: &Compared) -> Option<Finding> {
    let Compared { with, theirs, ours } = compared;
    let (behind, ahead) = (theirs.since(*ours), ours.since(*theirs));
    let by = behind.max(ahead).saturating_sub(SLACK);
    if by < WARNS {
        return None;
    }
    let severity = if by >= FAILED {
        Severity::Failed
    } else {
        Severity::Warning
    };
    let way = if behind > 0 { "behind" } else { "ahead" };
    let finding = Check::Clock
        .finding(severity, "off", with.as_str())
        .what(format!(
            "the clock here is {} {way} of {with}'s",
            span(behind.max(ahead))
        ))
        .why(format!(
            "an answer of {with} had the date {theirs} when it was {ours} here"
        ))
        .remedy(REMEDY);
    Some(finding)
}
