//! `muster plan --matcher`: what another version of a plugin would change, from what is remembered. No cloud is asked.

use std::{collections::BTreeMap, io::Write};

use muster_model::ResourceId;
use muster_plan::{Action, Change, Plan, SkippedLine, Summary};

use super::{Common, Failure, ReportArgs, context::Context, print, unread_is_fine};
use crate::{
    exit::Exit,
    pipeline::run::Run,
    plugins::replace::{Replaced, Trial},
    report,
};

/// Judges what is remembered by the configuration with these plugins in the place of others, and shows what comes out
/// otherwise.
pub(super) fn run(
    context: &Context,
    common: &Common,
    args: &ReportArgs,
    trials: &[String],
    detailed: bool,
) -> Result<Exit, Failure> {
    let trials: Vec<Trial> = trials.iter().map(|text| Trial::parse(text)).collect();
    let (state, store) = context.state()?;
    drop(store);
    if state.records.is_empty() {
        return Err(Failure::new("cannot say what it would change")
            .because("nothing is remembered: no scan was ever made")
            .hint("`muster scan` reads the clouds, and changes nothing that is enrolled"));
    }
    let before = context.remembered(&state)?;
    let (plugins, replaced) = context.trying(&trials)?;
    let after = context.remembered_by(&state, &plugins)?;
    let otherwise = otherwise(&before, &after);
    let plan = difference(&before.plan, after.plan);
    let shown = |out: &mut dyn Write| head(&replaced, otherwise, state.records.len(), out);
    // A report for programs is nothing but the report.
    match args.format {
        report::Format::Text => unread_is_fine(print(|out| shown(out)))?,
        _ => shown(&mut anstream::stderr().lock())?,
    }
    let options = common.report(args);
    unread_is_fine(print(|out| {
        report::render(&plan, args.format, &options, out)
    }))?;
    let summary = plan.summary;
    let changes = summary.add + summary.update + summary.remove;
    Ok(match detailed && changes > 0 {
        true => Exit::Changes,
        false => Exit::Done,
    })
}

/// In whose place they are, and how much that matters.
fn head(
    replaced: &[Replaced],
    otherwise: usize,
    all: usize,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    for one in replaced {
        let Replaced {
            rule,
            name,
            before,
            place,
        } = one;
        writeln!(
            out,
            "Rule {rule:?}: {name} in place of {before} ({})",
            place.display()
        )?;
    }
    writeln!(
        out,
        "{otherwise} of {all} databases would be judged otherwise; what follows is only what differs, from what was last seen.\n"
    )
}

/// How many databases come to another decision.
fn otherwise(before: &Run, after: &Run) -> usize {
    let differs = |id: &ResourceId| {
        let decision = |run: &Run| run.judged.get(id).map(|it| it.decision.clone());
        decision(before) != decision(after)
    };
    after.judged.keys().filter(|id| differs(id)).count()
}

/// What of a plan was not in the one before.
fn difference(before: &Plan, after: Plan) -> Plan {
    let changes: BTreeMap<&ResourceId, &Change> =
        before.changes.iter().map(|it| (&it.id, it)).collect();
    let skipped: BTreeMap<&ResourceId, &SkippedLine> =
        before.skipped.iter().map(|it| (&it.id, it)).collect();
    let Plan {
        changes: mut all,
        skipped: mut out,
        notes,
        at,
        ..
    } = after;
    all.retain(|change| changes.get(&change.id) != Some(&change));
    out.retain(|line| skipped.get(&line.id) != Some(&line));
    let many = |action: Action| all.iter().filter(|it| it.action == action).count();
    Plan {
        summary: Summary {
            add: many(Action::Add),
            update: many(Action::Update),
            remove: many(Action::Remove),
            keep: many(Action::Keep),
            held: many(Action::Held),
            skip: out.len(),
        },
        // Nothing was read for it.
        scopes: Vec::new(),
        changes: all,
        skipped: out,
        notes,
        at,
    }
}
