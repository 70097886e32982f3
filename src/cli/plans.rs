//! `muster plan ls|show|approve|reject`: plans that the brake held, which wait for a person.
//!
//! A running service is asked; without one the store is opened, and what is decided counts for the next
//! `muster apply` or `muster run`.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::{Args, Subcommand, ValueEnum};
use muster_model::{Became, HeldPlan, Verdict};
use muster_plan::why_and_why_held;
use muster_store::{Batch, Expect, Store, tables};

use super::{
    Common, Failure, ListFormat, context,
    opened::{Opened, Reached, is_there},
    print, service, unread_is_fine,
};
use crate::{
    admin::PlanLine,
    control::{ClientError, own_name},
    exit::Exit,
    pipeline::held::{self, plan_id},
    report::{
        self,
        escape::shown,
        table::{Column, table},
    },
    service::handle::{Refused, RefusedKind},
};

/// What is done with plans that the brake held.
#[derive(Subcommand, Debug)]
pub enum Plans {
    /// List the plans that would have removed more than `removal.brake` allows, newest first.
    Ls(Ls),
    /// Show what a held plan would remove, and why.
    Show(Show),
    /// Let a held plan remove what it shows.
    Approve(Approve),
    /// Keep what a held plan would remove. It is asked for again only when the plan grows.
    Reject(Reject),
}

/// Arguments of `muster plan ls`.
#[derive(Args, Debug)]
pub struct Ls {
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

/// Arguments of `muster plan show`.
#[derive(Args, Debug)]
pub struct Show {
    /// The plan's number.
    number: u64,
    /// How it is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: Output,
}

/// Arguments of `muster plan approve`.
#[derive(Args, Debug)]
#[command(after_help = "\
The service removes at once what its scans still prove to be gone; without a service the next `muster apply` or \
`muster run` does. What has come back by then stays. An approval counts for a day, and for these databases only. Who \
approved is in the history: `muster history`.")]
pub struct Approve {
    /// The plan's number.
    number: u64,
    /// Do not ask. Without a terminal nobody is asked.
    #[arg(short, long)]
    yes: bool,
}

/// Arguments of `muster plan reject`.
#[derive(Args, Debug)]
#[command(after_help = "\
They stay enrolled although they are gone from the cloud, or no rule enrolls them. Who has rejected a plan may \
still approve it, as long as no other plan took its place. An approved plan cannot be rejected: what it shows may be \
removed already. `muster plan ls` shows what was said last.")]
pub struct Reject {
    /// The plan's number.
    number: u64,
}

/// How one plan is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// The same as /api/v1/plans/NUMBER.
    Json,
}

impl Plans {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = service::store_dir(common)?;
        // A store that is not there yet holds nothing, and is not made.
        let held = match is_there(&dir)? {
            true => Held(Some(Opened::open(&dir)?)),
            false => Held(None),
        };
        match self {
            Self::Ls(args) => args.run(&held),
            Self::Show(args) => args.run(&held),
            Self::Approve(args) => args.run(&held),
            Self::Reject(args) => held.decide(args.number, false),
        }
    }
}

impl Ls {
    fn run(self, held: &Held) -> Result<Exit, Failure> {
        let lines: Vec<PlanLine> = held.plans()?.iter().rev().map(PlanLine::from).collect();
        let columns = [
            Column {
                title: "plan",
                wide: false,
                cell: |line: &PlanLine| line.number.to_string().into(),
            },
            Column {
                title: "state",
                wide: false,
                cell: |line| line.verdict.as_str().into(),
            },
            Column {
                title: "made",
                wide: false,
                cell: |line| line.made.to_string().into(),
            },
            Column {
                title: "would remove",
                wide: false,
                cell: |line| format!("{} of {}", line.remove, line.targets).into(),
            },
            Column {
                title: "removed",
                wide: false,
                cell: |line| match line.verdict {
                    Verdict::Approved { .. } | Verdict::Rejected { .. } => {
                        line.removed.to_string().into()
                    }
                    Verdict::Waiting | Verdict::Superseded { .. } => "".into(),
                },
            },
            Column {
                title: "allowed",
                wide: false,
                cell: |line| line.allowance.to_string().into(),
            },
            Column {
                title: "by",
                wide: false,
                cell: |line| by(&line.verdict).into(),
            },
            Column {
                title: "group",
                wide: true,
                cell: |line| line.group.as_str().into(),
            },
        ];
        unread_is_fine(print(|out| table(&columns, &lines, self.output, out)))?;
        Ok(Exit::Done)
    }
}

