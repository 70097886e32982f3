//! The guides: what a new user does, from nothing to a query, and what goes wrong on the way.

mod aws;
mod azure;
mod credentials;

mod judge;
mod named;
mod page;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use muster::service::status::ProxyStatus;

use crate::{
    door::town::{complaint, said},
    service::world::{Service, World},
    support::postgres::{Postgres, bin},
};

/// A place with records, where somebody tries what does not work.
struct Sitting<'a> {
    world: &'a World,
}

impl<'a> Sitting<'a> {
    fn new(world: &'a World, records: &str) -> Self {
        let file = world.dir.path().join("records.yaml");
        fs::write(&file, records).unwrap();
        let file = file.to_str().unwrap();
        said(&world.command(&["create", "-f", file]).output().unwrap());
        Self { world }
    }

    /// Starts the service, and waits until it knows so many databases.
    fn open(&self, databases: usize) -> (Service, ProxyStatus) {
        let service = self.world.start();
        let status = service.shows("all databases", |status| {
            let proxy = status.proxy.as_ref();
            proxy.is_some_and(|proxy| proxy.targets >= databases)
        });
        (service, status.proxy.unwrap())
    }

    /// `psql` that asks a database by its short name.
    fn psql(&self, proxy: &ProxyStatus, database: &str, user: &str, sql: &str) -> Command {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let names = self.world.command(&["db", "ls", "-o", "name"]);
        let names = said(&{ names }.output().unwrap());
        let start = format!("{database}-");
        let name = names
            .lines()
            .find(|name| *name == database || name.starts_with(&start));
        // What was written by hand is not among what was found.
        let name = name.unwrap_or(database);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let out = self.world.dir.path().join(format!("papers-{number}"));
        let out = out.to_str().unwrap();
        let sign = [
            "auth",
            "sign",
            "--user",
            "alice",
            "--db",
            name,
            "--db-user",
            user,
            "--db-name",
            "shop",
            "--out",
            out,
        ];
        said(&self.world.command(&sign).output().unwrap());
        let port = proxy.listen[0].rsplit(':').next().unwrap();
        let dsn = format!(
            "host=localhost port={port} sslmode=verify-full sslrootcert={out}.ca sslcert={out}.crt sslkey={out}.key \
             user={user} dbname=shop"
        );
        let mut psql = Command::new(bin().join("psql"));
        psql.args(["-XAtq", "-d", &dsn, "-c", sql])
            .env_clear()
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null());
        psql
    }

    /// What the client reads that is not let in.
    fn refused(&self, proxy: &ProxyStatus, database: &str, user: &str) -> String {
        let output = self.psql(proxy, database, user, "select 1").output();
        let output = output.unwrap();
        assert!(!output.status.success(), "{database}");
        complaint(&output)
    }

    /// What the database answers.
    fn asks(&self, proxy: &ProxyStatus, database: &str, user: &str, sql: &str) -> String {
        said(&self.psql(proxy, database, user, sql).output().unwrap())
    }

    /// The service is gone in the middle of a query, as when its machine is.
    fn ends_without_a_word(&self, service: Service, proxy: &ProxyStatus, postgres: &Postgres) {
        let mut psql = self.psql(
            proxy,
            "orders",
            "alice",
            "select 'asleep' from pg_sleep(600)",
        );
        let psql = psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%asleep%' and pid <> pg_backend_pid()";
        service.shows("a query under way", |_| postgres.sql(running).trim() != "0");
        service.kill();
        let output = psql.unwrap().wait_with_output().unwrap();
        let text = complaint(&output);
        let said = [
            "SSL SYSCALL error",
            "server closed the connection unexpectedly",
        ];
        assert!(said.iter().any(|words| text.contains(words)), "{text}");
        // What the page says to type then tells it apart.
        let status = self.world.command(&["status"]).output().unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&status.stdout),
            complaint(&status)
        );
        assert!(
            !status.status.success() && text.contains("no service answers at"),
            "{text}"
        );
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let any = TcpListener::bind("127.0.0.1:0").unwrap();
    any.local_addr().unwrap().port()
}

/// A place that takes nobody's connection: there is no more room in its queue.
fn silence(at: Ipv4Addr) -> (OwnedFd, Vec<TcpStream>) {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let place = SocketAddrV4::new(at, 5432);
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &place).unwrap();
    listen(&socket, 0).unwrap();
    let quick = std::time::Duration::from_millis(200);
    let mut waiting = Vec::new();
    while let Ok(one) = TcpStream::connect_timeout(&place.into(), quick) {
        waiting.push(one);
    }
    (socket, waiting)
}
