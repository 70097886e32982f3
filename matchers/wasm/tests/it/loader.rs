//! Whatever bytes come, the loader ends with a plugin or a named error, and never panics.
//!
//! There is no fuzzer for this toolchain that needs no nightly compiler, so this is a fixed number of mutations with a
//! fixed seed, of components that do compile: cut, flipped, overwritten by what lengths and tags look like, spliced.
//! `MUSTER_WASM_MUTATIONS=100000` runs it for longer and from another seed each time.

use muster_wasm::{Failure, Host, Limits, LoadError};

use crate::kit::{self, Fleet};

/// Mutations of a usual run.
const MUTATIONS: u64 = 200;

/// xorshift64*: chance that is the same on every machine.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("32 bits") % limit.max(1)
    }
}

/// The same for everybody, or another each time.
pub fn seed(another: bool) -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    if another {
        since.map_or(1, |since| since.as_secs() | 1)
    } else {
        0x6d75_7374_6572
    }
}

fn mutate(component: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = component.to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len());
        match chance.below(7) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << chance.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][chance.below(5)],
            3 => {
                // A length of 32 bits, as large as can be said.
                for byte in bytes.iter_mut().skip(at).take(4) {
                    *byte = 0xff;
                }
            }
            4 => {
                bytes.remove(at);
            }
            5 => {
                let end = (at + chance.below(64)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                let from = chance.below(other.len());
                let end = (from + chance.below(64)).min(other.len());
                let to = (at + end - from).min(bytes.len());
                bytes.splice(at..to, other[from..end].iter().copied());
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Loads it, and whatever loads is asked as well.
fn survive(host: &Host, bytes: &[u8], fleet: &Fleet) -> &'static str {
    match host.load(bytes) {
        Err(error) => {
            assert!(!error.code().is_empty());
            let text = error.to_string();
            assert!(!text.chars().any(char::is_control), "{text:?}");
            assert!(!text.contains("panicked over it"), "{text}");
            error.code()
        }
        Ok(plugin) => {
            if let Ok(configured) = plugin.configured("null") {
                let verdicts = configured.evaluate(&fleet.candidates()).verdicts;
                assert_eq!(verdicts.len(), fleet.candidates().len());
                let codes = verdicts
                    .iter()
                    .filter_map(|verdict| Some(verdict.as_ref().err()?.code));
                assert_eq!(codes.filter(|code| *code == Failure::Host).count(), 0);
            }
            "loaded"
        }
    }
}

#[test]
fn mutated_components_end_in_a_plugin_or_a_named_error() {
    let asked = std::env::var("MUSTER_WASM_MUTATIONS").ok();
    let mutations = asked
        .as_deref()
        .map_or(MUTATIONS, |number| number.parse().expect("a number"));
    let seed = seed(asked.is_some());
    let host = kit::host_with(kit::impatient());
    let fleet = Fleet::new(5);
    let seeds: Vec<_> = kit::all("hostile")
        .into_iter()
        .map(|fixture| fixture.component)
        .collect();
    let base = kit::base(&[]);
    let mut chance = Chance(seed);
    let mut ends = std::collections::BTreeMap::new();
    for mutation in 0..mutations {
        // Mostly what would load: only that gets deep into the loader.
        let component = match chance.below(4) {
            0 => &seeds[chance.below(seeds.len())],
            _ => &base,
        };
        let other = &seeds[chance.below(seeds.len())];
        let bytes = mutate(component, other, &mut chance);
        let survived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            survive(&host, &bytes, &fleet)
        }));
        let end = survived.unwrap_or_else(|_| panic!("mutation {mutation} of seed {seed}"));
        *ends.entry(end).or_insert(0) += 1;
    }
    assert!(ends.len() >= 4, "mutations reach different ends: {ends:?}");
}

#[test]
fn a_component_cut_anywhere_is_refused() {
    let host = kit::host();
    let base = kit::base(&[]);
    let mut truncated = 0;
    for end in (0..base.len()).step_by(41) {
        match host.load(&base[..end]) {
            Err(LoadError::Truncated { .. }) => truncated += 1,
            Err(_) => {}
            Ok(_) => panic!("cut at {end}, it loads"),
        }
    }
    assert!(
        truncated > base.len() / 41 / 2,
        "most are known to be cut: {truncated}"
    );
}

#[test]
fn what_is_no_component_is_told_by_name() {
    let limits = Limits {
        component_bytes: 1 << 20,
        ..kit::limits()
    };
    let host = kit::host_with(limits);
    let base = kit::base(&[]);
    let mut long = base.clone();
    long.resize(2 << 20, 0);
    let mut lying = base.clone();
    // The length of the first section.
    lying.splice(9..10, [0xff, 0xff, 0xff, 0xff, 0x0f]);
    let mut endless = base.clone();
    endless.splice(9..10, [0xff; 9]);
    let mut later = base.clone();
    later[4] = 0x0e;
    for (what, bytes, code) in [
        ("nothing", Vec::new(), "not-wasm"),
        ("text", b"(component)".to_vec(), "not-wasm"),
        ("a program", b"\x7fELF\x02\x01\x01\0".to_vec(), "not-wasm"),
        ("too long", long, "too-large"),
        ("the first bytes", base[..6].to_vec(), "invalid"),
        ("a later kind of component", later, "invalid"),
        ("a length beyond the end", lying, "truncated"),
        ("a length that does not end", endless, "invalid"),
        ("half of it", base[..base.len() / 2].to_vec(), "truncated"),
    ] {
        let error = host.load(&bytes).err().map(|error| error.code());
        assert_eq!(error, Some(code), "{what}");
    }
}

#[test]
fn machine_code_is_never_accepted() {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model(true).epoch_interruption(true);
    let engine = wasmtime::Engine::new(&config).expect("an engine");
    for artifact in [
        engine
            .precompile_component(&kit::base(&[]))
            .expect("compiled"),
        engine
            .precompile_module(&kit::component("(module)"))
            .expect("compiled"),
    ] {
        let error = kit::host().load(&artifact).err().map(|error| error.code());
        assert_eq!(error, Some("precompiled"));
    }
}
