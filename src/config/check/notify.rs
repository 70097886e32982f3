//! `notify`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use url::Url;

use super::{
    super::{NOTIFY_TIMEOUT, Sink, SinkKind, file, problem::meant},
    Check, child,
};
use crate::service::notice::NoticeEvent;

impl Check<'_> {
    /// Who is told.
    pub(super) fn notify(&mut self, notify: Option<file::Many<file::Notify>>) -> Vec<Sink> {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut sinks = Vec::new();
        for (path, notify) in self.entries("notify", notify) {
            let file::Notify {
                name,
                events,
                webhook,
                command,
                timeout,
            } = notify;
            let name = self.sink_name(&child(&path, "name"), name, &mut names);
            let events = self.events(&child(&path, "events"), events);
            let how = self.sink_kind(&path, webhook, command);
            let path = child(&path, "timeout");
            let timeout = self.span(&path, timeout, NOTIFY_TIMEOUT, "1s", "5m");
            sinks.extend(how.map(|how| Sink {
                name,
                events,
                how,
                timeout,
            }));
        }
        sinks
    }

    /// The name, and that no sink before has it.
    fn sink_name(
        &mut self,
        path: &str,
        name: Option<String>,
        names: &mut BTreeMap<String, String>,
    ) -> String {
        let Some(name) = name else {
            self.missing(
                path,
                "give it a name, under which it is remembered what it has had",
            );
            return String::new();
        };
        let is_valid = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_valid) {
            let hint = "1 to 64 of `a-z A-Z 0-9 . _ -`".to_owned();
            self.error(path, "it cannot be a name here", hint);
        } else if let Some(other) = names.get(&name) {
            let message = format!("{other} has this name already");
            let hint = "what was delivered is remembered by the name".to_owned();
            self.error(path, message, hint);
        } else {
            let sink = path.strip_suffix(".name").unwrap_or(path);
            names.insert(name.clone(), sink.to_owned());
        }
        name
    }

    fn events(&mut self, path: &str, events: Option<file::Many<String>>) -> BTreeSet<NoticeEvent> {
        let known: Vec<&str> = NoticeEvent::ALL
            .iter()
            .map(|event| event.as_str())
            .collect();
        let Some(events) = events else {
            let hint = format!("name some of: {}, or \"*\" for all", known.join(", "));
            self.missing(path, &hint);
            return BTreeSet::new();
        };
        let Some(words) = self.names(path, events) else {
            return NoticeEvent::ALL.iter().copied().collect();
        };
        let mut events = BTreeSet::new();
        for (path, word) in words {
            match NoticeEvent::ALL.iter().find(|event| event.as_str() == word) {
                Some(event) => {
                    events.insert(*event);
                }
                None => self.error(&path, "unknown event", meant(&word, &known)),
            }
        }
        events
    }

    fn sink_kind(
        &mut self,
        path: &str,
        webhook: Option<file::Webhook>,
        command: Option<file::Many<String>>,
    ) -> Option<SinkKind> {
        let both = webhook.is_some() && command.is_some();
        if both {
            let hint = "make two entries of it".to_owned();
            self.error(path, "`webhook` and `command` are both given", hint);
        }
        // What is wrong with either is said all the same.
        let neither = webhook.is_none() && command.is_none();
        let webhook = webhook.and_then(|webhook| self.webhook(&child(path, "webhook"), webhook));
        let command = command.and_then(|command| self.command(&child(path, "command"), command));
        let damaged = |key| self.is_damaged(&child(path, key));
        if neither && !damaged("webhook") && !damaged("command") {
            let hint = "name a `webhook` or a `command`".to_owned();
            self.error(path, "it does not say how", hint);
        }
        webhook.or(command)
    }

    fn webhook(&mut self, path: &str, webhook: file::Webhook) -> Option<SinkKind> {
        let file::Webhook {
            url,
            authorization_file,
            secret_file,
        } = webhook;
        let mut secret = |key: &str, text: Option<String>| -> Option<PathBuf> {
            let path = child(path, key);
            let file = self.secret_file(&path, &text?)?;
            self.secret(&path, &file);
            Some(file)
        };
        let authorization_file = secret("authorization_file", authorization_file);
        let secret_file = secret("secret_file", secret_file);
        let url_path = child(path, "url");
        let Some(text) = url else {
            self.missing(&url_path, "name the address to which changes are posted");
            return None;
        };
        let Ok(url) = Url::parse(&text) else {
            let hint = "it looks like https://hooks.example.com/databases".to_owned();
            self.error(&url_path, "it is not a URL", hint);
            return None;
        };
        if self.is_safe_url(&url_path, &url) && url.fragment().is_some() {
            self.error(
                &url_path,
                "it has a fragment",
                "end it before the `#`".to_owned(),
            );
        }
        Some(SinkKind::Webhook {
            url,
            authorization_file,
            secret_file,
        })
    }

    /// The file of a secret. The whole path: then nobody takes the key for the place of the secret itself, which would
    /// be shown as the path is.
    pub(super) fn secret_file(&mut self, path: &str, text: &str) -> Option<PathBuf> {
        let hint =
            "write the whole path of the file that has it; the secret itself does not belong here";
        let wrong = if text.trim().is_empty() {
            "it is empty"
        } else if text.starts_with('~') {
            "`~` is not expanded here"
        } else if text.contains("${") {
            "variables are not expanded here"
        } else if !Path::new(text).is_absolute() {
            "it is not an absolute path"
        } else {
            return Some(Path::new(text).components().collect());
        };
        self.error(path, wrong, hint.to_owned());
        None
    }

    /// A program and its arguments.
    fn command(&mut self, path: &str, command: file::Many<String>) -> Option<SinkKind> {
        let argv: Vec<(String, String)> = self.entries(path, Some(command));
        let (path, program) = argv.first()?;
        let is_absolute = Path::new(program).is_absolute();
        if argv.len() == 1 && program.split_whitespace().nth(1).is_some() {
            let hint = "write a list: the program, then each of its arguments by itself".to_owned();
            self.error(path, "there is no shell that could take this apart", hint);
        } else if program.trim().is_empty() {
            self.error(path, "it is empty", "name a program".to_owned());
        } else if !is_absolute {
            let hint = "write its whole path, such as /usr/local/bin/announce".to_owned();
            self.error(path, "it is not an absolute path", hint);
        } else {
            self.program(path, Path::new(program));
        }
        if argv.iter().any(|(_, argument)| argument.contains('\0')) {
            self.error(path, "a NUL cannot be in an argument", None);
        }
        let argv = argv.into_iter().map(|(_, argument)| argument).collect();
        Some(SinkKind::Command { argv })
    }
}
