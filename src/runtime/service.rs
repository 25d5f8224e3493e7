//! A workload's service: one instance that is started once and runs for as long as the workload.
//!
//! It has a thread of its own, on which nothing else is done: one that never waits takes time from
//! nobody but through the system's scheduler. It gives way at every tick of the engine, so that it can be
//! stopped at any time. When it fails it is started again in a new store, each time after a longer
//! pause.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wasmtime::component::types::ComponentItem;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::{p2, p3};

use super::capability::{Capabilities, GuestOf};
use super::cpu;
use super::fault;
use super::network::loopback::{Loopback, STARTING};
use super::observer::{CallId, ServiceRecord, ServiceState};
use super::prepare::Prepared;
use super::stdio::CallOutput;
use super::trace;

/// The pause before a service is started again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A service that ran for so long was well: what it failed at before does not count any more.
const WELL: Duration = Duration::from_secs(60);
/// How long a service that is replaced may take to finish with the connections that it has accepted.
const FINISH: Duration = Duration::from_millis(500);
/// How long the version before may take to end before the next one is started nevertheless.
const PATIENCE: Duration = Duration::from_secs(5);

/// A component that can run as a service.
pub struct ServiceComponent<C: Capabilities> {
    component: Arc<Prepared<C>>,
    entry: Entry<C>,
    /// How often it is started again after it has failed.
    max_restarts: u64,
    generation: u64,
}

enum Entry<C: Capabilities> {
    /// `wasi:cli/run` of WASI 0.2.
    Run(p2::bindings::CommandPre<GuestOf<C>>),
    /// That of WASI 0.3.
    AsyncRun(p3::bindings::CommandPre<GuestOf<C>>),
    /// The one function of the one interface.
    Function { interface: String, function: String },
}

/// How a run has ended by itself.
#[derive(Debug)]
enum End {
    Completed,
    /// It says that it failed, with this exit status.
    Failed(i32),
}

impl<C: Capabilities> ServiceComponent<C> {
    /// Finds out how the component is run; `Err` says why it is no service.
    pub fn new(component: Arc<Prepared<C>>, max_restarts: u64, generation: u64) -> Result<Self, String> {
        let pre = component.pre().clone();
        let entry = if component.exports("wasi:cli/run@0.2") {
            Entry::Run(p2::bindings::CommandPre::new(pre).map_err(|error| format!("{error:#}"))?)
        } else if component.exports("wasi:cli/run@0.3") {
            Entry::AsyncRun(p3::bindings::CommandPre::new(pre).map_err(|error| format!("{error:#}"))?)
        } else {
            only_function(&component)?
        };
        Ok(ServiceComponent { component, entry, max_restarts, generation })
    }

    /// Runs it once, until it ends, within its share of run time. `started` is called when it has been
    /// instantiated.
    async fn run(&self, output: &Arc<CallOutput>, started: impl FnOnce() + Send) -> wasmtime::Result<End> {
        cpu::held(self.component.cpu(), Box::pin(self.run_freely(output, started))).await
    }

    async fn run_freely(&self, output: &Arc<CallOutput>, started: impl FnOnce() + Send) -> wasmtime::Result<End> {
        let mut store = self.component.store(output)?;
        let ended = match &self.entry {
            Entry::Run(pre) => {
                let command = pre.instantiate_async(&mut store).await?;
                started();
                command.wasi_cli_run().call_run(&mut store).await
            }
            Entry::AsyncRun(pre) => {
                let command = pre.instantiate_async(&mut store).await?;
                started();
                let run = async |accessor: &_| command.wasi_cli_run().call_run(accessor).await;
                store.run_concurrent(run).await.and_then(|ended| ended)
            }
            Entry::Function { interface, function } => {
                let instance = self.component.pre().instantiate_async(&mut store).await?;
                started();
                let missing = || wasmtime::Error::msg("its entry is gone");
                let interface = instance.get_export_index(&mut store, None, interface).ok_or_else(missing)?;
                let index = instance.get_export_index(&mut store, Some(&interface), function).ok_or_else(missing)?;
                let function = instance.get_func(&mut store, index).ok_or_else(missing)?;
                let mut results = vec![wasmtime::component::Val::Bool(false); function.ty(&store).results().len()];
                function.call_async(&mut store, &[], &mut results).await.map(|()| match results.first() {
                    Some(wasmtime::component::Val::Result(Err(_))) => Err(()),
                    _ => Ok(()),
                })
            }
        };
        match ended {
            Ok(Ok(())) => Ok(End::Completed),
            Ok(Err(())) => Ok(End::Failed(1)),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(0)) => Ok(End::Completed),
                Some(I32Exit(status)) => Ok(End::Failed(*status)),
                None => Err(error),
            },
        }
    }
}

