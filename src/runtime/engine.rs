//! The engine: compiles components and bounds the time that guests run for.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Config, Enabled, PoolingAllocationConfig, WasmBacktraceDetails};

use super::function_cache::FunctionCache;
use crate::error::{Error, Result};

/// A guest that runs on without waiting for anything gives way to others this often. Short enough
/// that a looping guest delays others by one tick only; long enough that the tick costs nothing.
pub const TICK: Duration = Duration::from_millis(10);

/// The ticker sleeps until it is called when no guest has run for this many ticks.
const IDLE_TICKS: u32 = 200;

/// Virtual address space may be limited (containers, `ulimit -v`): these numbers of instance slots
/// are tried in turn. One slot reserves 4 GiB of addresses and no memory.
const SLOTS: [u32; 3] = [1000, 200, 40];

/// What an engine is made for.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineOptions {
    /// Where compiled code is kept between runs; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Instances map memory of their own, when they are made.
    pub on_demand: bool,
}

/// Makes an [`Engine`].
#[derive(Clone, Debug, Default)]
pub struct EngineBuilder {
    opts: EngineOptions,
}

impl EngineBuilder {
    /// Keeps compiled code in this folder between runs, found by the content of components and the
    /// configuration of the engine. Only this user's programs may be able to write there: the code is
    /// run. Without it, nothing is kept.
    pub fn with_cache_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.opts.cache_dir = Some(folder.into());
        self
    }

    /// Whether instances get memory that is reserved when the engine starts, 4 GiB of addresses (and no
    /// memory) for each of up to 1000 instances. Without it yes, as far as the machine has the
    /// addresses. With `false` each instance maps memory of its own, which takes longer.
    pub fn with_pooling_allocator(mut self, pooling: bool) -> Self {
        self.opts.on_demand = !pooling;
        self
    }

    /// Starts the engine.
    ///
    /// Errors: the machine cannot run it, or has no addresses left.
    pub fn build(self) -> Result<Engine> {
        Engine::new(&self.opts)
    }
}

/// Compiles and runs components. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    ticker: Arc<Ticker>,
    functions: Option<Arc<FunctionCache>>,
}

impl Engine {
    /// Starts to make an engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Starts an engine, with the largest number of instance slots that the machine has addresses for.
    pub(crate) fn new(opts: &EngineOptions) -> Result<Self> {
        super::tls::choose_provider();
        let functions = opts.cache_dir.as_ref().map(|dir| FunctionCache::open(dir.join("functions")));
        let mut failure = None;
        let pooled = SLOTS.into_iter().filter(|_| !opts.on_demand);
        for slots in pooled.map(Some).chain([None]) {
            match wasmtime::Engine::new(&config(opts, slots, functions.clone())?) {
                Ok(inner) => {
                    let ticker = Ticker::start(inner.clone())?;
                    return Ok(Engine { inner, ticker, functions });
                }
                Err(error) => {
                    tracing::debug!(?slots, "no engine with this allocator: {error:#}");
                    failure = Some(error);
                }
            }
        }
        let reason = failure.map(|error| format!("{error:#}")).unwrap_or_default();
        Err(Error::failed("cannot start the WebAssembly engine").cause(reason))
    }

    /// The wasmtime engine.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// Compiles a component, or takes its code from the cache. Blocks; uses every core.
    pub(crate) fn compile(&self, bytes: &[u8]) -> Result<Component> {
        let component = Component::new(&self.inner, bytes)
            .map_err(|error| Error::failed("cannot compile the component").cause(format!("{error:#}")));
        if let Some(functions) = &self.functions {
            functions.save();
        }
        component
    }

    /// Must be called before a guest runs: it keeps the clock ticking that lets guests be stopped.
    pub(crate) fn guest_runs(&self) {
        self.ticker.wake();
    }
}

