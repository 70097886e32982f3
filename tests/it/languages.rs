//! Matchers in JavaScript, Python and C, from `muster plugin new` to verdicts: the projects build and pass their tests
//! as they are, they all say what a native implementation says, and the matchers of this repository that are written in
//! them are what their READMEs say.
//!
//! What builds them is in `MUSTER_TEST_TOOLS` (`tests/tools/languages.sh`); without it these tests fail.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use muster_model::{Database, Labels};
use muster_store::SledStore;
use muster_wasm::{Candidate, Compiler, Enroll, Host, Limits, Options, Verdict};
use tempfile::TempDir;

use crate::{
    plugin::guests::{compiler, with_cargo},
    support::draw::{Draw, Printed, seed},
};

const HOW: &str =
    "install what builds plugins with `tests/tools/languages.sh`, and clang and lld by the system";

/// A language, and what its template's own tests are run by.
struct Language {
    name: &'static str,
    tests: &'static [&'static [&'static str]],
    built: OnceLock<PathBuf>,
}

static LANGUAGES: [Language; 3] = [
    Language {
        name: "js",
        tests: &[&["node", "--test"]],
        built: OnceLock::new(),
    },
    Language {
        name: "python",
        tests: &[&["python3", "-B", "-m", "unittest"]],
        built: OnceLock::new(),
    },
    Language {
        name: "c",
        tests: &[
            &[
                "cc",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-std=c11",
                "-o",
                "tested",
                "plugin.c",
                "muster.c",
                "test_plugin.c",
            ],
            &["./tested"],
        ],
        built: OnceLock::new(),
    },
];

fn tools() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools");
    let tools = env::var_os("MUSTER_TEST_TOOLS").map_or(own, PathBuf::from);
    for tool in ["componentize-qjs", "componentize-py"] {
        let file = tools.join("bin").join(tool);
        assert!(file.exists(), "no {}; {HOW}", file.display());
    }
    tools
}

/// Where everything here is written, and stays: what was compiled once is not compiled again.
fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages")
}

fn path() -> std::ffi::OsString {
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(tools().join("bin")).chain(env::split_paths(&rest)))
        .expect("a PATH")
}

fn muster(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(args)
        .current_dir(folder)
        .env("PATH", path())
        .env("XDG_CACHE_HOME", scratch().join("cache"))
        .env_remove("CC")
        .output()
        .expect("muster runs")
}

fn succeeds(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what} ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// Runs a matcher's own tests, builds it, and tests what was built by its tests.yaml.
fn build_and_test(project: &Path, component: &str, tests: &[&[&str]]) {
    for line in tests {
        let output = Command::new(line[0])
            .args(&line[1..])
            .current_dir(project)
            .env("PATH", path())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}; {HOW}", line[0]));
        succeeds(&line.join(" "), &output);
    }
    succeeds("build", &muster(project, &["plugin", "build"]));
    let tested = muster(project, &["plugin", "test", component, "tests.yaml"]);
    succeeds(&format!("test of {}", project.display()), &tested);
}

impl Language {
    /// The component that the template makes; built once, with all its tests.
    fn built(&self) -> &Path {
        self.built.get_or_init(|| {
            fs::create_dir_all(scratch()).expect("a folder");
            let project = scratch().join(format!("by-{}", self.name));
            let _ = fs::remove_dir_all(&project);
            let name = project.file_name().expect("a name").to_string_lossy();
            succeeds(
                "new",
                &muster(&scratch(), &["plugin", "new", &name, "--lang", self.name]),
            );
            let component = format!("{name}.wasm");
            build_and_test(&project, &component, self.tests);
            project.join(component)
        })
    }
}

/// The same of the template for Rust, whose own tests are run elsewhere.
fn rust() -> PathBuf {
    let project = scratch().join("by-rust");
    let _ = fs::remove_dir_all(&project);
    fs::create_dir_all(scratch()).expect("a folder");
    succeeds("new", &muster(&scratch(), &["plugin", "new", "by-rust"]));
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.args(["plugin", "build"]).current_dir(&project);
    with_cargo(&mut command);
    let output = command.envs(compiler()).output().expect("muster runs");
    succeeds("build in Rust", &output);
    project.join("by-rust.wasm")
}

#[test]
fn a_new_project_in_each_language_builds_and_passes_its_tests() {
    for language in &LANGUAGES {
        assert!(language.built().exists());
    }
}

