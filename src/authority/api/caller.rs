//! Who asks: by a certificate that the proxy checked when the connection came, and that is judged anew at each request.

use std::{net::SocketAddr, sync::Arc};

use muster_access::{Identity, Usage};
use muster_proxy::{NotIdentified, Signer};

use super::{super::Authority, Problem};

/// Who asks, as the proxy found out: an extension of each request. Without one nobody is answered.
#[derive(Clone, Debug)]
pub struct Caller {
    /// From where.
    pub address: SocketAddr,
    /// Who, where a certificate was shown that was checked; otherwise why not.
    pub login: Result<Login, NotIdentified>,
}

/// A certificate that was shown and checked.
#[derive(Clone, Debug)]
pub struct Login {
    /// Whose it is.
    pub identity: Arc<Identity>,
    /// Who signed it.
    pub signer: Signer,
}

impl Caller {
    /// Who has logged in. A connection lives for minutes, so all that may be different since it came is asked again.
    pub(super) fn logged_in(self, authority: &Authority) -> Result<Login, Problem> {
        let without =
            |why: &str| Problem::new(401, "certificate", why).hint("log in with `muster login`");
        let login = self.login.map_err(|why| match why {
            NotIdentified::Missing => without("show the certificate of a login"),
            why => without(&why.to_string()),
        })?;
        if login.identity.usage != Usage::User {
            return Err(without("this is not the certificate of a login"));
        }
        if login.identity.expires <= authority.now() {
            return Err(without("the certificate has expired"));
        }
        if !authority.believes(login.signer) {
            return Err(without(
                "the authority that made the certificate is no longer trusted",
            ));
        }
        Ok(login)
    }

    /// Who has logged in, and may open something now: others have no business here, whatever their certificate says.
    pub(super) fn admitted(self, authority: &Authority) -> Result<Arc<Identity>, Problem> {
        let who = self.logged_in(authority)?.identity;
        let admits = authority.policy.load().admits(&who, authority.now());
        admits.map_err(|denial| super::refused(&denial))?;
        Ok(who)
    }
}