/// The entry of a component that exports one interface: the only function that needs nothing.
fn only_function<C: Capabilities>(component: &Prepared<C>) -> Result<Entry<C>, String> {
    let engine = component.pre().engine();
    let kind = component.pre().component().component_type();
    let interfaces: Vec<_> = kind
        .exports(engine)
        .filter_map(|(name, item)| match item.ty {
            ComponentItem::ComponentInstance(interface) => Some((name.to_string(), interface)),
            _ => None,
        })
        .collect();
    let [(name, interface)] = &interfaces[..] else {
        let names: Vec<String> = interfaces.iter().map(|(name, _)| format!("`{name}`")).collect();
        let exports = if names.is_empty() { "nothing".to_string() } else { names.join(", ") };
        return Err(format!("it exports {exports}"));
    };
    let startable: Vec<String> = interface
        .exports(engine)
        .filter_map(|(function, item)| match item.ty {
            ComponentItem::ComponentFunc(kind) if kind.params().len() == 0 && !kind.async_() => {
                Some(function.to_string())
            }
            _ => None,
        })
        .collect();
    match &startable[..] {
        [function] => Ok(Entry::Function { interface: name.clone(), function: function.clone() }),
        [] => Err(format!("no function of `{name}` can be called without arguments")),
        several => Err(format!("`{name}` has several functions without arguments: {}", several.join(", "))),
    }
}

/// What a service was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    No,
    /// Another one takes its place: it may finish with the connections that it has accepted.
    Soon,
    Now,
}

/// A service that was started. Dropping it stops the service.
pub struct Running {
    stop: watch::Sender<Stop>,
    ended: watch::Receiver<bool>,
    status: Arc<Mutex<ServiceRecord>>,
}

impl Running {
    /// Starts a service on a thread of its own, after the one `before` it has ended. Its network is
    /// `loopback`.
    pub fn start<C: Capabilities>(
        service: Arc<ServiceComponent<C>>,
        loopback: Arc<Loopback>,
        before: Option<Running>,
    ) -> Running {
        let (stop, stopped) = watch::channel(Stop::No);
        let (end, ended) = watch::channel(false);
        let record = ServiceRecord {
            service: service.component.name.clone(),
            state: ServiceState::Starting,
            restarts: 0,
            generation: service.generation,
        };
        let status = Arc::new(Mutex::new(record));
        let (told, network) = (status.clone(), loopback.clone());
        let life = Life { service, loopback, stopped, status: status.clone() };
        let observer = life.service.component.observer().clone();
        let spawned = thread::Builder::new().name("wash-service".into()).spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    runtime.block_on(life.live(before));
                    // A thread that looks something up for the guest must not keep us.
                    runtime.shutdown_background();
                }
                Err(error) => {
                    life.loopback.expect_nothing();
                    life.tell(ServiceState::Failed { reason: format!("no runtime for it: {error}") });
                }
            }
            let _ = end.send(true);
        });
        if let Err(error) = spawned {
            let mut record = told.lock().unwrap_or_else(PoisonError::into_inner);
            record.state = ServiceState::Failed { reason: format!("no thread for it: {error}") };
            network.expect_nothing();
            observer.service(record.clone());
        }
        Running { stop, ended, status }
    }

    /// How it is.
    pub fn status(&self) -> ServiceRecord {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells it that another one takes its place; its end is a moment later.
    pub fn tell_to_make_room(&self) {
        self.tell(Stop::Soon);
    }

    fn tell(&self, stop: Stop) {
        self.stop.send_if_modified(|told| std::mem::replace(told, stop.max(*told)) < stop);
    }

    /// Stops it at once and waits for its end, for this long at most. Returns whether it has ended.
    pub async fn stop(self, patience: Duration) -> bool {
        self.tell(Stop::Now);
        self.end(patience).await
    }

    /// The same for one that may finish first.
    async fn make_room(self, patience: Duration) -> bool {
        self.tell(Stop::Soon);
        self.end(patience).await
    }

    async fn end(mut self, patience: Duration) -> bool {
        let ended = self.ended.wait_for(|ended| *ended);
        // The channel closes when the thread is gone for another reason.
        tokio::time::timeout(patience, ended).await.is_ok()
    }
}

