//! Invitations: `https://HOST:PORT/invite/TOKEN#sha256:HEX`. The part after `#` is the proxy's fingerprint; no browser sends it.

use std::{fmt, str::FromStr};

use crate::{Address, Error, Kind, Pin, Result, Secret};

/// An invitation, as `muster user add` prints it.
#[derive(Clone)]
pub struct Link {
    /// Where the proxy is.
    pub address: Address,
    /// What proves it.
    pub token: Secret,
    /// The fingerprint of the proxy's authority, where the link carries one.
    pub pin: Option<Pin>,
}

impl Link {
    /// As it is handed over.
    pub fn text(&self) -> Secret {
        let pin = self.pin.map(|pin| format!("#{pin}")).unwrap_or_default();
        Secret::new(format!(
            "https://{}/invite/{}{pin}",
            self.address,
            self.token.reveal()
        ))
    }
}

/// Without the secret.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, pin, .. } = self;
        write!(f, "https://{address}/invite/… {pin:?}")
    }
}

impl FromStr for Link {
    type Err = Error;

    /// Errors repeat nothing of the link: it is a secret.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(Kind::Usage, "this is no invitation")
                .because("it is not https://HOST:PORT/invite/TOKEN")
                .hint("copy the whole link, as `muster user add` printed it, in quotes")
        };
        let plain = text.trim().strip_prefix("https://").ok_or_else(wrong)?;
        let (address, rest) = plain.split_once("/invite/").ok_or_else(wrong)?;
        let (token, pin) = match rest.split_once('#') {
            Some((token, pin)) => (token, Some(pin.parse::<Pin>()?)),
            None => (rest, None),
        };
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if token.is_empty() || token.len() > 512 || !token.chars().all(letter) {
            return Err(wrong());
        }
        // Where a link names no port, it means the one of HTTPS.
        let bare = address
            .rsplit_once(':')
            .is_none_or(|(_, port)| port.ends_with(']'));
        let address = if bare {
            format!("{address}:443")
        } else {
            address.to_owned()
        };
        Ok(Self {
            address: address.parse().map_err(|_| wrong())?,
            token: Secret::new(token.to_owned()),
            pin,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn links_are_read_and_written() {
        let pin = format!("sha256:{}", "ab".repeat(32));
        for (text, address, has_pin) in [
            (
                format!("https://door.example.com:7430/invite/a_B-9#{pin}"),
                "door.example.com:7430",
                true,
            ),
            (
                "https://door.example.com/invite/a_B-9".to_owned(),
                "door.example.com:443",
                false,
            ),
            (
                "https://[::1]:7430/invite/a_B-9".to_owned(),
                "[::1]:7430",
                false,
            ),
            ("https://[::1]/invite/a_B-9".to_owned(), "[::1]:443", false),
        ] {
            let link: Link = text.parse().unwrap();
            assert_eq!(link.address.to_string(), address, "{text}");
            assert_eq!(link.token.reveal(), "a_B-9");
            assert_eq!(link.pin.is_some(), has_pin);
            assert!(!format!("{link:?}").contains("a_B-9"));
            let again: Link = link.text().reveal().parse().unwrap();
            assert_eq!((again.address, again.pin), (link.address, link.pin));
        }
    }

    #[test]
    fn what_is_none_is_refused_without_repeating_it() {
        for text in [
            "",
            "http://h:1/invite/geheim",
            "https://h:1/invite/",
            "https://h:1/login/geheim",
            "https://h:1/invite/geheim?x",
            "https://h:1/invite/geheim#sha256:12",
            "https:///invite/geheim",
        ] {
            let error = text.parse::<Link>().unwrap_err();
            let said = format!("{error:?}");
            assert!(!said.contains("geheim"), "{said}");
        }
    }
}
