//! From what the user wrote to a [`Config`], or to all that is wrong with it.

mod aws;
mod azure;
mod databases;
pub mod files;
mod notify;
mod plugins;
mod proxy;
mod schedule;
mod service;
mod settings;
mod sources;

use std::{
    collections::BTreeSet,
    fs::File as OpenFile,
    io::Read,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use muster_matchers::{Chain, RuleFile, SourceFilter};
use muster_model::{AccountId, Provider};
use rustix::fs::{Mode, OFlags};

pub use self::plugins::With;
use self::schedule::Basis;
pub use super::problem::{ConfigError, Located, Problem};
use super::{
    AwsAccountRef, AwsSource, AzureSource, Config,
    decode::{Damage, MAX_PROBLEMS, MORE, decode},
    document::{Content, Document, Node, child, is_private, is_settings},
    file::{File, VERSION},
};
use crate::plugins::Plugins;

/// The largest file that is read, in bytes.
pub const MAX_FILE_LEN: u64 = 4 * 1024 * 1024;

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The text it was made from, to recognise it again.
    pub bytes: Vec<u8>,
    /// What looks as if it were not meant, by line.
    pub warnings: Vec<Problem>,
    /// The paths of all values that the file itself gives: `removal.grace.scans`.
    pub given: BTreeSet<String>,
    /// The matchers behind rules with a `plugin`; none unless they were to be loaded.
    pub plugins: Arc<Plugins>,
}

/// Reads and checks a file.
///
/// # Errors
/// Everything that is wrong with it; if it cannot be read at all, only that.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    load_by(path, None, |path| OpenFile::open(path))
}

/// Reads and checks a file, and loads the matchers of one's own that it names. The other files that it names are looked at.
///
/// # Errors
/// Everything that is wrong with it and with them; if it cannot be read at all, only that.
pub fn load_with(path: &Path, with: With<'_>) -> Result<Loaded, ConfigError> {
    load_by(path, Some(with), |path| OpenFile::open(path))
}

/// The same for who must not wait: what is no file, such as a pipe that nobody writes to, is refused.
///
/// # Errors
/// As [`load_with`].
pub fn load_file(path: &Path, with: With<'_>) -> Result<Loaded, ConfigError> {
    load_by(path, Some(with), |path| {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = OpenFile::from(rustix::fs::open(path, flags, Mode::empty())?);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(std::io::Error::other("it is not a regular file"))
        }
    })
}

fn load_by(
    path: &Path,
    with: Option<With<'_>>,
    open: impl FnOnce(&Path) -> std::io::Result<OpenFile>,
) -> Result<Loaded, ConfigError> {
    let refused = |problem| ConfigError {
        path: path.to_owned(),
        problems: vec![problem],
    };
    let unreadable = |error: std::io::Error| {
        let problem = Problem::error("", format!("cannot read the file: {error}"));
        refused(match error.kind() {
            std::io::ErrorKind::NotFound => problem.hint("`muster config create` writes one"),
            _ => problem,
        })
    };
    let mut bytes = Vec::new();
    open(path)
        .and_then(|file| file.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    match String::from_utf8(bytes) {
        Ok(text) => checked(&text, Some(path), with, with.is_some()),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..valid).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(refused(
                Problem::error("", "the file is not UTF-8 text")
                    .at(Some(line))
                    .hint("save it in the encoding UTF-8"),
            ))
        }
    }
}

/// Checks a text. `path` is where it came from: problems name it, and a relative `store` starts at its directory.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, path: Option<&Path>) -> Result<Loaded, ConfigError> {
    checked(text, path, None, false)
}

/// The same, and loads the matchers of one's own that it names.
///
/// # Errors
/// Everything that is wrong with it and with them.
pub fn parse_with(text: &str, path: Option<&Path>, with: With<'_>) -> Result<Loaded, ConfigError> {
    checked(text, path, Some(with), false)
}