impl Show {
    fn run(self, held: &Held) -> Result<Exit, Failure> {
        let plan = held.plan(self.number)?;
        unread_is_fine(print(|out| match self.output {
            Output::Text => show(&plan, out),
            Output::Json => report::pretty(&plan, out),
        }))?;
        Ok(Exit::Done)
    }
}

impl Approve {
    fn run(self, held: &Held) -> Result<Exit, Failure> {
        if !self.yes && io::stdin().is_terminal() {
            let plan = held.plan(self.number)?;
            let mut err = anstream::stderr().lock();
            show(&plan, &mut err)?;
            if !confirmed(plan.open().count(), &mut io::stdin().lock(), &mut err)? {
                return Err(
                    Failure::new(format!("plan {} is not approved", self.number))
                        .because("it was not confirmed")
                        .hint("nothing was changed"),
                );
            }
        }
        held.decide(self.number, true)
    }
}

fn confirmed(removals: usize, input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<bool> {
    write!(
        out,
        "\nThis lets {removals} targets be removed. Type `yes` to go on: "
    )?;
    out.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn by(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Waiting => String::new(),
        Verdict::Approved { by, at } | Verdict::Rejected { by, at } => format!("{by}, {at}"),
        Verdict::Superseded { at } => at.to_string(),
    }
}

fn show(plan: &HeldPlan, out: &mut dyn Write) -> io::Result<()> {
    let number = plan.number;
    let state = match &plan.verdict {
        Verdict::Waiting => "waits for a person".to_owned(),
        Verdict::Approved { by, at } => format!("was approved by {} at {at}", shown(by)),
        Verdict::Rejected { by, at } => format!("was rejected by {} at {at}", shown(by)),
        Verdict::Superseded { at } => format!(
            "no longer stands since {at}: the databases came back, or another plan took its place"
        ),
    };
    writeln!(out, "Plan {number} {state}")?;
    writeln!(
        out,
        "Held since {}, of group {}. It would remove {} of {} targets, and the brake lets {} through.",
        plan.made,
        shown(&plan.group),
        plan.removals.len(),
        plan.targets,
        plan.allowance
    )?;
    writeln!(out)?;
    let mut told = Vec::new();
    for removal in &plan.removals {
        // Why the brake holds is the same for all that it held at once.
        let (why, held) = why_and_why_held(&removal.reason);
        told.extend(held.filter(|held| !told.contains(held)));
        writeln!(out, "  - {}  {}", shown(&removal.name), shown(why))?;
        writeln!(out, "      {}", shown(removal.id.as_str()))?;
        if let Some(became) = became(&plan.verdict, removal.became) {
            writeln!(out, "      {became}")?;
        }
    }
    for (place, held) in told.into_iter().enumerate() {
        let gap = if place == 0 { "\n" } else { "" };
        writeln!(out, "{gap}Held because {}", shown(held))?;
    }
    if plan.verdict == Verdict::Waiting {
        writeln!(
            out,
            "\n`muster plan approve {number}` lets them be removed, `muster plan reject {number}` keeps them."
        )?;
    }
    Ok(())
}

/// What became of a removal, once a person said something of its plan.
const fn became(verdict: &Verdict, became: Became) -> Option<&'static str> {
    match (verdict, became) {
        (_, Became::Removed) => Some("was removed"),
        (_, Became::Stays) => Some("stays: it is there again, or is not to be removed any more"),
        (Verdict::Approved { .. }, Became::Open) => Some("is not removed yet"),
        (_, Became::Open) => None,
    }
}

