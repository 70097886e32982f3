//! The engine: how components are compiled and run, the clock that ends those that do not end, and how many run at once.
//!
//! Everything here that changes what a plugin computes is fixed, so that one database gets one verdict on every
//! machine: not-a-number values have one form, instructions whose result depends on the processor are off, and so are
//! threads.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig,
    Result,
};

use crate::limits::Limits;

/// How often a running plugin is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What a component may consist of. Python's runtime has more than 16 core instances, QuickJS's three memories.
pub(crate) const MAX_INSTANCES: usize = 100;
pub(crate) const MAX_TABLES: usize = 100;
pub(crate) const MAX_MEMORIES: usize = 8;
/// Elements of one table.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 20_000;
/// Memory of a slot that is kept for its next instance, in bytes.
const KEEP_RESIDENT: usize = 1 << 20;

/// How large the image of a memory may become when most of it is empty, in bytes. With the usual 16 MiB a component of
/// some hundred bytes, whose memories have one byte at each end, becomes machine code of a gigabyte.
const SPARSE: u64 = 256 << 10;

/// Whether the engine is to compile only or to run as well. Both make the same machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// No slots are reserved: the compiler's process has little address space.
    Compile,
    /// So many instances at once.
    Run {
        /// How many.
        slots: usize,
    },
}

/// Makes the engine.
pub(crate) fn engine(limits: &Limits, purpose: Use) -> Result<Engine> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(limits.stack_bytes)
        .wasm_backtrace_max_frames(NonZeroUsize::new(8))
        .parallel_compilation(true)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(SPARSE);
    // One of the two ends what does not end. Both together would cost twice.
    if limits.fuel.is_some() {
        config.consume_fuel(true);
    } else {
        config.epoch_interruption(true);
    }
    if let Use::Run { slots } = purpose {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        let of = |each: usize| slots.saturating_mul(u32::try_from(each).unwrap_or(u32::MAX));
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(slots)
            .max_component_instance_size(1 << 20)
            .total_core_instances(of(MAX_INSTANCES))
            .max_core_instances_per_component(u32::try_from(MAX_INSTANCES).unwrap_or(u32::MAX))
            .max_core_instance_size(1 << 20)
            .total_memories(of(MAX_MEMORIES))
            .max_memories_per_component(u32::try_from(MAX_MEMORIES).unwrap_or(u32::MAX))
            .max_memories_per_module(u32::try_from(MAX_MEMORIES).unwrap_or(u32::MAX))
            .max_memory_size(limits.memory_bytes)
            .total_tables(of(MAX_TABLES))
            .max_tables_per_component(u32::try_from(MAX_TABLES).unwrap_or(u32::MAX))
            .max_tables_per_module(u32::try_from(MAX_TABLES).unwrap_or(u32::MAX))
            .table_elements(MAX_TABLE_ELEMENTS)
            .linear_memory_keep_resident(KEEP_RESIDENT)
            // Only what an instance wrote is made new for the next one, where the kernel can tell (Linux 6.7). Half of
            // what an instance for one database costs.
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    Engine::new(&config)
}

/// Advances the engine's clock while something runs, and sleeps otherwise.
pub(crate) struct Ticker {
    shared: Arc<Ticking>,
}

struct Ticking {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    free: usize,
    closed: bool,
}

/// Leave to run one instance. Dropping it makes room for the next.
pub(crate) struct Permit<'a> {
    ticker: &'a Ticker,
}

impl Ticker {
    /// Starts the clock of this engine, with room for so many instances.
    pub(crate) fn start(engine: EngineWeak, slots: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Ticking {
            state: Mutex::new(State {
                free: slots,
                ..State::default()
            }),
            changed: Condvar::new(),
        });
        let ticking = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("wasm-clock".to_owned())
            .spawn(move || ticking.tick(&engine))?;
        Ok(Self { shared })
    }

    /// Waits until there is room for an instance.
    pub(crate) fn permit(&self) -> Permit<'_> {
        let mut state = self.shared.lock();
        while state.free == 0 {
            state = self
                .shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.free -= 1;
        state.running += 1;
        if state.running == 1 {
            self.shared.changed.notify_all();
        }
        Permit { ticker: self }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.ticker.shared.lock();
        state.free += 1;
        state.running = state.running.saturating_sub(1);
        drop(state);
        self.ticker.shared.changed.notify_all();
    }
}

impl Ticking {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self, engine: &EngineWeak) {
        loop {
            let mut state = self.lock();
            while state.running == 0 && !state.closed {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            drop(state);
            std::thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::{Limits, Use, engine};

    #[test]
    fn a_small_component_does_not_become_large_machine_code() {
        // Each memory has a byte at either end, which an image of it would have all of.
        let module = "(core module (memory 255) (data (i32.const 0) \"a\") (data (i32.const 16711679) \"z\"))";
        let text = format!("(component {})", module.repeat(20));
        let component = wat::parse_str(text).expect("text");
        let engine = engine(&Limits::default(), Use::Compile).expect("an engine");
        let artifact = engine.precompile_component(&component).expect("compiled");
        assert!(
            artifact.len() < 2 << 20,
            "{} bytes become {}",
            component.len(),
            artifact.len()
        );
    }
}
