//! `muster reload`: has the service read its configuration again.

use std::{
    io::{self, Write},
    path::Path,
};

use clap::Args;

use super::{Common, Failure, print, service, unread_is_fine};
use crate::{
    control::{Client, ClientError},
    exit::Exit,
    report::escape::shown,
    service::handle::Reloaded,
};

/// Arguments of `muster reload`.
#[derive(Args, Debug)]
#[command(after_help = "\
The new configuration is checked first. When it is wrong the old one stays in force, every problem is listed, and the \
command ends with 78. SIGHUP does the same, and says it in the log. What can only be had by a restart (the store, the \
API's address) is left as it was, with a warning.")]
pub struct Reload {
    /// Only show what would change.
    #[arg(long)]
    dry_run: bool,
}

impl Reload {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = service::store_dir_to_reload(common)?;
        let (client, _) = Client::connect(&dir).map_err(|error| match common.store {
            None if error.is_absent() => nobody_there(&dir, &error),
            _ => error.into(),
        })?;
        let reloaded = client.wait(client.reload(self.dry_run))?;
        for warning in reloaded.warnings.iter().chain(&reloaded.needs_restart) {
            // Nobody reads standard error: nobody is told.
            let _ = writeln!(anstream::stderr().lock(), "warning: {}", shown(warning));
        }
        unread_is_fine(print(|out| write(&reloaded, self.dry_run, out)))?;
        Ok(Exit::Done)
    }
}

/// No service has the store that the configuration names. One that runs may have another: the configuration may have
/// been changed since, and a second service in the new place would begin with nothing.
fn nobody_there(dir: &Path, error: &ClientError) -> Failure {
    Failure::new(format!(
        "no service has the store {} that the configuration names",
        dir.display()
    ))
    .cause(error)
    .because("a running service keeps the store that it was started with until it is restarted: when the configuration named another one then, it is there")
    .hint("`muster --store OLD reload` reaches the service that has the store OLD; when none runs, `muster run` starts one")
    .exits(Exit::Unavailable)
}

fn write(reloaded: &Reloaded, dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
    let Reloaded {
        changes,
        warnings: _,
        needs_restart,
        judged_otherwise,
        add,
        update,
        remove,
        held,
    } = reloaded;
    for change in changes {
        writeln!(out, "  ~ {}", shown(change))?;
    }
    let what = match (changes.is_empty(), dry_run) {
        (true, _) if !needs_restart.is_empty() => {
            "Only what needs a restart differs: until then the configuration in force stays as it is."
        }
        (true, _) => "The configuration is the same as the one in force.",
        (false, true) => "The new configuration is valid. With it:",
        (false, false) => "The new configuration is in force. With it:",
    };
    writeln!(out, "{what}")?;
    if changes.is_empty() && [judged_otherwise, add, update, remove, held] == [&0; 5] {
        return Ok(());
    }
    writeln!(
        out,
        "{judged_otherwise} databases are judged otherwise: {add} to enroll, {update} to update, {remove} to remove, {held} held."
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::service::handle::{Refused, RefusedKind};

    fn text(reloaded: &Reloaded, dry_run: bool) -> String {
        let mut out = Vec::new();
        write(reloaded, dry_run, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_changes_is_said_before_and_after() {
        let nothing = Reloaded::default();
        let same = "The configuration is the same as the one in force.\n";
        assert_eq!(text(&nothing, true), same);
        assert_eq!(text(&nothing, false), same);
        let later = Reloaded {
            needs_restart: vec!["service.listen: it stays off".to_owned()],
            ..Reloaded::default()
        };
        for dry_run in [true, false] {
            assert_eq!(
                text(&later, dry_run),
                "Only what needs a restart differs: until then the configuration in force stays as it is.\n"
            );
        }
        let something = Reloaded {
            changes: vec![
                "policy: create-only -> sync".to_owned(),
                "group: a\u{1b}[2J -> b".to_owned(),
            ],
            judged_otherwise: 4,
            add: 1,
            remove: 2,
            held: 1,
            ..Reloaded::default()
        };
        let rest =
            "4 databases are judged otherwise: 1 to enroll, 0 to update, 2 to remove, 1 held.\n";
        let changes = "  ~ policy: create-only -> sync\n  ~ group: a\\u{1b}[2J -> b\n";
        assert_eq!(
            text(&something, true),
            format!("{changes}The new configuration is valid. With it:\n{rest}")
        );
        assert_eq!(
            text(&something, false),
            format!("{changes}The new configuration is in force. With it:\n{rest}")
        );
    }

    #[test]
    fn a_store_without_a_service_does_not_make_anybody_start_a_second_one() {
        let dir = tempfile::tempdir().unwrap();
        let Err(error) = Client::connect(dir.path()) else {
            panic!("nobody listens")
        };
        let failure = nobody_there(dir.path(), &error);
        assert_eq!(failure.exit(), Exit::Unavailable);
        let mut said = Vec::new();
        failure.print(&mut said);
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("until it is restarted"), "{said}");
        assert!(said.contains("`muster --store OLD reload`"), "{said}");
        // How a service is started comes after how one that runs is reached.
        let old = said.find("--store OLD").unwrap();
        let start = said
            .find("when none runs, `muster run` starts one")
            .unwrap();
        assert!(old < start, "{said}");
    }

    #[test]
    fn a_wrong_configuration_lists_all_problems_and_ends_with_78() {
        let refused_by = |kind| Refused {
            kind,
            what: "the configuration /etc/muster/muster.yaml is wrong".to_owned(),
            why: vec![
                "line 3: unknown key `polcy`".to_owned(),
                "line 9: no source".to_owned(),
            ],
            hint: Some("the old one stays in force".to_owned()),
        };
        let failure = Failure::from(refused_by(RefusedKind::Invalid));
        assert_eq!(failure.exit(), Exit::Config);
        let mut said = Vec::new();
        failure.print(&mut said);
        assert_eq!(
            String::from_utf8(said).unwrap(),
            "error: the configuration /etc/muster/muster.yaml is wrong\n\
             cause: line 3: unknown key `polcy`\n\
             cause: line 9: no source\n\
             hint:  the old one stays in force\n"
        );
        let failure = Failure::from(refused_by(RefusedKind::Unavailable));
        assert_eq!(failure.exit(), Exit::Failed);
    }
}
