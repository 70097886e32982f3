//! `tokio-postgres`, with TLS by rustls.

use bytes::Bytes;
use futures::{SinkExt, StreamExt, future};
use tokio::sync::mpsc;
use tokio_postgres::{
    AsyncMessage, Client, Config, Error, SimpleQueryMessage, Statement,
    config::SslMode,
    types::{FromSql, ToSql, Type},
};

use super::{Robot, Way, answer, digest, tls::Tls};
use crate::service::world::RUNTIME;

/// Two connections.
pub struct Tokio {
    config: Config,
    tls: Tls,
    first: Client,
    second: Client,
    news: mpsc::UnboundedReceiver<AsyncMessage>,
    prepared: Vec<(String, Statement)>,
}

impl Tokio {
    /// Connects on this way.
    pub fn start(way: &Way) -> Self {
        let config = match way.get("DSN") {
            Some(url) => url.parse().unwrap(),
            None => config(way),
        };
        let tls = Tls::of(way);
        RUNTIME.block_on(async {
            let (first, news) = connect(&config, &tls).await;
            let (second, _) = connect(&config, &tls).await;
            Self {
                config,
                tls,
                first,
                second,
                news,
                prepared: Vec::new(),
            }
        })
    }

    async fn again(&mut self) {
        (self.first, self.news) = connect(&self.config, &self.tls).await;
        self.second = connect(&self.config, &self.tls).await.0;
        self.prepared.clear();
    }

    async fn run(&self, statement: &Statement, params: &[String]) -> Result<Vec<String>, Error> {
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
        let found = self.first.query(statement, &params).await?;
        let rows = found.iter().map(|row| {
            let columns = 0..row.len();
            let texts = columns.map(|at| row.get::<_, Shown>(at).0);
            texts.collect::<Vec<_>>().join(",")
        });
        let rows = rows.collect();
        Ok([answer(&["rows"]), rows].concat())
    }

    async fn done(&mut self, words: &[String]) -> Result<Vec<String>, Error> {
        let word = |at: usize| words[at].as_str();
        let done = answer(&["done"]);
        Ok(match word(0) {
            "again" => {
                self.again().await;
                done
            }
            "sql" => rows(&self.first.simple_query(word(1)).await?),
            "other" => rows(&self.second.simple_query(word(1)).await?),
            "ask" => {
                let statement = self.first.prepare(word(1)).await?;
                self.run(&statement, &words[2..]).await?
            }
            "types" => {
                let row = self.first.query_one(word(1), &[]).await?;
                let columns = row.columns().iter().enumerate();
                let shown = columns
                    .map(|(at, column)| format!("{} {}", column.type_(), row.get::<_, Raw>(at).0));
                let shown = shown.collect();
                [answer(&["types"]), shown].concat()
            }
            "prepare" => {
                let statement = self.first.prepare(word(2)).await?;
                self.prepared.push((word(1).to_owned(), statement));
                done
            }
            "run" => {
                let found = self.prepared.iter().find(|(name, _)| name == word(1));
                let (_, statement) = found.unwrap();
                self.run(statement, &words[2..]).await?
            }
            "pipeline" => {
                let all = words[1..].iter().map(|sql| self.first.batch_execute(sql));
                let failed = future::join_all(all).await;
                let failed: Vec<String> = failed
                    .into_iter()
                    .filter_map(Result::err)
                    .map(|error| said(&error).join(" "))
                    .collect();
                match failed.is_empty() {
                    true => done,
                    false => [answer(&["pipeline"]), failed].concat(),
                }
            }
            "copy-in" => {
                self.copy_in(word(1), word(2).to_owned()).await?;
                done
            }
            "copy-lines" => {
                let lines = 1..=word(2).parse::<u32>().unwrap();
                let lines = lines.map(|number| format!("{number}\tline {number}\n"));
                self.copy_in(word(1), lines.collect()).await?;
                done
            }
            "copy-out" => {
                let text = self.copy_out(word(1)).await?;
                answer(&["text", &String::from_utf8(text).unwrap()])
            }
            "copy-size" => digest(&self.copy_out(word(1)).await?),
            "cursor" => {
                let portion = word(2).parse().unwrap();
                let within = self.first.transaction().await?;
                let portal = within.bind(word(1), &[]).await?;
                let mut total = 0;
                loop {
                    let part = within.query_portal(&portal, portion).await?;
                    if part.is_empty() {
                        break;
                    }
                    total += part.len();
                }
                within.commit().await?;
                answer(&["rows", &total.to_string()])
            }
            "listen" => {
                let sql = format!("listen {}", word(1));
                self.first.batch_execute(&sql).await?;
                done
            }
            "heard" => loop {
                match self.news.recv().await.unwrap() {
                    AsyncMessage::Notification(note) => {
                        break answer(&["heard", note.channel(), note.payload()]);
                    }
                    _ => continue,
                }
            },
            "notices" => {
                self.first.batch_execute(word(1)).await?;
                let mut notes = answer(&["notices"]);
                while let Ok(AsyncMessage::Notice(note)) = self.news.try_recv() {
                    notes.push(format!("{}: {}", note.severity(), note.message()));
                }
                notes
            }
            "cancel" => {
                let running = format!(
                    "select 1 from pg_stat_activity where state = 'active' and query_start < clock_timestamp() - interval '0.2 s' and pid <> pg_backend_pid() and query like '%{}%'",
                    word(2).replace('\'', "''")
                );
                let token = self.first.cancel_token();
                let (tls, second) = (self.tls.clone(), &self.second);
                let helper = async {
                    while rows(&second.simple_query(&running).await?).len() == 1 {}
                    token.cancel_query(tls).await
                };
                let (found, helped) = future::join(self.first.simple_query(word(1)), helper).await;
                helped?;
                match found {
                    Err(error) if said(&error)[1] == "57014" => answer(&["cancelled"]),
                    found => rows(&found?),
                }
            }
            "big" => {
                let text = "x".repeat(word(1).parse().unwrap());
                let row = self.first.query_one("select $1::text", &[&text]).await?;
                digest(row.get::<_, &str>(0).as_bytes())
            }
            _ => answer(&["cannot"]),
        })
    }

