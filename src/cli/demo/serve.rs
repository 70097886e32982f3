//! `muster demo --serve`: the example as a running service with a door, and a real PostgreSQL of this machine behind one of
//! its databases, for whoever wants to log in and connect without a cloud.

use std::{
    env, fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::super::{Common, Failure, context::bad_config, print, run};
use crate::{
    config,
    control::Client,
    demo::{
        self, Day, Place,
        door::{self, DATABASE, Entrance, FOUND, USER},
        postgres::{DB_NAME, DB_USER, HOST, Postgres, PostgresError},
    },
    exit::Exit,
    service::run as service,
};

/// How often somebody looks whether the door is open.
const LOOK: Duration = Duration::from_millis(50);

/// Serves until SIGINT or SIGTERM. `keep` is where store, configuration and audit log stay.
pub(super) fn serve(keep: Option<&Path>, _common: &Common) -> Result<Exit, Failure> {
    let temporary = env::temp_dir();
    let place = Place::make(&temporary).map_err(|error| {
        Failure::new(format!(
            "cannot make a directory in {}",
            temporary.display()
        ))
        .cause(&error)
    })?;
    let dir = keep.unwrap_or(place.path());
    let path = dir.join("muster.yaml");
    // The store's directory is named in the configuration, which needs what is made in it first.
    let store = dir.join("muster-demo");
    let cannot = |what: &Path| Failure::new(format!("cannot write {}", what.display()));
    let mut private = fs::DirBuilder::new();
    private.recursive(true).mode(0o700);
    private
        .create(&store)
        .map_err(|error| cannot(&store).cause(&error))?;
    let entrance = door::people(&store, &dir.join("password")).map_err(run::failure)?;
    let postgres = postgres(place.path(), &entrance)?;
    let text = door::config(postgres.as_ref());
    fs::write(&path, text).map_err(|error| cannot(&path).cause(&error))?;
    let loaded = config::check::load(&path).map_err(|error| bad_config(&error))?;

    let ended = Arc::new(AtomicBool::new(false));
    let guide = Guide {
        config: path,
        home: place.path().join("home"),
        entrance,
        version: postgres.as_ref().map(|postgres| postgres.version.clone()),
        store,
    };
    let told = {
        let ended = Arc::clone(&ended);
        thread::spawn(move || guide.tell(&ended))
    };
    let done = run::serve(async {
        let cannot = |error: demo::DemoError| Failure::new("cannot run the demo").cause(&error);
        let replayer = demo::serve(Day::First).map_err(cannot)?;
        let service = service::run(super::options(loaded, &replayer));
        service.await.map_err(run::failure)
    });
    ended.store(true, Ordering::Relaxed);
    // It only prints.
    let _ = told.join();
    drop(postgres);
    drop(place);
    done
}

/// The PostgreSQL of this machine, if there is one. What is wrong with it is said, and the rest is served.
fn postgres(place: &Path, entrance: &Entrance) -> Result<Option<Postgres>, Failure> {
    match Postgres::start(place, &entrance.clients) {
        Ok(postgres) => Ok(Some(postgres)),
        Err(PostgresError::Absent) => {
            say(
                "There is no PostgreSQL on this machine, so that none of the databases can be opened. Install one and start \
                 the demo again:\n\n  apt-get install postgresql     # Debian, Ubuntu\n  dnf install postgresql-server  # Fedora\n  \
                 brew install postgresql        # macOS\n",
            )?;
            Ok(None)
        }
        Err(error) => {
            let failure =
                Failure::new("the PostgreSQL of this machine cannot be used").cause(&error);
            say(&format!(
                "{}. None of the databases can be opened; the rest is served.\n",
                failure.in_one_line()
            ))?;
            Ok(None)
        }
    }
}

fn say(text: &str) -> Result<(), Failure> {
    print(|out| writeln!(out, "{text}"))?;
    Ok(())
}

/// What a newcomer is told.
struct Guide {
    config: PathBuf,
    home: PathBuf,
    entrance: Entrance,
    version: Option<String>,
    store: PathBuf,
}

impl Guide {
    /// Says how to go on, as soon as the door is open.
    fn tell(&self, ended: &AtomicBool) {
        while !ended.load(Ordering::Relaxed) {
            if let Some(port) = self.port() {
                // Nobody reads it: the service runs all the same.
                let _ = say(&self.text(port));
                return;
            }
            thread::sleep(LOOK);
        }
    }

    /// The port of the door, once it is open.
    fn port(&self) -> Option<u16> {
        let (client, _) = Client::connect(&self.store).ok()?;
        let status = client.wait(client.status()).ok()?;
        let listen = status.proxy?.listen.into_iter().next()?;
        listen.rsplit_once(':')?.1.parse().ok()
    }

    fn text(&self, port: u16) -> String {
        let Self {
            config,
            home,
            entrance,
            version,
            ..
        } = self;
        let (config, home) = (config.display(), home.display());
        let (pin, password) = (&entrance.pin, entrance.password_file.display());
        let (behind, connect) = match version {
            Some(version) => (
                format!(", and PostgreSQL {version} behind `{DATABASE}`"),
                format!(
                    "  muster db connect {DATABASE} -- -c 'SELECT town, count(*), sum(total) FROM orders JOIN customers ON \
                     customers.id = customer GROUP BY town'\n  muster db connect {DATABASE}\n"
                ),
            ),
            None => (String::new(), String::new()),
        };
        // Without a session there is none to be played, but somebody has logged in.
        let done = match version {
            Some(_) => format!(
                "  muster --config {config} audit search --user {USER} --event db.session.start -o wide    # with its \
                 session's id, last\n  muster --config {config} play SESSION\n"
            ),
            None => format!("  muster --config {config} audit search --user {USER}\n"),
        };
        let database = if version.is_some() { DATABASE } else { FOUND };
        format!(
            "The example runs as a service with a door at {HOST}:{port}{behind}, until Ctrl-C (with `-v` its \
             log is shown). From another terminal:\n\n  \
             export MUSTER_HOME={home} MUSTER_CLUSTER={cluster}    # your login goes there, and is gone with the demo\n  \
             muster login --proxy {HOST}:{port} --user {USER} --ca-pin sha256:{pin} --password-file {password}\n  \
             muster db ls\n{connect}\nWhat was done, as the operator sees it:\n\n{done}  \
             muster --config {config} access explain {USER} {database} --db-user {DB_USER} --db-name {DB_NAME}\n  \
             muster --config {config} status\n",
            cluster = door::CLUSTER,
        )
    }
}