fn checked(
    text: &str,
    path: Option<&Path>,
    with: Option<With<'_>>,
    looks_at_files: bool,
) -> Result<Loaded, ConfigError> {
    let failed = |mut problems: Vec<Problem>| {
        problems.sort_by_key(|problem| (problem.message == MORE, problem.line));
        if problems.len() > MAX_PROBLEMS {
            problems.truncate(MAX_PROBLEMS);
            problems.push(Problem::error("", MORE));
        }
        ConfigError {
            path: path.unwrap_or(Path::new("configuration")).to_owned(),
            problems,
        }
    };
    if u64::try_from(text.len()).is_ok_and(|len| len > MAX_FILE_LEN) {
        let message = format!("the file is larger than {} MiB", MAX_FILE_LEN >> 20);
        return Err(failed(vec![Problem::error("", message)]));
    }
    let bytes = text.as_bytes().to_vec();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(is_blank) {
        let problem =
            Problem::error("", "the file is empty").hint("`muster config create` writes one");
        return Err(failed(vec![problem]));
    }
    let (mut document, mut problems) =
        Document::read(text).map_err(|problem| failed(vec![problem]))?;
    if let Some(problem) = wrong_root(&document.root) {
        return Err(failed(vec![problem]));
    }

    let mut damage = Damage::default();
    drop_nothing(&mut document.root, "", &mut damage);
    let file = decode::<File>(&mut document, &mut damage);
    problems.append(&mut damage.problems);
    let mut check = Check {
        document: &document,
        problems,
        damaged: damage.places,
        looks_at_files,
    };
    let config = file.and_then(|file| check.file(file, path));
    if let (Some(config), None) = (&config, with.and_then(|with| with.store)) {
        check.directory("store", &config.store);
    }
    let plugins = match (&config, with) {
        (Some(config), Some(with)) => check.plugins(config, with),
        _ => Arc::default(),
    };
    let mut problems = check.problems;
    problems.sort_by_key(|problem| problem.line);
    match config {
        Some(config) if problems.iter().all(|problem| problem.warning) => {
            let given = document.paths().into_iter().collect();
            Ok(Loaded {
                config,
                bytes,
                warnings: problems,
                given,
                plugins,
            })
        }
        _ => Err(failed(problems)),
    }
}

/// Why nothing else of the file is worth looking at.
fn wrong_root(root: &Node) -> Option<Problem> {
    let Content::Map(entries) = &root.content else {
        return Some(
            Problem::error(
                "",
                format!(
                    "expected a map at the top of the file, found {}",
                    root.what()
                ),
            )
            .at(root.line)
            .hint("it begins with `version: 1`"),
        );
    };
    let (_, node) = entries.iter().find(|(key, _)| key == "version")?;
    let Content::Scalar(value) = &node.content else {
        return None;
    };
    let version = value.as_u64().filter(|version| *version != VERSION)?;
    let message = format!("version {version} of the configuration format is not known here");
    let hint = if version > VERSION {
        format!("this muster reads version {VERSION}; a newer one may read version {version}")
    } else {
        format!("this muster reads version {VERSION}")
    };
    Some(Problem::error("version", message).at(node.line).hint(hint))
}

/// Keys that are given without a value: serde would take them for absent, silently.
fn drop_nothing(node: &mut Node, path: &str, damage: &mut Damage) {
    if let Content::Scalar(serde_yaml::Value::Null) = node.content {
        node.dropped = true;
        damage.places.insert(path.to_owned());
        damage.problems.push(
            Problem::error(path, "it has no value")
                .at(node.line)
                .hint("give one, or remove it"),
        );
    }
    if is_settings(path) {
        // What is in them is the plugin's to judge, and `null` may mean something to it.
        return;
    }
    match &mut node.content {
        Content::Scalar(_) => {}
        Content::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                drop_nothing(item, &format!("{path}[{index}]"), damage);
            }
        }
        Content::Map(entries) => {
            for (key, value) in entries {
                drop_nothing(value, &child(path, key), damage);
            }
        }
    }
}

/// What a source selects: one filter for each, in the order of the file, AWS first.
pub fn static_filters(config: &Config) -> Vec<SourceFilter> {
    let aws = config.aws.iter().map(|source| SourceFilter {
        name: source.name.clone(),
        provider: Provider::Aws,
        services: source.services.iter().copied().collect(),
        // The account of ambient credentials is not known before they are used: then any may be it.
        accounts: source.accounts.iter().map(AwsAccountRef::account).collect(),
        regions: source.regions.clone(),
        resource_groups: None,
        tags: source.tags.clone(),
    });
    let azure = config.azure.iter().map(|source| SourceFilter {
        name: source.name.clone(),
        provider: Provider::Azure,
        services: source.services.iter().copied().collect(),
        accounts: source
            .subscriptions
            .as_ref()
            .map(|ids| ids.iter().map(|id| AccountId::new(id.as_str())).collect()),
        regions: source.regions.clone(),
        resource_groups: source.resource_groups.clone(),
        tags: source.tags.clone(),
    });
    aws.chain(azure).collect()
}

/// The state of a check: what was found so far, and where.
struct Check<'d> {
    document: &'d Document,
    problems: Vec<Problem>,
    damaged: BTreeSet<String>,
    /// Whether the files that it names are looked at.
    looks_at_files: bool,
}

