//! `service` and `history`.

use std::net::SocketAddr;

use muster_store::Keep;

use super::{
    super::{
        HISTORY_AGE, HISTORY_ENTRIES, LISTEN, RESOLVE, SHUTDOWN, ServiceSettings, file,
        problem::nearest,
    },
    Check,
};

impl Check<'_> {
    pub(super) fn service(&mut self, service: Option<file::Service>) -> ServiceSettings {
        let file::Service {
            listen,
            shutdown,
            resolve,
        } = service.unwrap_or_default();
        let listen = match listen {
            Some(file::Text(text)) => self.listen(&text),
            None => LISTEN.parse().ok(),
        };
        ServiceSettings {
            listen,
            shutdown: self.span("service.shutdown", shutdown, SHUTDOWN, "1s", "10m"),
            resolve: self.span("service.resolve", resolve, RESOLVE, "1s", "1d"),
        }
    }

    fn listen(&mut self, text: &str) -> Option<SocketAddr> {
        let path = "service.listen";
        if text == OFF {
            return None;
        }
        let Ok(address) = text.parse::<SocketAddr>() else {
            let port = text.rsplit(':').next().unwrap_or(text).parse::<u16>();
            let hint = match port {
                Ok(port) => format!("write `127.0.0.1:{port}`, `[::1]:{port}` or `off`"),
                Err(_) if nearest(text, [OFF]).is_some() => format!("did you mean `{OFF}`?"),
                Err(_) => format!("write `{LISTEN}` or `{OFF}`"),
            };
            self.error(path, format!("`{text}` is not an address and a port"), hint);
            return None;
        };
        if !address.ip().is_loopback() {
            let hint = format!(
                "the API has no authentication: listen on `127.0.0.1:{port}` or `[::1]:{port}`",
                port = address.port()
            );
            let message = format!("other machines can reach `{address}`");
            self.error(path, message, hint);
        }
        Some(address)
    }

    pub(super) fn history(&mut self, history: Option<file::History>) -> Keep {
        let file::History { keep, entries } = history.unwrap_or_default();
        let keep = self.span("history.keep", keep, HISTORY_AGE, "1h", "36500d");
        let bounds = 1..=100_000_000;
        Keep {
            age: keep.as_secs(),
            entries: self.number("history.entries", entries, bounds, HISTORY_ENTRIES),
        }
    }
}

/// The word for no API.
const OFF: &str = "off";