/// What runs on the service's thread.
struct Life<C: Capabilities> {
    service: Arc<ServiceComponent<C>>,
    loopback: Arc<Loopback>,
    stopped: watch::Receiver<Stop>,
    status: Arc<Mutex<ServiceRecord>>,
}

impl<C: Capabilities> Life<C> {
    async fn live(&self, before: Option<Running>) {
        let mut stopped = self.stopped.clone();
        // Whoever started it is gone, or wants it to end.
        let stop = async {
            if stopped.wait_for(|stop| *stop != Stop::No).await.is_ok_and(|stop| *stop == Stop::Soon) {
                tokio::select! {
                    () = self.loopback.accepted_are_over(FINISH) => {}
                    _ = stopped.wait_for(|stop| *stop == Stop::Now) => {}
                }
            }
        };
        tokio::select! {
            biased;
            // Members that connect meanwhile may be waiting for the next version.
            () = stop => self.tell(ServiceState::Stopped),
            () = async {
                if let Some(before) = before {
                    before.make_room(PATIENCE).await;
                }
                self.run_again_and_again().await;
            } => {}
        }
    }

    async fn run_again_and_again(&self) {
        let mut failures = 0;
        loop {
            // Members that connect before it listens wait for it.
            self.loopback.expect(STARTING);
            self.tell(ServiceState::Starting);
            let begun = Instant::now();
            let output = self.service.component.output();
            // Not around what the service does: a trace that grows for months is of no use to anybody.
            let span = trace::service(&self.service.component.name, self.service.generation);
            output.serve(CallId::next(trace::id(&span)));
            let run = self.service.run(&output, || self.tell(ServiceState::Running));
            // Those who wait for it are told when it does not listen where they wanted to.
            let forsake = async {
                tokio::time::sleep(STARTING).await;
                self.loopback.forsake();
                std::future::pending().await
            };
            let ended = tokio::select! {
                ended = run => ended,
                ended = forsake => ended,
            };
            // One that ends because the next version has taken its ports must not end the waiting for that.
            if *self.stopped.borrow() == Stop::No {
                self.loopback.expect_nothing();
            }
            let stderr = output.finish();
            let reason = match ended {
                Ok(End::Completed) => return self.tell(ServiceState::Completed),
                Ok(End::Failed(status)) => format!("it ended with exit status {status}"),
                Err(error) => {
                    let name = &self.service.component.name;
                    let fault = fault::describe(name, "running the service".into(), &error, stderr);
                    let reason = fault.reason.clone();
                    self.service.component.observer().fault(fault);
                    reason
                }
            };
            trace::record_error(&span, "service_failed");
            drop(span);
            if begun.elapsed() >= WELL {
                failures = 0;
            }
            if failures >= self.service.max_restarts {
                return self.tell(ServiceState::Failed { reason });
            }
            failures += 1;
            let pause = pause(failures);
            let most = self.service.max_restarts;
            self.tell(ServiceState::BackingOff { reason, pause, attempt: failures, most });
            tokio::time::sleep(pause).await;
            self.status.lock().unwrap_or_else(PoisonError::into_inner).restarts += 1;
        }
    }

    fn tell(&self, state: ServiceState) {
        let record = {
            let mut record = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            record.state = state;
            record.clone()
        };
        self.service.component.observer().service(record);
    }
}

/// How long to wait after so many failures in a row.
fn pause(failures: u64) -> Duration {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    (FIRST_PAUSE * 2u32.pow(doublings)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses: Vec<u128> = [1, 2, 3, 7, 8, 100, u64::MAX].map(|failures| pause(failures).as_millis()).into();
        assert_eq!(pauses, [250, 500, 1000, 16_000, 30_000, 30_000, 30_000]);
    }
}
