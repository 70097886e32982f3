//! The page that an invitation's link leads to: a form to choose a password, for whoever has a browser and nothing else.
//!
//! Without scripts, and without anything from elsewhere. The invitation stands in the address, so the page tells nobody
//! where it was, and is kept by no cache.

use std::{fmt::Write, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Caller, Served, bytes, problem::Problem};
use crate::authority::people::{Denied, Invitation};

/// What a browser may do with the page.
const RULES: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
];

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:3em auto;padding:0 1em}\
    input{display:block;font:inherit;width:100%;margin:.2em 0 1em;padding:.4em;box-sizing:border-box}\
    button{font:inherit;padding:.4em 1.2em}code{overflow-wrap:anywhere}.wrong{color:#b00020}";

/// The form.
pub(super) async fn show(
    State(api): Served,
    Extension(Caller { address, .. }): Extension<Caller>,
    Path(token): Path<String>,
) -> Response {
    let authority = Arc::clone(&api.authority);
    let looked = move || match authority.invitation(&token, address) {
        Ok(invitation) => form(StatusCode::OK, &invitation, None),
        Err(denied) => refusal(denied),
    };
    let page = tokio::task::spawn_blocking(looked).await;
    page.unwrap_or_else(|_| broke_off())
}

/// What was filled in.
pub(super) async fn take(
    State(api): Served,
    Extension(Caller { address, .. }): Extension<Caller>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let body = match bytes(request).await {
        Ok(body) => body,
        Err(problem) => return said(&problem),
    };
    let (mut password, mut again, mut code) = (String::new(), String::new(), String::new());
    for (name, value) in url::form_urlencoded::parse(&body) {
        match &*name {
            "password" => password = value.into_owned(),
            "again" => again = value.into_owned(),
            "code" => value.trim().clone_into(&mut code),
            _ => {}
        }
    }
    let took = api.slowly(move |authority| {
        let invitation = match authority.invitation(&token, address) {
            Ok(invitation) => invitation,
            Err(denied) => return Ok(refusal(denied)),
        };
        if password != again {
            let why = "both passwords have to be the same";
            return Ok(form(
                StatusCode::UNPROCESSABLE_ENTITY,
                &invitation,
                Some(why),
            ));
        }
        let code = Some(code.as_str()).filter(|code| !code.is_empty());
        Ok(match authority.accept(&token, &password, code, address) {
            Ok(accepted) => done(&accepted.user, authority.cluster_name()),
            Err(Denied::Refused(refused)) => form(
                StatusCode::UNPROCESSABLE_ENTITY,
                &invitation,
                Some(&refused.what),
            ),
            Err(denied) => refusal(denied),
        })
    });
    match took.await {
        Ok(page) => page,
        Err(problem) => said(&problem),
    }
}

fn form(status: StatusCode, invitation: &Invitation, wrong: Option<&str>) -> Response {
    let Invitation {
        user,
        expires,
        totp_required,
        totp_secret,
        totp_link,
    } = invitation;
    let mut body = format!("<h1>Welcome, {}</h1>", escaped(user));
    let factor = match totp_required {
        true => {
            "Your roles demand a second factor: put this secret into an authenticator app, and type in its code."
        }
        false => {
            "If you want a second factor, put this secret into an authenticator app, and type in its code."
        }
    };
    if let Some(wrong) = wrong {
        // Writing to a String does not fail.
        let _ = write!(body, "<p class=\"wrong\">{}</p>", escaped(wrong));
    }
    let required = if *totp_required { " required" } else { "" };
    let _ = write!(
        body,
        "<form method=\"post\"><label>A new password, of at least 12 characters\
         <input name=\"password\" type=\"password\" autocomplete=\"new-password\" minlength=\"12\" required></label>\
         <label>The same again<input name=\"again\" type=\"password\" autocomplete=\"new-password\" required></label>\
         <p>{factor}<br><code>{}</code> <a href=\"{}\">open the app</a></p>\
         <label>Code<input name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" \
         pattern=\"[0-9]{{6}}\"{required}></label><button>Set the password</button></form>\
         <p>This invitation is good once, until {expires}.</p>",
        escaped(totp_secret),
        escaped(totp_link),
    );
    page(status, "Invitation", &body)
}

fn done(user: &str, cluster: &str) -> Response {
    let body = format!(
        "<h1>Done</h1><p>The password of {} at {} is set.</p>",
        escaped(user),
        escaped(cluster)
    );
    page(StatusCode::OK, "Done", &body)
}

fn refusal(denied: Denied) -> Response {
    said(&denied.into())
}

fn said(problem: &Problem) -> Response {
    let (status, text) = problem.in_words();
    let body = format!("<h1>This does not work</h1><p>{}</p>", escaped(&text));
    page(status, "Invitation", &body)
}

fn broke_off() -> Response {
    said(&Problem::new(500, "failed", "the answer broke off"))
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\
         <body>{body}</body></html>\n"
    );
    let mut response = (status, Body::from(text)).into_response();
    for (name, value) in RULES {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Text within HTML, also within an attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}
