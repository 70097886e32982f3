//! What the service costs per cycle, from the scans' databases on: recognising, judging, planning, writing.
//!
//! `cargo run --release --example service_bench -- --databases 100000 --scopes 200 --cycles 100`
//!
//! It makes a fleet in memory, opens a store in a temporary directory, and takes the fleet in, scope by scope, as
//! `muster run` does: first with an empty store, then unchanged, then with 1 % changed. Reading the clouds is not
//! in it (`tests/tools/bench_scan.py` measures that). The anchor, in the same run, is a whole run over the same
//! fleet: what `muster apply` does.

#![allow(clippy::print_stdout, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use muster::{
    pipeline::{
        run::{Ask, run},
        state::State,
    },
    service::engine::{Engine, Setup},
};
use muster_matchers::{Chain, Matchers, RuleFile, SourceFilter};
use muster_model::{
    Availability, Database, Endpoint, EndpointRole, Kind, Protocol, Provider, ResourceId, Scan,
    Scope, Selector, Service, State as DbState, Timestamp,
};
use muster_plan::{Brake, Grace, Policy, Settings, Unconfigured};
use muster_store::{Keep, SledStore, Store};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: usize| -> Result<usize> {
        match args.iter().position(|arg| arg == name) {
            Some(at) => Ok(args.get(at + 1).ok_or("a value is missing")?.parse()?),
            None => Ok(default),
        }
    };
    let databases = option("--databases", 100_000)?;
    let scopes = option("--scopes", 200)?.max(1);
    let cycles = option("--cycles", 100)?;
    let anchor = !args.iter().any(|arg| arg == "--no-anchor");

    let dir = tempfile::tempdir()?;
    let mut fleet = Fleet::new(databases, scopes);
    let setup = setup(&fleet)?;
    let mut now = Timestamp::from_unix(1_800_000_000);
    println!(
        "{databases} databases in {scopes} scopes; resident at the start {} MiB (without the fleet)",
        resident()?
    );

    let store = Arc::new(SledStore::open(dir.path())?);
    let mut engine = Engine::open(store.clone(), setup.clone(), now)?;
    line(
        "first cycle, empty store",
        databases,
        cycle(&mut engine, &fleet, now)?,
    );
    println!(
        "  store {} MiB, live {} MiB",
        mib(store.size()?),
        mib(store.live()?)
    );

    now = now.plus(300);
    let unchanged = cycle(&mut engine, &fleet, now)?;
    line("unchanged cycle", databases, unchanged);
    now = now.plus(300);
    line(
        "unchanged cycle, again",
        databases,
        cycle(&mut engine, &fleet, now)?,
    );

    fleet.change(0);
    now = now.plus(300);
    line(
        "cycle with 1 % changed",
        databases,
        cycle(&mut engine, &fleet, now)?,
    );

    if anchor {
        let scans: Vec<Scan> = (0..scopes).map(|scope| fleet.scan(scope)).collect();
        let whole = measure(|| {
            let state = State::load(&*store)?;
            let ask = Ask {
                chain: &setup.chain,
                settings: &setup.settings,
                scopes_known: true,
                open: &[],
                now,
                run: "bench",
            };
            let run = run(&state, &scans, &ask);
            Ok(run.plan.summary.keep)
        })?;
        line("anchor: a whole run, nothing changed", databases, whole);
        println!(
            "  ratio of the unchanged cycle to it: {:.3}",
            unchanged.0.as_secs_f64() / whole.0.as_secs_f64()
        );
    }

    let mut compactions = 0;
    let mut largest = 0;
    for n in 0..cycles {
        fleet.change(n + 1);
        now = now.plus(300);
        cycle(&mut engine, &fleet, now)?;
        engine.sweep(now)?;
        largest = largest.max(store.size()?);
        if store.compaction_due()? {
            let took = measure(|| Ok(store.compact()?))?;
            compactions += 1;
            println!(
                "  compacted in {:.2} s ({:.2} s of CPU)",
                took.1.as_secs_f64(),
                took.0.as_secs_f64()
            );
        }
    }
    println!(
        "after {cycles} cycles with 1 % changed: store {} MiB, largest {} MiB, live {} MiB, {compactions} compactions",
        mib(store.size()?),
        mib(largest),
        mib(store.live()?)
    );

    drop(engine);
    drop(store);
    let mut opened = None;
    let cold = measure(|| {
        let store = Arc::new(SledStore::open(dir.path())?);
        opened = Some((Engine::open(store.clone(), setup.clone(), now)?, store));
        Ok(0)
    })?;
    line("cold start on that store", databases, cold);
    let Some((mut engine, store)) = opened else {
        return Err("nothing was opened".into());
    };
    now = now.plus(300);
    line(
        "first unchanged cycle after it",
        databases,
        cycle(&mut engine, &fleet, now)?,
    );
    drop(fleet);
    // What the allocator keeps for itself counts as resident too.
    println!(
        "resident at rest {} MiB, store revision {}",
        resident()?,
        store.revision()?
    );
    Ok(())
}

/// One cycle: every scope is taken in. The scans are made beforehand, one by one, and that does not count.
fn cycle(engine: &mut Engine, fleet: &Fleet, now: Timestamp) -> Result<Measured> {
    let mut sum = Measured::default();
    for scope in 0..fleet.scopes.len() {
        let scan = fleet.scan(scope);
        let taken = measure(|| Ok(usize::try_from(engine.take(&scan, now, "bench")?.written)?))?;
        sum = (sum.0 + taken.0, sum.1 + taken.1, sum.2 + taken.2);
    }
    Ok(sum)
}

/// CPU time, wall time, and what came of it.
type Measured = (Duration, Duration, usize);

