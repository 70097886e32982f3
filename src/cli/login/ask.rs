//! Answers of a person: from a terminal, secret ones without echo; or from a file.
//!
//! While a secret is typed, the terminal neither shows it nor makes signals of keys, so that Ctrl+C cannot leave a terminal
//! behind that shows nothing: it ends the line, and is understood here.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, IsTerminal, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use muster_client::{Link, Secret};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use crate::{
    cli::{Failure, authority::warn_of},
    exit::Exit,
};

/// The most bytes of all answers in a file, and of one line of a terminal.
const MOST: u64 = 16 << 10;

/// What Ctrl+C types.
const CTRL_C: u8 = 3;

/// Where answers come from.
pub(super) struct Answers {
    /// What a file holds that was named for it, or standard input.
    given: Option<VecDeque<Secret>>,
    /// Whether that is standard input: then an invitation stands there as well.
    from_stdin: bool,
}

impl Answers {
    /// Reads the file that was named, if any.
    pub fn of(file: Option<&Path>) -> Result<Self, Failure> {
        let from_stdin = file.is_some_and(|file| file.as_os_str() == "-");
        let given = file.map(|file| match from_stdin {
            true => lines(&mut io::stdin().lock()),
            false => {
                warn_if_open(file);
                File::open(file).and_then(|mut file| lines(&mut file))
            }
        });
        let given = given.transpose().map_err(|error| {
            let name = file
                .map(|file| file.display().to_string())
                .unwrap_or_default();
            Failure::new(format!("cannot read the password in {name}"))
                .cause(&error)
                .hint("name a file whose first line is the password, or `-` for standard input")
        })?;
        Ok(Self { given, from_stdin })
    }

    /// Whether there is somebody to ask something that is no secret.
    pub fn on_terminal(&self) -> bool {
        !self.from_stdin && io::stdin().is_terminal()
    }

    /// Whether secrets are asked for, and not read from a file.
    pub fn asks(&self) -> bool {
        self.given.is_none()
    }

    /// An invitation: as it was given, or asked for where it is `-`.
    pub fn link(&mut self, given: &str) -> Result<Link, Failure> {
        let text = match given {
            "-" if self.from_stdin => self.next("the invitation")?,
            "-" if self.on_terminal() => typed("The link of the invitation: ", true)?,
            "-" => Secret::new(line(&mut io::stdin().lock())?.to_string()),
            link => Secret::new(link.to_owned()),
        };
        Ok(text.reveal().parse()?)
    }

    /// A password.
    pub fn password(&mut self, question: &str) -> Result<Secret, Failure> {
        self.secret(question, "the password", "give the password in a file that only you read: `--password-file FILE`, or `-` for standard input")
    }

    /// A code of a second factor.
    pub fn code(&mut self, question: &str) -> Result<Secret, Failure> {
        self.secret(
            question,
            "the code of the second factor",
            "write the code into the second line of the file of `--password-file`",
        )
    }

    /// A code, where the file has one.
    pub fn code_given(&mut self) -> Option<Secret> {
        self.given.as_mut()?.pop_front()
    }

    fn secret(&mut self, question: &str, what: &str, hint: &str) -> Result<Secret, Failure> {
        if self.given.is_some() {
            return self.next(what).map_err(|failure| failure.hint(hint));
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::new(format!("cannot ask for {what}"))
                .because("standard input is no terminal")
                .hint(hint));
        }
        typed(question, true)
    }

    fn next(&mut self, what: &str) -> Result<Secret, Failure> {
        let next = self.given.as_mut().and_then(VecDeque::pop_front);
        next.ok_or_else(|| {
            Failure::new(format!("cannot log in without {what}"))
                .because("the file of `--password-file` has no line for it")
        })
    }

    /// Whether the person types `yes`.
    pub fn agree(&self, question: &str) -> Result<bool, Failure> {
        let answer = typed(question, false)?;
        let answer = answer.reveal().trim().to_ascii_lowercase();
        Ok(matches!(answer.as_str(), "y" | "yes"))
    }

    /// Tells whoever is asked something; a file is told nothing.
    pub fn say(&self, text: &str) -> io::Result<()> {
        match self.asks() {
            true => writeln!(io::stderr(), "{text}"),
            false => Ok(()),
        }
    }
}

/// The lines of a file of secrets; empty ones at the end are none.
fn lines(from: &mut dyn Read) -> io::Result<VecDeque<Secret>> {
    let mut text = Zeroizing::new(String::new());
    from.take(MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST {
        return Err(io::Error::other("it is too large for a password"));
    }
    let lines = text.trim_end_matches(['\r', '\n']).split('\n');
    let line = |line: &str| Secret::new(line.trim_end_matches('\r').to_owned());
    Ok(lines
        .map(line)
        .filter(|line| !line.reveal().is_empty())
        .collect())
}

/// Says so when others can read a file of secrets.
fn warn_if_open(file: &Path) {
    let mode =
        fs::metadata(file).map(|metadata| (metadata.is_file(), metadata.permissions().mode()));
    if let Ok((true, mode)) = mode
        && mode & 0o077 != 0
    {
        let name = file.display();
        warn_of(&[format!(
            "{name} can be read by others of this machine: `chmod 600 {name}`"
        )]);
    }
}

/// Asks on the terminal, and reads a line.
fn typed(question: &str, secret: bool) -> Result<Secret, Failure> {
    let mut err = io::stderr();
    let answer = {
        // Before the question: who answers at once is not shown either, and loses nothing.
        let _hidden = secret.then(Hidden::begin).transpose().map_err(cannot_ask)?;
        write!(err, "{question}")
            .and_then(|()| err.flush())
            .map_err(cannot_ask)?;
        line(&mut io::stdin().lock())
    };
    if secret {
        // The key that ended the line was not shown either.
        writeln!(err).map_err(cannot_ask)?;
    }
    let answer = answer?;
    if answer.is_empty() && secret {
        return Err(Failure::new("not logged in").because("nothing was typed"));
    }
    Ok(Secret::new(answer.to_string()))
}

/// Reads a line, to its end and no further.
fn line(from: &mut dyn BufRead) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    loop {
        let read = from.fill_buf().map_err(cannot_ask)?;
        let end = read.iter().position(|byte| matches!(*byte, b'\n' | CTRL_C));
        if end.and_then(|end| read.get(end)) == Some(&CTRL_C) {
            return Err(Failure::new("interrupted").exits(Exit::Interrupted));
        }
        let taken = end.unwrap_or(read.len());
        bytes.extend(read.iter().take(taken));
        let last = read.is_empty();
        from.consume(end.map_or(taken, |end| end + 1));
        if end.is_some() || last {
            break;
        }
        if bytes.len() as u64 > MOST {
            return Err(Failure::new("not logged in").because("what was typed is too long"));
        }
    }
    let text = std::str::from_utf8(&bytes);
    let text =
        text.map_err(|_| Failure::new("not logged in").because("what was typed is not UTF-8"))?;
    Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned()))
}

fn cannot_ask(error: io::Error) -> Failure {
    Failure::new("cannot ask on the terminal").cause(&error)
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ISIG);
        hidden.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
