//! Whatever a plugin hands back, each database ends with a verdict that may be followed or a named error.
//!
//! One plugin copies bytes that it is given as settings over its answer. So thousands of answers cost one compilation,
//! and a failing one can be tried again from its seed. `MUSTER_WASM_MUTATIONS` sets how many.

use muster_model::Labels;
use muster_wasm::{Enroll, Failure, Limits, Verdict};

use crate::{
    kit::{self, Fleet},
    loader::Chance,
};

/// Answers of a usual run.
const ANSWERS: u64 = 1500;
const FLEET: usize = 3;

/// Two letters of the settings are a byte. The first 64 bytes go over the texts and the label, the next 8 over the place
/// and number of the verdicts if the byte before them is odd, and the rest over the verdicts.
const CODE: &str = "\
    (global $settings (mut i32) (i32.const 0)) (global $bytes (mut i32) (i32.const 0))
    (func $byte (param $at i32) (result i32)
      (i32.or
        (i32.shl (i32.sub (i32.load8_u (i32.add (global.get $settings) (i32.mul (local.get $at) (i32.const 2)))) (i32.const 97)) (i32.const 4))
        (i32.sub (i32.load8_u offset=1 (i32.add (global.get $settings) (i32.mul (local.get $at) (i32.const 2)))) (i32.const 97))))
    (func $over (param $from i32) (param $to i32) (param $n i32)
      (block $done (loop $each
        (br_if $done (i32.eqz (local.get $n)))
        (br_if $done (i32.ge_u (local.get $from) (global.get $bytes)))
        (i32.store8 (local.get $to) (call $byte (local.get $from)))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $each))))";
const CONFIGURE: &str = "\
    (global.set $settings (local.get $settings))
    (global.set $bytes (i32.div_u (local.get $len) (i32.const 2)))
    (i32.const 320)";
const AFTER: &str = "\
    (call $over (i32.const 0) (i32.const 16) (i32.const 48))
    (call $over (i32.const 48) (i32.const 256) (i32.const 16))
    (call $over (i32.const 73) (i32.load (i32.const 336)) (i32.const 120))
    (if (i32.and (call $byte (i32.const 64)) (i32.const 1)) (then (call $over (i32.const 65) (i32.const 336) (i32.const 8))))";

/// Bytes that look like what belongs there: small numbers, places that exist, lengths that do not.
fn answer(chance: &mut Chance) -> String {
    let mut bytes = Vec::new();
    // Texts: mostly letters, sometimes anything.
    let wild = chance.below(4) == 0;
    for _ in 0..48 {
        bytes.push(if wild {
            chance.below(256)
        } else {
            b'a' as usize + chance.below(26)
        });
    }
    let mut number = |bytes: &mut Vec<usize>| {
        let number: u32 = match chance.below(12) {
            0 => u32::MAX,
            1 => 0x7fff_fff8,
            2 => 1 << chance.below(31),
            3 => u32::try_from(chance.next() >> 32).expect("32 bits"),
            4 => 256,
            5 => 0,
            6 => 1,
            _ => u32::try_from(chance.below(64)).expect("small"),
        };
        bytes.extend(number.to_le_bytes().map(usize::from));
    };
    for _ in 0..4 {
        number(&mut bytes);
    }
    let cases = [0, 1, 2, 3, 7];
    let mut verdicts = Vec::new();
    let mut head = Vec::new();
    number(&mut head);
    number(&mut head);
    for _ in 0..FLEET {
        for field in 0..10 {
            if field == 0 {
                verdicts.push(usize::MAX);
                verdicts.extend([0, 0, 0]);
            } else {
                number(&mut verdicts);
            }
        }
    }
    bytes.push(usize::from(chance.below(8) == 0));
    bytes.extend(head);
    bytes.extend(verdicts.into_iter().map(|byte| match byte {
        // Mostly cases that exist.
        usize::MAX => cases[chance.below(33) / 8],
        byte => byte,
    }));
    let letter = |nibble: usize| char::from(b'a' + u8::try_from(nibble).expect("a nibble"));
    bytes
        .iter()
        .flat_map(|byte| [letter(byte >> 4), letter(byte & 15)])
        .collect()
}

/// A refusal of the settings: texts, whether it is one, and its problems.
fn refusal(chance: &mut Chance) -> String {
    let mut bytes: Vec<u32> = (0..64)
        .map(|_| match chance.below(3) {
            0 => u32::try_from(chance.below(256)).expect("a byte"),
            _ => u32::from(b'a') + u32::try_from(chance.below(26)).expect("a letter"),
        })
        .collect();
    let mut numbers = vec![u32::from(chance.below(9) > 0)];
    if chance.below(9) == 0 {
        numbers[0] = 2;
    }
    // Where they are, and how many: mostly the two that follow.
    numbers.push([576, 576, 576, 577, 0x7fff_fff8][chance.below(5)]);
    numbers.push([2, 2, 1, 0, 70, u32::MAX][chance.below(6)]);
    // From 576 on, four texts: where, and how long.
    numbers.push(0);
    for _ in 0..4 {
        numbers.push([512, 520, 0, 0xffff_fff0][chance.below(25) / 8]);
        numbers.push([0, 1, 32, 64, 70_000, u32::MAX][chance.below(35) / 6]);
    }
    bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes().map(u32::from)));
    let letter = |nibble: u32| char::from(b'a' + u8::try_from(nibble).expect("a nibble"));
    bytes
        .iter()
        .flat_map(|byte| [letter(byte >> 4), letter(byte & 15)])
        .collect()
}