    async fn copy_in(&self, sql: &str, data: String) -> Result<(), Error> {
        let sink = self.first.copy_in::<_, Bytes>(sql).await?;
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::from(data)).await?;
        sink.finish().await.map(drop)
    }

    async fn copy_out(&self, sql: &str) -> Result<Vec<u8>, Error> {
        let stream = self.first.copy_out(sql).await?;
        let mut stream = std::pin::pin!(stream);
        let mut out = Vec::new();
        while let Some(part) = stream.next().await {
            out.extend_from_slice(&part?);
        }
        Ok(out)
    }
}

impl Robot for Tokio {
    fn step(&mut self, words: &[String]) -> Vec<String> {
        RUNTIME.block_on(async { self.done(words).await.unwrap_or_else(|error| said(&error)) })
    }
}

/// What libpq's variables say.
fn config(way: &Way) -> Config {
    let mut config = Config::new();
    let of = |name: &str| way.get(name).unwrap();
    config
        .host(of("PGHOST"))
        .port(of("PGPORT").parse().unwrap())
        .user(of("PGUSER"))
        .dbname(of("PGDATABASE"))
        .ssl_mode(SslMode::Require);
    if let Some(password) = way.get("PGPASSWORD") {
        config.password(password);
    }
    config
}

async fn connect(config: &Config, tls: &Tls) -> (Client, mpsc::UnboundedReceiver<AsyncMessage>) {
    let (client, mut connection) = config.connect(tls.clone()).await.unwrap();
    let (tell, news) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        // An error is told to whoever asks next.
        while let Some(Ok(message)) = future::poll_fn(|cx| connection.poll_message(cx)).await {
            // Nobody may listen.
            let _ = tell.send(message);
        }
    });
    (client, news)
}

fn said(error: &Error) -> Vec<String> {
    match error.as_db_error() {
        Some(error) => answer(&["error", error.code().code(), error.message()]),
        None => answer(&["error", "none", &error.to_string()]),
    }
}

/// The rows of the last result that has some.
fn rows(messages: &[SimpleQueryMessage]) -> Vec<String> {
    let mut found = answer(&["done"]);
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(_) => found = answer(&["rows"]),
            SimpleQueryMessage::Row(row) => {
                let texts = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
                found.push(texts.collect::<Vec<_>>().join(","));
            }
            _ => {}
        }
    }
    found
}

/// A value of one of the types that the cases ask for with parameters, as psql shows it.
struct Shown(String);

impl<'a> FromSql<'a> for Shown {
    fn from_sql(
        ty: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *ty {
            Type::INT4 => i32::from_sql(ty, raw)?.to_string(),
            Type::BOOL => if bool::from_sql(ty, raw)? { "t" } else { "f" }.to_owned(),
            _ => String::from_sql(ty, raw)?,
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self("NULL".to_owned()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A value's bytes.
struct Raw(String);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self("null".to_owned()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
