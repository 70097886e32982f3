//! PEM (RFC 7468): base64 between two lines that say what it is.

use base64::{Engine, engine::general_purpose::STANDARD};

/// Whether a text has such lines.
pub(super) fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

/// The bytes of the first block, which must be of this label.
pub(super) fn read(text: &str, label: &str) -> Result<Vec<u8>, String> {
    let found = text
        .split_once("-----BEGIN ")
        .and_then(|(_, rest)| rest.split_once("-----"));
    let Some((found, rest)) = found else {
        return Err(format!(
            "it is no PEM file: there is no line `-----BEGIN {label}-----`"
        ));
    };
    if found != label {
        return Err(match found {
            "PRIVATE KEY" => {
                "it is a private key, and its public half is needed: `openssl pkey -pubout`"
                    .to_owned()
            }
            "PUBLIC KEY" => "it is a public key, and the private one signs".to_owned(),
            "ENCRYPTED PRIVATE KEY" => {
                "it is encrypted: `openssl pkey` takes the password away".to_owned()
            }
            _ => format!(
                "it is something else in PEM, and `{label}` is needed, as `openssl genpkey -algorithm ed25519` makes it"
            ),
        });
    }
    let Some((body, _)) = rest.split_once(&format!("-----END {label}-----")) else {
        return Err(format!(
            "it is cut short: there is no line `-----END {label}-----`"
        ));
    };
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD
        .decode(body)
        .map_err(|_| "what is between its lines is no base64".to_owned())
}

/// A block, in lines of 64 letters.
pub(super) fn write(label: &str, bytes: &[u8]) -> String {
    let body = STANDARD.encode(bytes);
    let mut out = format!("-----BEGIN {label}-----\n");
    for (place, letter) in body.chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out + &format!("\n-----END {label}-----\n")
}