/// What follows from what a person said.
fn decided(plan: &HeldPlan, service: bool) -> String {
    let (number, many) = (plan.number, plan.open().count());
    let when = if service {
        "the service removes them if that is still so"
    } else {
        "the next `muster apply` or `muster run` within a day removes them if that is still so"
    };
    match plan.verdict {
        Verdict::Approved { .. } => {
            format!("Plan {number} is approved, {many} targets: {when}.")
        }
        _ => format!("Plan {number} is rejected: its {many} targets stay."),
    }
}

/// The held plans of a store, if there is one.
struct Held(Option<Opened>);

impl Held {
    /// All, oldest first.
    fn plans(&self) -> Result<Vec<HeldPlan>, Failure> {
        let Some(store) = &self.0 else {
            return Ok(Vec::new());
        };
        let listing = tables::PLANS
            .list(store)
            .map_err(|error| Failure::new("cannot read the held plans").cause(&error))?;
        for damaged in &listing.damaged {
            writeln!(anstream::stderr().lock(), "warning: {damaged}")?;
        }
        Ok(listing
            .records
            .into_iter()
            .map(|(_, plan)| plan.value)
            .collect())
    }

    fn plan(&self, number: u64) -> Result<HeldPlan, Failure> {
        let bad = format!("cannot show plan {number}");
        let Some(store) = &self.0 else {
            return Err(none(&bad));
        };
        let found = tables::PLANS
            .get(store, &plan_id(number))
            .map_err(|error| Failure::new(&bad).cause(&error))?;
        found.map(|plan| plan.value).ok_or_else(|| none(&bad))
    }

    /// Approves or rejects a plan, and says what follows.
    fn decide(&self, number: u64, approve: bool) -> Result<Exit, Failure> {
        let verb = if approve { "approve" } else { "reject" };
        let bad = format!("cannot {verb} plan {number}");
        let service = self.0.as_ref().and_then(Opened::service);
        let plan = match (&self.0, service) {
            (_, Some(Reached { client, .. })) => client
                .wait(client.decide(number, approve))
                .map_err(|error| not_decided(error, &bad))?,
            (Some(store), None) => decide(store, number, approve, &own_name(), &bad)?,
            (None, None) => return Err(none(&bad)),
        };
        writeln!(
            anstream::stderr().lock(),
            "{}",
            decided(&plan, service.is_some())
        )?;
        Ok(Exit::Done)
    }
}

/// What the service did not decide, in the words of this command.
fn not_decided(error: ClientError, what: &str) -> Failure {
    match error {
        ClientError::Refused(refused) if refused.kind == RefusedKind::NotFound => none(what),
        ClientError::Refused(Refused {
            kind: RefusedKind::Conflict,
            why,
            ..
        }) => why.into_iter().fold(Failure::new(what), Failure::because),
        error => error.into(),
    }
}

fn none(what: &str) -> Failure {
    Failure::new(what)
        .because("the brake has held no plan of that number")
        .hint("`muster plan ls` lists them")
}

/// Writes what a person said of a plan, with what the history says of it.
fn decide(
    store: &dyn Store,
    number: u64,
    approve: bool,
    by: &str,
    what: &str,
) -> Result<HeldPlan, Failure> {
    let id = plan_id(number);
    let failed = |error| Failure::new(what).cause(&error).hint("nothing was changed");
    let found = tables::PLANS.get(store, &id).map_err(failed)?;
    let plan = found.ok_or_else(|| none(what))?;
    let plans = tables::PLANS.list(store).map_err(failed)?.records;
    let plans: Vec<HeldPlan> = plans.into_iter().map(|(_, plan)| plan.value).collect();
    let (decided, history) = held::decide(&plans, &plan.value, approve, by, context::now())
        .map_err(|why| Failure::new(what).because(why))?;
    let mut batch = Batch::new();
    tables::PLANS
        .put(&mut batch, &id, &decided, Expect::At(plan.revision))
        .map_err(failed)?;
    tables::HISTORY
        .append(store, &mut batch, &history)
        .map_err(failed)?;
    store.commit(batch).map_err(failed)?;
    Ok(decided)
}

#[cfg(test)]
mod tests;