// === the same verdicts ===

/// What every template does, natively.
fn native(database: &Database, tags: &[&str]) -> Verdict {
    const KNOWN: [(&str, &[&str]); 4] = [
        ("dev", &["dev", "develop", "development"]),
        ("test", &["test", "qa"]),
        ("staging", &["staging", "stage", "stg"]),
        ("prod", &["prod", "production", "prd", "live"]),
    ];
    let Some(tag) = tags.iter().find(|tag| database.tags.contains_key(**tag)) else {
        return Verdict::Skip(format!("no tag says the environment: {}", tags.join(", ")));
    };
    let value = database.tags[*tag].to_ascii_lowercase();
    let known = KNOWN
        .iter()
        .find(|(_, spellings)| spellings.contains(&value.as_str()));
    match known {
        None => Verdict::Skip(format!("the tag {tag} says no environment that is known")),
        Some((environment, _)) => Verdict::Enroll(Enroll {
            labels: vec![("environment".to_owned(), (*environment).to_owned())],
            reason: format!("the tag {tag} says {environment}"),
            ..Enroll::default()
        }),
    }
}

/// The example fleet as a scan found it.
fn demo() -> Vec<Database> {
    let dir = TempDir::new().expect("a directory");
    let keep = dir.path().join("kept");
    let args = ["demo", "--keep", keep.to_str().expect("a path")];
    succeeds("the demo", &muster(dir.path(), &args));
    let store = SledStore::open(keep.join("muster-demo")).expect("the store");
    let state = muster::pipeline::state::State::load(&store).expect("the state");
    state
        .records
        .into_values()
        .map(|record| record.database)
        .collect()
}

/// Databases like those of the example, with tags that nobody would think of.
fn generated(like: &[Database], count: usize, draw: &mut Draw) -> Vec<Database> {
    const KEYS: [&str; 8] = [
        "env",
        "environment",
        "stage",
        "ENV",
        "env ",
        "größe",
        "tier",
        "名前",
    ];
    const VALUES: [&str; 20] = [
        "prod",
        "PROD",
        "Prd",
        "live",
        "production",
        "dev",
        "DEVelop",
        "qa",
        "QA",
        "stg",
        "stage",
        "",
        " ",
        " prod",
        "prod\u{301}",
        "ＰＲＯＤ",
        "ſtage",
        "liVe",
        "生産",
        "\u{1f525} = \"x\" \\ '",
    ];
    (0..count)
        .map(|_| {
            let mut database = like[draw.below(like.len())].clone();
            database.tags = BTreeMap::new();
            for _ in 0..draw.below(6) {
                let key = KEYS[draw.below(KEYS.len())].to_owned();
                let mut value = VALUES[draw.below(VALUES.len())].to_owned();
                if draw.in_thousand(50) {
                    value = value.repeat(1 + draw.below(30));
                }
                database.tags.insert(key, value);
            }
            database
        })
        .collect()
}

