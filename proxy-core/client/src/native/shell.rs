//! Words and variables for shells.

use std::fmt::Write as _;

/// A family of shells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shell {
    /// `sh`, `bash`, `zsh`, `dash`.
    #[default]
    Sh,
    /// `fish`.
    Fish,
    /// `pwsh`.
    PowerShell,
}

impl Shell {
    /// Lines that set these variables, to be evaluated.
    pub fn export(self, variables: &[(&str, String)]) -> String {
        let mut lines = String::new();
        for (name, value) in variables {
            let value = word(self, value);
            // Writing to a String does not fail.
            let _ = match self {
                Self::Sh => writeln!(lines, "export {name}={value}"),
                Self::Fish => writeln!(lines, "set -gx {name} {value}"),
                Self::PowerShell => writeln!(lines, "$env:{name} = {value}"),
            };
        }
        lines
    }
}

/// A text as one word that the shell changes nothing of.
pub fn word(shell: Shell, text: &str) -> String {
    match shell {
        Shell::Sh => format!("'{}'", text.replace('\'', r"'\''")),
        Shell::Fish => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
        // PowerShell takes typographic quotes for quotes as well, and doubles them in the same way.
        Shell::PowerShell => {
            let mut word = String::from("'");
            for letter in text.chars() {
                if matches!(letter, '\'' | '\u{2018}'..='\u{201b}') {
                    word.push(letter);
                }
                word.push(letter);
            }
            word.push('\'');
            word
        }
    }
}
