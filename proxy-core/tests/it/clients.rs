//! Clients: `psql`, `tokio-postgres`, and what the door says of them.

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rustls::pki_types::{PrivateKeyDer, ServerName};

use crate::{
    bed::{Bed, Certificate},
    server::{at_work, program, until},
};

impl Bed {
    /// `psql` through the door.
    pub fn psql(&self, certificate: Option<&Certificate>, more: &str) -> Command {
        let mut command = Command::new(program("psql"));
        let ca = self.dir.path().join("door.pem");
        let shown = certificate.map_or_else(
            || "sslcert=/nonexistent".to_owned(),
            |certificate| {
                let base = &certificate.base;
                format!(
                    "sslcert={} sslkey={}",
                    base.with_extension("crt").display(),
                    base.with_extension("key").display()
                )
            },
        );
        let text = format!(
            "host=localhost hostaddr=127.0.0.1 port={} user=alice dbname=app sslmode=verify-full sslrootcert={} {shown} \
             connect_timeout=50 {more}",
            self.door.local_addr().port(),
            ca.display()
        );
        command
            .args(["-XAtq", "-d", &text])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs statements in one session, and gives what came out. Panics when it failed.
    pub fn sql(&self, certificate: &Certificate, statements: &[&str]) -> String {
        let mut command = self.psql(Some(certificate), "");
        for statement in statements {
            command.args(["-c", statement]);
        }
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A `psql` in the middle of a long query with this mark.
    pub fn sleeping(&self, certificate: &Certificate, mark: &str) -> Child {
        self.sleeping_as(certificate, "", mark)
    }

    /// The same with more for the connection.
    pub fn sleeping_as(&self, certificate: &Certificate, more: &str, mark: &str) -> Child {
        let child = self
            .psql(Some(certificate), more)
            .args(["-c", &format!("select pg_sleep(600) /* {mark} */")])
            .spawn()
            .unwrap();
        until("the query runs", || at_work(mark) == 1);
        child
    }

    /// What `psql` complains of.
    pub fn complaint(&self, certificate: Option<&Certificate>, more: &str) -> String {
        let output = self
            .psql(certificate, more)
            .args(["-c", "select 1"])
            .output()
            .unwrap();
        assert!(!output.status.success(), "it worked");
        String::from_utf8(output.stderr).unwrap()
    }

    /// A session of `tokio-postgres`.
    pub async fn connect(&self, certificate: &Certificate, user: &str) -> Client {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.doors.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![certificate.der.clone()],
                PrivateKeyDer::try_from(certificate.key.clone()).unwrap(),
            )
            .unwrap();
        // TLS from the first byte on: the door's port needs no request for it.
        let socket = tokio::net::TcpStream::connect(self.door.local_addr())
            .await
            .unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from("localhost").unwrap(), socket)
            .await
            .unwrap();
        let mut settings = tokio_postgres::Config::new();
        settings
            .user(user)
            .dbname("app")
            .ssl_mode(tokio_postgres::config::SslMode::Disable);
        let (client, mut connection) = settings
            .connect_raw(stream, tokio_postgres::NoTls)
            .await
            .unwrap();
        let (sender, messages) = tokio::sync::mpsc::unbounded_channel();
        let ended = tokio::spawn(async move {
            loop {
                match std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                    Some(Ok(message)) => {
                        let _ = sender.send(message);
                    }
                    Some(Err(error)) => return Some(error),
                    None => return None,
                }
            }
        });
        Client {
            client,
            messages,
            ended,
        }
    }

    /// The sessions of one user.
    pub fn sessions_of(&self, user: &str) -> usize {
        self.door
            .sessions()
            .iter()
            .filter(|one| one.user == user)
            .count()
    }

    /// The events of one user, as they stand in the log.
    pub fn events_of(&self, user: &str) -> Vec<serde_json::Value> {
        assert!(self.audit.flush(Duration::from_secs(20)));
        let mut events = Vec::new();
        for entry in fs::read_dir(self.dir.path().join("audit")).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            for line in text.lines() {
                if let Ok(event) = serde_json::from_str::<serde_json::Value>(line)
                    && event["user"] == user
                {
                    events.push(event);
                }
            }
        }
        events
    }
}

/// A session of `tokio-postgres`.
pub struct Client {
    pub client: tokio_postgres::Client,
    pub messages: tokio::sync::mpsc::UnboundedReceiver<tokio_postgres::AsyncMessage>,
    pub ended: tokio::task::JoinHandle<Option<tokio_postgres::Error>>,
}

impl Client {
    /// Waits for the end of the session, and says what the server said last.
    pub async fn end(self) -> String {
        match tokio::time::timeout(Duration::from_secs(60), self.ended).await {
            Ok(Ok(Some(error))) => match error.as_db_error() {
                Some(said) => format!("{} {}", said.code().code(), said.message()),
                None => error.to_string(),
            },
            Ok(Ok(None)) => "closed".to_owned(),
            other => panic!("the session did not end: {other:?}"),
        }
    }
}