#[test]
fn all_languages_say_what_a_native_implementation_says() {
    let seed = seed();
    let _printed = Printed(seed);
    let mut fleet = demo();
    assert!(fleet.len() > 10, "{}", fleet.len());
    let more = generated(&fleet, 1500, &mut Draw::part(seed, "languages"));
    fleet.extend(more);
    let labels: Vec<Labels> = fleet.iter().map(|database| database.labels().0).collect();
    let candidates: Vec<Candidate<'_>> = fleet
        .iter()
        .zip(&labels)
        .map(|(database, labels)| Candidate {
            database,
            labels,
            first_seen: None,
        })
        .collect();
    let settings = [
        ("null", vec!["env", "environment", "stage"]),
        (
            r#"{"tags": ["größe", "\u540d\u524d", "env "]}"#,
            vec!["größe", "名前", "env "],
        ),
    ];
    let wanted = |tags: &[&str]| -> Vec<Verdict> {
        fleet
            .iter()
            .map(|database| native(database, tags))
            .collect()
    };
    // It is not that all of them skip everything.
    let enrolls = |verdicts: &[Verdict]| {
        let enrolled = verdicts.iter().filter(|v| matches!(v, Verdict::Enroll(_)));
        enrolled.count()
    };
    let usual = wanted(&settings[0].1);
    assert!(enrolls(&usual) > 100 && enrolls(&usual) < usual.len() - 100);

    let rust = rust();
    let others = LANGUAGES.iter().map(|one| (one.name, one.built()));
    for (language, component) in others.chain([("rust", rust.as_path())]) {
        let component = fs::read(component).expect("a component");
        let host = Host::new(Options {
            limits: Limits {
                // Optimised code runs as ever, but the host around it does not.
                time: std::time::Duration::from_secs(60),
                ..Limits::default()
            },
            compiler: Compiler::InProcess,
            // Compiled already by `plugin test`.
            cache: Some(scratch().join("cache/muster/plugins")),
        })
        .expect("a host");
        let plugin = host.load(&component).expect("it loads");
        for (json, tags) in &settings {
            let configured = plugin.configured(json).expect("settings");
            let evaluation = configured.evaluate(&candidates);
            for ((database, said), wanted) in
                fleet.iter().zip(evaluation.verdicts).zip(wanted(tags))
            {
                let said = said.unwrap_or_else(|error| panic!("{language}: {error}"));
                assert_eq!(said, wanted, "{language}: {:?}", database.tags);
            }
        }
        let refused = plugin.configured(r#"{"tags": []}"#);
        let refused = refused.err().map(|error| error.to_string());
        assert!(
            refused
                .as_deref()
                .is_some_and(|e| e.contains("name at least one")),
            "{language}: {refused:?}"
        );
    }
}

// === the matchers of this repository ===

/// A copy of a folder of `plugins`, with the contract beside it.
fn copied(name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("plugins")
        .join(name);
    let to = scratch().join(name);
    let _ = fs::remove_dir_all(&to);
    fs::create_dir_all(to.join("wit")).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/wit/0.1/matcher.wit");
    fs::copy(wit, to.join("wit/matcher.wit")).expect("copied");
    to
}

#[test]
fn the_matcher_of_cost_centres_in_javascript() {
    build_and_test(
        &copied("cost-centre"),
        "cost-centre.wasm",
        LANGUAGES[0].tests,
    );
}

#[test]
fn the_matcher_of_names_in_python() {
    build_and_test(&copied("topology"), "topology.wasm", LANGUAGES[1].tests);
}

/// What hides the contract is written once; authors take it from the template.
#[test]
fn they_are_written_with_what_the_templates_bring() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (plugin, template, files) in [
        ("cost-centre", "js", ["muster.js", "component.js"]),
        ("topology", "python", ["muster_matcher.py", "app.py"]),
    ] {
        for file in files {
            let read = |path: PathBuf| {
                fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
            };
            let theirs = read(root.join("plugins").join(plugin).join(file));
            let ours = root.join("src/cli/plugin/templates").join(template);
            assert!(theirs == read(ours.join(file)), "{plugin}/{file} differs");
        }
    }
}

// === what is missing ===

#[test]
fn a_tool_that_is_missing_is_named_with_what_installs_it() {
    for (language, file, hint) in [
        ("js", "plugin.js", "npm install"),
        (
            "python",
            "plugin.py",
            "pip install --require-hashes -r requirements.txt",
        ),
        ("c", "plugin.c", "apt-get install clang lld"),
    ] {
        let dir = TempDir::new().expect("a directory");
        let alone = |args: &[&str]| {
            Command::new(env!("CARGO_BIN_EXE_muster"))
                .args(args)
                .current_dir(dir.path())
                .env_clear()
                .env("PATH", dir.path())
                .output()
                .expect("muster runs")
        };
        succeeds(
            "new",
            &alone(&["plugin", "new", "mine", "--lang", language]),
        );
        assert!(dir.path().join("mine").join(file).exists());
        let output = alone(&["plugin", "build", "mine"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.lines()
                .any(|l| l.starts_with("hint:") && l.contains(hint)),
            "{said}"
        );
        assert!(!said.contains("running:"), "{said}");
    }
}

#[test]
fn what_the_tool_says_of_a_mistake_is_shown() {
    let dir = TempDir::new().expect("a directory");
    succeeds(
        "new",
        &muster(dir.path(), &["plugin", "new", "mine", "--lang", "c"]),
    );
    let file = dir.path().join("mine/plugin.c");
    let text = fs::read_to_string(&file).expect("the plugin");
    fs::write(&file, text.replace("muster_skip(", "muster_skap(")).expect("written");
    let output = muster(dir.path(), &["plugin", "build", "mine"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("muster_skap") && said.contains("plugin.c:"),
        "{said}"
    );
    assert!(!dir.path().join("mine/mine.wasm").exists());
}