fn measure<T: Into<Came>>(work: impl FnOnce() -> Result<T>) -> Result<Measured> {
    let (cpu, wall) = (cpu()?, Instant::now());
    let came: Came = work()?.into();
    Ok((self::cpu()?.saturating_sub(cpu), wall.elapsed(), came.0))
}

struct Came(usize);

impl From<usize> for Came {
    fn from(count: usize) -> Self {
        Self(count)
    }
}

impl From<muster_store::Compaction> for Came {
    fn from(_: muster_store::Compaction) -> Self {
        Self(0)
    }
}

fn line(what: &str, databases: usize, (cpu, wall, count): Measured) {
    let each = cpu.as_secs_f64() * 1e6 / databases as f64;
    println!(
        "{what:<40} {:>8.3} s of CPU {:>8.3} s {each:>8.2} us/database {count:>8} written",
        cpu.as_secs_f64(),
        wall.as_secs_f64()
    );
}

fn cpu() -> Result<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(Duration::new(
        time.tv_sec.try_into()?,
        time.tv_nsec.try_into()?,
    ))
}

fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no VmRSS")?
        .parse()?;
    Ok(kib / 1024)
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// The fleet: nothing but numbers, so that it does not count as resident. Scans are made when they are taken in.
struct Fleet {
    databases: usize,
    scopes: Vec<Arc<Scope>>,
    /// How often each hundredth changed.
    ports: Vec<u16>,
}

impl Fleet {
    fn new(databases: usize, scopes: usize) -> Self {
        let scope = |n: usize| {
            let account = format!("{:012}", 100_000_000_000 + n / 20);
            Arc::new(Scope::aws(
                &account,
                &format!("region-{}", n % 20),
                Service::Rds,
            ))
        };
        Self {
            databases,
            scopes: (0..scopes).map(scope).collect(),
            ports: vec![5432; 100],
        }
    }

    fn change(&mut self, n: usize) {
        let places = self.ports.len();
        if let Some(port) = self.ports.get_mut(n % places) {
            *port += 1;
        }
    }

    fn scan(&self, place: usize) -> Scan {
        let count = self.scopes.len();
        let scope = self
            .scopes
            .get(place)
            .cloned()
            .unwrap_or_else(|| Arc::new(Scope::aws("0", "none", Service::Rds)));
        let found = (place..self.databases)
            .step_by(count)
            .map(|n| self.database(n, &scope))
            .collect();
        Scan {
            found,
            ..Scan::empty(scope)
        }
    }

    fn database(&self, n: usize, scope: &Arc<Scope>) -> Database {
        let (account, region) = (&scope.account, &scope.region);
        let identifier = format!("orders-{n:07}");
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let host = format!("{identifier}.c0ffee123456.{region}.rds.amazonaws.com");
        Database {
            id: ResourceId::of(
                &format!("arn:aws:rds:{region}:{account}:db:{identifier}"),
                "instance",
            ),
            scope: Arc::clone(scope),
            kind: Kind::Rds,
            protocol: Some(Protocol::Postgres),
            identifier,
            role: EndpointRole::Instance,
            region: region.to_string(),
            endpoint: Some(Endpoint {
                host,
                port: self.ports.get(n % 100).copied().unwrap_or(5432),
            }),
            tls_server_name: None,
            engine: "postgres".to_owned(),
            engine_version: "16.4".to_owned(),
            state: DbState {
                name: "available".to_owned(),
                availability: Availability::Available,
            },
            tags: text(&[
                ("env", ["prod", "staging", "dev"][n % 3]),
                ("team", ["payments", "search", "growth", "data"][n % 4]),
                ("cost-center", "4711"),
                ("managed-by", "terraform"),
            ]),
            derived: text(&[
                ("account-id", account.as_str()),
                ("region", region.as_str()),
                ("engine", "postgres"),
                ("engine-version", "16.4"),
                ("endpoint-type", "instance"),
                ("vpc-id", "vpc-0123456789abcdef0"),
            ]),
            facts: text(&[
                ("resource-id", &format!("db-{n:026}")),
                ("iam-auth", "true"),
                ("vpc-id", "vpc-0123456789abcdef0"),
            ]),
            unsupported: None,
            unread: Default::default(),
            notes: Vec::new(),
        }
    }
}

fn setup(fleet: &Fleet) -> Result<Setup> {
    const RULES: &str = r#"
- name: scratch
  match: {team: "scratch*"}
  skip: not for people
- name: owner
  labels: {add: {owner: "{{ labels.team }}"}}
- name: all
  match: {env: [prod, staging, dev]}
  enroll: true
"#;
    let rules: Vec<RuleFile> = serde_yaml::from_str(RULES)?;
    let source = SourceFilter {
        name: "sources.aws[0]".to_owned(),
        provider: Provider::Aws,
        services: vec![Service::Rds],
        accounts: None,
        regions: None,
        resource_groups: None,
        tags: Selector::all(),
    };
    let (chain, _) = Chain::build(vec![source], Some(&rules), &Matchers::new())
        .map_err(|problems| format!("{problems:?}"))?;
    Ok(Setup {
        chain,
        plugins: Arc::default(),
        digest: "bench".to_owned(),
        settings: Settings {
            policy: Policy::Sync,
            grace: Grace {
                scans: 2,
                seconds: 1800,
            },
            brake: Brake {
                percent: 20,
                at_least: 1,
                window: 3600,
                released: false,
            },
            group: "default".to_owned(),
            unconfigured: Unconfigured::Hold,
        },
        scopes: fleet.scopes.clone(),
        scopes_known: true,
        open: Vec::new(),
        tell: false,
        history: Keep {
            age: 400 * 86_400,
            entries: 1_000_000,
        },
    })
}