#[test]
fn any_answer_to_settings_is_taken_or_a_named_error() {
    let asked = std::env::var("MUSTER_WASM_MUTATIONS").ok();
    let answers = asked
        .as_deref()
        .map_or(ANSWERS, |number| number.parse().expect("a number"));
    let seed = crate::loader::seed(asked.is_some());
    // The texts at 512; the answer at 560, of which what is after its first 16 bytes are the problems.
    let configure = "\
        (global.set $settings (local.get $settings)) \
        (global.set $bytes (i32.div_u (local.get $len) (i32.const 2))) \
        (call $over (i32.const 0) (i32.const 496) (i32.const 64)) \
        (call $over (i32.const 64) (i32.const 560) (i32.const 48)) \
        (i32.const 560)";
    let component = kit::base(&[("code", CODE), ("configure", configure)]);
    let plugin = kit::host_with(kit::impatient())
        .load(&component)
        .expect("it loads");
    let mut chance = Chance(seed);
    let mut ends = std::collections::BTreeMap::new();
    for answered in 0..answers {
        let end = match plugin.configured(&refusal(&mut chance)) {
            Ok(_) => "ok",
            Err(error) => {
                let text = error.to_string();
                assert!(
                    text.len() < 128 << 10 && !text.chars().any(char::is_control),
                    "answer {answered} of seed {seed}: {text:?}"
                );
                assert_ne!(error.code(), Failure::Host.as_str(), "{text}");
                error.code()
            }
        };
        *ends.entry(end).or_insert(0) += 1;
    }
    for end in ["ok", "settings-refused", "malformed-output"] {
        assert!(ends.contains_key(end), "{end} is among them: {ends:?}");
    }
}

fn fit(text: &str, limit: usize) -> bool {
    text.len() <= limit && !text.chars().any(char::is_control)
}

/// What the chain may rely on.
fn check(verdict: &Verdict) {
    let labels = match verdict {
        Verdict::Skip(reason) => {
            assert!(fit(reason, 515));
            return;
        }
        Verdict::Pass(labels) => labels,
        Verdict::Enroll(Enroll {
            name,
            labels,
            hints,
            reason,
        }) => {
            assert!(fit(reason, 515));
            assert!(
                name.as_ref()
                    .is_none_or(|name| !name.is_empty() && fit(name, 255))
            );
            assert!(hints.len() <= 64);
            labels
        }
    };
    assert!(labels.len() <= 64);
    for (place, (key, value)) in labels.iter().enumerate() {
        assert!(!key.is_empty() && fit(key, 128) && fit(value, 1024));
        assert!(!Labels::is_reserved(key));
        assert!(labels[..place].iter().all(|(before, _)| before != key));
    }
}

#[test]
fn any_answer_is_a_verdict_or_a_named_error() {
    let asked = std::env::var("MUSTER_WASM_MUTATIONS").ok();
    let answers = asked
        .as_deref()
        .map_or(ANSWERS, |number| number.parse().expect("a number"));
    let seed = crate::loader::seed(asked.is_some());
    // The answer is asked for once, not once for each database.
    let limits = Limits {
        alone: 1,
        spot_checks: 0,
        ..kit::impatient()
    };
    let component = kit::base(&[("code", CODE), ("configure", CONFIGURE), ("after", AFTER)]);
    let plugin = kit::host_with(limits).load(&component).expect("it loads");
    let fleet = Fleet::new(FLEET);
    let mut chance = Chance(seed);
    let (mut followed, mut refused) = (0, std::collections::BTreeSet::new());
    for answered in 0..answers {
        let configured = plugin
            .configured(&answer(&mut chance))
            .expect("it accepts anything");
        let verdicts = configured.evaluate(&fleet.candidates()).verdicts;
        assert_eq!(verdicts.len(), FLEET, "answer {answered} of seed {seed}");
        for verdict in verdicts {
            match verdict {
                Ok(verdict) => {
                    check(&verdict);
                    followed += 1;
                }
                Err(error) => {
                    assert!(!error.detail.chars().any(char::is_control));
                    assert_ne!(error.code, Failure::Host, "{error}");
                    refused.insert(error.code.as_str());
                }
            }
        }
    }
    assert!(followed > 0, "some answers are good");
    assert!(
        refused.len() >= 3,
        "and others are bad in several ways: {refused:?}"
    );
}
