//! The store and the audit log: there, whole, their owner's alone, on a disk with room.

use super::words::{bytes, count, path};
use crate::doctor::{
    Check, Evidence, Finding,
    evidence::{Audit, Disk, Place, Store},
};

/// Below this many free bytes the service may stop writing at any moment: a batch and a file of the audit log.
const FULL: u64 = 64 << 20;
/// Below this many free bytes somebody should look.
const LOW: u64 = 1 << 30;
/// Below this many files that can still be made, likewise.
const FILES: u64 = 1000;

/// Looks at the store.
pub fn look(evidence: &Evidence) -> Vec<Finding> {
    let Some(store) = &evidence.store else {
        return Vec::new();
    };
    let mut findings: Vec<Finding> = store
        .places
        .iter()
        .flat_map(|found| place(Check::Store, found, store.user))
        .collect();
    findings.extend(state(store));
    findings.extend(
        store
            .disk
            .iter()
            .flat_map(|found| disk(Check::Store, found)),
    );
    findings
}

/// Looks at the audit log.
pub fn look_at_audit(evidence: &Evidence) -> Vec<Finding> {
    let Some(audit) = &evidence.audit else {
        return Vec::new();
    };
    let Audit {
        place: found,
        user,
        disk: on,
        failing,
        damaged,
    } = audit;
    let check = Check::Audit;
    let mut findings = Vec::new();
    if let Some((why, since)) = failing {
        let subject = found.as_ref().map_or_else(
            || "standard output".to_owned(),
            |place| place.path.display().to_string(),
        );
        findings.push(
            check
                .failed("failing", subject)
                .what("the audit log cannot be written, so sessions end and none begins")
                .why(format!("{why}, since {since}"))
                .remedy("mend that, and it goes on by itself; what it says now: muster status"),
        );
    }
    if let Some(why) = damaged {
        let subject = found.as_ref().map_or_else(
            || "standard output".to_owned(),
            |place| place.path.display().to_string(),
        );
        findings.push(
            check
                .failed("damaged", subject)
                .what("the audit log is not as it was left: somebody or something has changed it")
                .why(why)
                .remedy("see where, and what is whole: muster audit verify\nIt goes on behind that, and has an event of it: muster audit search --event audit.log.damaged\nThis is said until the service is restarted."),
        );
    }
    findings.extend(found.iter().flat_map(|found| place(check, found, *user)));
    findings.extend(on.iter().flat_map(|found| disk(check, found)));
    findings
}

fn state(store: &Store) -> Vec<Finding> {
    let check = Check::Store;
    let subject = store.path.display().to_string();
    let at = path(&store.path);
    let mut findings = Vec::new();
    if let Some(trouble) = &store.failure {
        let remedy = if trouble.hint.is_empty() {
            format!("look at it again with: muster --store {at} store check")
        } else {
            trouble.hint.clone()
        };
        findings.push(
            check
                .failed("unusable", &subject)
                .what("the store cannot be used")
                .why(&trouble.why)
                .remedy(remedy),
        );
    } else if !store.there {
        findings.push(
            check
                .warns("absent", &subject)
                .what("there is no store yet")
                .why("nothing was scanned, so no database is known")
                .remedy("see what would be enrolled: muster plan\nmake the store: muster apply"),
        );
    }
    if store.damaged_count > 0 {
        let more = match store
            .damaged_count
            .saturating_sub(store.damaged.len() as u64)
        {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        findings.push(
            check
                .failed("damaged", &subject)
                .what(format!(
                    "{} of the store cannot be read",
                    count(store.damaged_count, "record")
                ))
                .why(format!("{}{more}", store.damaged.join("; ")))
                .remedy(
                    "stop the service, then: muster store repair\nIt goes on with what is left, and keeps the old files \
                     aside. What is lost is found again by the next scan.",
                ),
        );
    }
    findings
}

/// Whether something is its owner's alone.
fn place(check: Check, place: &Place, user: u32) -> Vec<Finding> {
    let Some(uid) = place.uid else {
        return Vec::new();
    };
    let (subject, at) = (place.path.display().to_string(), path(&place.path));
    let mut findings = Vec::new();
    // Root may read what belongs to the service's user.
    if uid != user && user != 0 {
        findings.push(
            check
                .failed("owner", &subject)
                .what("it belongs to another user")
                .why(format!(
                    "it belongs to the user {uid}, and this is the user {user}"
                ))
                .remedy(format!(
                    "run muster as that user, or give it away: chown -R {user} {at}"
                )),
        );
    }
    let mode = place.mode & 0o777;
    let wanted = if place.dir { 0o700 } else { 0o600 };
    if mode & 0o077 != 0 {
        let (severity, what) = if mode & 0o022 != 0 {
            (super::super::Severity::Failed, "other users may write it")
        } else {
            (super::super::Severity::Warning, "other users may read it")
        };
        findings.push(
            check
                .finding(severity, "mode", &subject)
                .what(what)
                .why(format!(
                    "its mode is {mode:04o}, and {wanted:04o} is enough"
                ))
                .remedy(format!("chmod {wanted:o} {at}")),
        );
    } else if mode & 0o700 != wanted && user != 0 && uid == user {
        findings.push(
            check
                .failed("mode", &subject)
                .what("its own user may not use it")
                .why(format!(
                    "its mode is {mode:04o}, and {wanted:04o} is needed"
                ))
                .remedy(format!("chmod {wanted:o} {at}")),
        );
    }
    findings
}

/// Whether there is room.
fn disk(check: Check, disk: &Disk) -> Vec<Finding> {
    let Disk {
        path: at,
        free,
        total,
        files,
        read_only,
    } = disk;
    let (subject, quoted) = (at.display().to_string(), path(at));
    let room = format!("{} of {} are free", bytes(*free), bytes(*total));
    let remedy = format!(
        "make room; what is there: df -h {quoted}\nOlder history goes with `history.keep`, older audit files with \
         `audit.keep`."
    );
    let mut findings = Vec::new();
    if *read_only {
        findings.push(
            check
                .failed("read-only", &subject)
                .what("the file system can only be read")
                .why("it was mounted so, or turned so after an error")
                .remedy(format!(
                    "look at the kernel's log (dmesg), then: mount -o remount,rw \"$(df --output=target {quoted} | tail -1)\""
                )),
        );
    }
    // A small disk is not full because it is small.
    let low = LOW.min(total / 20);
    let full = FULL.min(total / 100);
    if *free < full {
        findings.push(
            check
                .failed("disk-full", &subject)
                .what("the disk is full")
                .why(room)
                .remedy(remedy),
        );
    } else if *free < low {
        findings.push(
            check
                .warns("disk-low", &subject)
                .what("the disk is nearly full")
                .why(room)
                .remedy(remedy),
        );
    }
    if let Some(files) = files.filter(|files| *files < FILES) {
        findings.push(
            check
                .warns("files-low", &subject)
                .what("the file system is out of places for files")
                .why(format!("{} can still be made", count(files, "file")))
                .remedy(format!("remove files; how many there are: df -i {quoted}")),
        );
    }
    findings
}
