//! What bounds an evaluation, and what is judged all the same.

use muster_model::Endpoint;
use muster_wasm::Limits;

use crate::kit::{self, Fleet};

#[test]
fn a_log_is_cut_at_its_line_and_at_its_end() {
    let before = "(loop $l (call $log (i32.const 2) (i32.load offset=8 (local.get $texts)) (i32.const 3000)) \
                  (br_if $l (i32.lt_u (local.tee $place (i32.add (local.get $place) (i32.const 1))) (i32.const 100)))) \
                  (local.set $place (i32.const 0))";
    let limits = Limits {
        spot_checks: 0,
        ..kit::limits()
    };
    let component = kit::base(&[("before", before), ("configure", "(i32.const 320)")]);
    let plugin = kit::host_with(limits).load(&component).expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let fleet = Fleet::new(50);
    let evaluation = configured.evaluate(&fleet.candidates());
    assert_eq!(evaluation.log.len(), 64);
    assert_eq!(evaluation.dropped_lines, 36);
    for line in &evaluation.log {
        assert!(
            line.message.len() <= 1024 + '…'.len_utf8(),
            "{}",
            line.message.len()
        );
        assert!(line.message.ends_with('…'));
    }
}

#[test]
fn one_that_fails_over_one_database_decides_about_all_others() {
    // It traps over the one whose port is 65535.
    let judge = "(if (i32.eq (i32.load offset=48 (local.get $db)) (i32.const 65535)) (then (unreachable))) \
                 (call $skip (local.get $v))";
    let plugin = kit::host()
        .load(&kit::base(&[("judge", judge)]))
        .expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let mut databases: Vec<_> = (0..300).map(kit::database).collect();
    for poisoned in [17, 18, 250] {
        databases[poisoned].endpoint = Some(Endpoint {
            host: "x".to_owned(),
            port: 65535,
        });
    }
    let fleet = Fleet::of(databases);
    let evaluation = configured.evaluate(&fleet.candidates());
    let failed: Vec<_> = (0..300)
        .filter(|place| evaluation.verdicts[*place].is_err())
        .collect();
    assert_eq!(failed, [17, 18, 250]);
    assert!(evaluation.cost.failed > 3, "{:?}", evaluation.cost);
}

#[test]
fn one_whose_memory_is_too_small_for_a_batch_judges_in_smaller_ones() {
    // It wants a page for each database, and may have 64.
    let before = "(if (i32.gt_u (local.get $n) (i32.const 60)) (then \
                  (loop $l (drop (memory.grow (i32.const 64))) (br $l))))";
    let limits = Limits {
        memory_bytes: 4 << 20,
        ..kit::limits()
    };
    let component = kit::base(&[("before", before)]);
    let plugin = kit::host_with(limits).load(&component).expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let fleet = Fleet::new(5000);
    let evaluation = configured.evaluate(&fleet.candidates());
    assert!(evaluation.cost.failed > 32, "{:?}", evaluation.cost);
    assert!(evaluation.verdicts.iter().all(Result::is_ok));
}

#[test]
fn one_that_fails_over_everything_is_not_asked_for_ever() {
    let limits = Limits {
        batch: 100,
        ..kit::limits()
    };
    let component = kit::base(&[("judge", "(unreachable)")]);
    let plugin = kit::host_with(limits).load(&component).expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let fleet = Fleet::new(3000);
    let evaluation = configured.evaluate(&fleet.candidates());
    assert!(evaluation.verdicts.iter().all(Result::is_err));
    assert!(evaluation.cost.instances < 100, "{:?}", evaluation.cost);
}

#[test]
fn one_that_takes_its_time_over_each_is_not_waited_for_as_often() {
    // So short a time that nothing is ended before it is done, and the first is all that there was time for.
    let limits = Limits {
        time: std::time::Duration::from_nanos(1),
        alone: 100,
        ..kit::limits()
    };
    let plugin = kit::host_with(limits)
        .load(&kit::base(&[]))
        .expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let fleet = Fleet::new(50);
    let evaluation = configured.evaluate(&fleet.candidates());
    assert_eq!(evaluation.cost.instances, 1, "{:?}", evaluation.cost);
    for verdict in &evaluation.verdicts[1..] {
        let error = verdict.as_ref().expect_err("nothing is decided");
        assert_eq!(error.code.as_str(), "timeout");
        assert!(error.detail.contains("all its batches"), "{error}");
    }
}

#[test]
fn a_log_of_many_batches_does_not_fill_the_memory() {
    let before = "(loop $l (call $log (i32.const 1) (i32.const 16) (i32.const 8)) \
                  (br_if $l (i32.lt_u (local.tee $place (i32.add (local.get $place) (i32.const 1))) (i32.const 50)))) \
                  (local.set $place (i32.const 0))";
    let limits = Limits {
        batch: 1,
        ..kit::limits()
    };
    let component = kit::base(&[("before", before), ("configure", "(i32.const 320)")]);
    let plugin = kit::host_with(limits).load(&component).expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let fleet = Fleet::new(100);
    let evaluation = configured.evaluate(&fleet.candidates());
    assert!(evaluation.verdicts.iter().all(Result::is_ok));
    assert_eq!(evaluation.log.len(), 64 * Limits::LOG);
    assert_eq!(
        evaluation.log.len() as u64 + evaluation.dropped_lines,
        50 * 100,
        "what is not kept is counted"
    );
}

#[test]
fn the_cost_is_told() {
    let plugin = kit::host().load(&kit::base(&[])).expect("it loads");
    let configured = plugin.configured("null").expect("it accepts anything");
    let fleet = Fleet::new(2000);
    let cost = configured.evaluate(&fleet.candidates()).cost;
    assert_eq!(cost.failed, 0);
    assert!(cost.instances >= 2, "{cost:?}");
    assert!(cost.peak_memory_bytes >= 65536, "{cost:?}");
    assert!(
        !cost.longest.is_zero() && cost.longest <= cost.computed,
        "{cost:?}"
    );
}

#[test]
fn fuel_in_place_of_time_ends_a_loop_at_the_same_place_each_time() {
    let limits = Limits {
        fuel: Some(5_000_000),
        ..kit::limits()
    };
    let host = kit::host_with(limits);
    let fleet = Fleet::new(10);
    for (judge, fails) in [
        ("(loop $l (br $l))", true),
        ("(call $skip (local.get $v))", false),
    ] {
        let plugin = host
            .load(&kit::base(&[("judge", judge)]))
            .expect("it loads");
        let configured = plugin.configured("null").expect("it accepts anything");
        let evaluation = configured.evaluate(&fleet.candidates());
        for verdict in evaluation.verdicts {
            let code = verdict.err().map(|error| error.code.as_str());
            assert_eq!(code, fails.then_some("timeout"));
        }
    }
}