fn config(opts: &EngineOptions, slots: Option<u32>, functions: Option<Arc<FunctionCache>>) -> Result<Config> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    // Members of a composed component import one interface under several names.
    config.wasm_component_model_implements(true);
    config.epoch_interruption(true);
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(64));
    if let Some(dir) = &opts.cache_dir {
        let mut cache = CacheConfig::new();
        cache.with_directory(dir.join("code"));
        match Cache::new(cache) {
            Ok(cache) => {
                config.cache(Some(cache));
            }
            // Compiling again is slower and right; a read-only home must not stop anybody.
            Err(error) => tracing::warn!("compiled code is not kept: {error:#}"),
        }
    }
    if let Some(functions) = functions {
        config
            .enable_incremental_compilation(functions)
            .map_err(|error| Error::bug("the function cache does not fit the engine").cause(format!("{error:#}")))?;
    }
    if let Some(slots) = slots {
        config.allocation_strategy(pool(slots));
    }
    Ok(config)
}

/// So much of a slot's memory is cleared by writing to it. `madvise` for more: it interrupts the
/// other cores, and the pages have to be faulted in again.
const KEPT: usize = 1 << 20;
/// The same where the system tells which pages were written to (Linux 6.7 and newer): only those
/// are cleared. This doubles the requests a second of a small component with a new instance each.
const KEPT_IF_DIRTY: usize = 4 << 20;

/// Slots that stay warm.
fn pool(slots: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots);
    pool.total_core_instances(slots.saturating_mul(4));
    pool.total_memories(slots);
    pool.total_tables(slots.saturating_mul(2));
    pool.total_stacks(slots);
    pool.max_core_instances_per_component(32);
    pool.max_memories_per_component(8);
    pool.max_tables_per_component(32);
    pool.table_elements(50_000);
    pool.max_component_instance_size(4 << 20);
    pool.max_core_instance_size(4 << 20);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes);
        pool.linear_memory_keep_resident(KEPT_IF_DIRTY);
    } else {
        pool.linear_memory_keep_resident(KEPT);
    }
    pool.table_keep_resident(64 << 10);
    pool.async_stack_keep_resident(64 << 10);
    // What waits to be given back is still taken: of components that use a lot, a batch would be gigabytes.
    pool.decommit_batch_size(1);
    pool.max_unused_warm_slots(64);
    pool
}

/// Advances the engine's epoch while guests run, on a thread of its own.
struct Ticker {
    thread: thread::Thread,
    /// A guest has been started since the last tick.
    used: AtomicBool,
    asleep: AtomicBool,
}

impl Ticker {
    fn start(engine: wasmtime::Engine) -> Result<Arc<Self>> {
        let (send, receive) = std::sync::mpsc::sync_channel::<Weak<Ticker>>(1);
        let handle = thread::Builder::new()
            .name("wash-ticker".into())
            .spawn(move || {
                let Ok(ticker) = receive.recv() else { return };
                tick(&engine, &ticker);
            })
            .map_err(|error| Error::caused_by("cannot start a thread", &error))?;
        let ticker = Arc::new(Ticker {
            thread: handle.thread().clone(),
            used: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
        });
        let _ = send.send(Arc::downgrade(&ticker));
        Ok(ticker)
    }

    fn wake(&self) {
        // A guest that is already marked costs one read; the thread is called once per sleep.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::SeqCst);
        }
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.asleep.store(false, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn tick(engine: &wasmtime::Engine, ticker: &Weak<Ticker>) {
    let mut idle = 0;
    loop {
        thread::sleep(TICK);
        let Some(ticker) = ticker.upgrade() else { return };
        engine.increment_epoch();
        idle = if ticker.used.swap(false, Ordering::SeqCst) { 0 } else { idle + 1 };
        // A guest may run for long without another being started: those who drive one call
        // `guest_runs` again each time it gives way, see `Instance`.
        if idle >= IDLE_TICKS {
            ticker.asleep.store(true, Ordering::SeqCst);
            if ticker.used.load(Ordering::SeqCst) {
                ticker.asleep.store(false, Ordering::SeqCst);
                continue;
            }
            drop(ticker);
            thread::park_timeout(Duration::from_secs(3600));
            idle = 0;
        }
    }
}