impl Check<'_> {
    fn error(&mut self, path: &str, message: impl Into<String>, hint: impl Into<Option<String>>) {
        let line = self.document.line(path);
        let hint = hint.into();
        self.problems.push(Problem {
            hint,
            ..Problem::error(path, message).at(line)
        });
    }

    fn warn(&mut self, path: &str, message: impl Into<String>, hint: impl Into<Option<String>>) {
        let line = self.document.line(path);
        let hint = hint.into();
        self.problems.push(Problem {
            hint,
            warning: true,
            ..Problem::error(path, message).at(line)
        });
    }

    /// A value that is needed and not there. It may be there and wrong, or under a misspelt key: then that is
    /// what there is to say.
    fn missing(&mut self, path: &str, hint: &str) {
        if !self.damaged.contains(path) {
            self.error(path, "it is missing", hint.to_owned());
        }
    }

    /// Whether anything at or under `path` was wrong.
    fn is_damaged(&self, path: &str) -> bool {
        self.damaged.iter().any(|place| {
            place
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    fn file(&mut self, file: File, path: Option<&Path>) -> Option<Config> {
        if file.version.is_none() {
            self.missing("version", &format!("write `version: {VERSION}`"));
        }
        let store = self.store(file.store, path);
        let group = self.group(file.group);
        let policy = self.policy(file.policy);
        let said = file.schedule.unwrap_or_default();
        let schedule = self.schedule(&said);
        let basis = Basis {
            said: &said,
            pace: &schedule,
        };
        let served = file.proxy.is_some();
        let (aws, azure) = self.sources(file.sources, served, basis);
        let settings = self.settings(policy, group, file.removal);
        let plugins = self.plugin_settings(file.plugins);
        let requests = self.requests(file.requests);
        let azure_endpoints = self.endpoints(file.azure_endpoints);
        let service = self.service(file.service);
        let notify = self.notify(file.notify);
        let history = self.history(file.history);
        let proxy = self.proxy(file.proxy, path);
        let databases = self.databases(file.databases, proxy.as_ref(), served);
        let audit = self.audit(file.audit, path);
        let config = Config {
            path: path.map(Path::to_owned),
            store: store.unwrap_or_default(),
            settings,
            aws,
            azure,
            databases,
            rules: file.rules,
            plugins,
            requests,
            azure_endpoints,
            schedule,
            service,
            notify,
            history,
            proxy,
            audit,
        };
        self.chain(&config);
        Some(config)
    }

    fn store(&mut self, store: Option<String>, file: Option<&Path>) -> Option<PathBuf> {
        let Some(text) = store else {
            self.missing(
                "store",
                "name the directory for muster's data: `store: /var/lib/muster`",
            );
            return None;
        };
        let variable = "write the path; `MUSTER_STORE` overrides it";
        Some(self.beside("store", &text, file, "name a directory", variable))
    }

    /// A path; a relative one begins at the directory of the file.
    fn beside(
        &mut self,
        path: &str,
        text: &str,
        file: Option<&Path>,
        empty: &str,
        variable: &str,
    ) -> PathBuf {
        if text.trim().is_empty() {
            self.error(path, "it is empty", empty.to_owned());
        } else if text.starts_with('~') {
            let hint = "write the whole path".to_owned();
            self.error(path, "`~` is not expanded here", hint);
        } else if text.contains("${") {
            self.error(path, "variables are not expanded here", variable.to_owned());
        }
        let base = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let parts = base.join(text);
        let parts = parts.components();
        parts.filter(|part| *part != Component::CurDir).collect()
    }

    /// Sources and rules, through the chain that will judge by them. Rules that could not be read are left out
    /// here: what is wrong with them is said already.
    fn chain(&mut self, config: &Config) {
        let whole = self.problems.iter().all(|problem| problem.warning);
        let mut sound: Vec<RuleFile> = Vec::new();
        let mut paths = Vec::new();
        for (index, rule) in config.rules.iter().flatten().enumerate() {
            let path = self.document.item("rules", index);
            if !self.is_damaged(&path) {
                sound.push(rule.clone());
                paths.push(path);
            }
        }
        if sound.is_empty() && config.rules.is_some() && !self.is_damaged("rules") {
            let hint = "remove `rules` to enroll all that the sources select".to_owned();
            self.error(
                "rules",
                "the list is empty, so nothing would be enrolled",
                hint,
            );
            return;
        }
        let rules = config.rules.is_some().then_some(sound.as_slice());
        let problems = Chain::check(static_filters(config), rules);
        for muster_matchers::Problem {
            path,
            message,
            hint,
            warning,
        } in problems
        {
            // With sources that are wrong, or without rules that are, warnings mean nothing.
            if whole || !warning {
                let path = translate(&path, &paths);
                let line = self.document.line(&path);
                self.problems.push(Problem {
                    path,
                    line,
                    message,
                    hint,
                    warning,
                });
            }
        }
    }
}

/// The path of a rule's part in the file, when it is known where the rules stood there.
fn translate(path: &str, rules: &[String]) -> String {
    let parts = || {
        let (index, rest) = path.strip_prefix("rules[")?.split_once(']')?;
        Some((rules.get(index.parse::<usize>().ok()?)?, rest))
    };
    parts().map_or_else(|| path.to_owned(), |(rule, rest)| format!("{rule}{rest}"))
}
