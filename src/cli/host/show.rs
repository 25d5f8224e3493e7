//! Shows what happens on a host: as lines for people, as one JSON event a line for programs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::feed::Reporter;
use crate::host::access::Access;
use crate::node::report::{Report, SchedulerState};
use crate::progress::Progress;
use crate::runtime::observer::{CallId, Level, Output, ServiceState, Stream};
use crate::runtime::workload::WorkloadId;
use crate::runtime::{fault, lessons};
use crate::shell::{DIM, Format, Lines, Shell, error_document, human_size};

/// Shows reports.
pub struct Show {
    shell: Arc<Shell>,
    /// Lines that are written together: under a load each write would cost as much as a request.
    waiting: Lines,
}

impl Show {
    pub fn new(shell: Arc<Shell>) -> Self {
        Show { shell, waiting: Lines::default() }
    }
}

impl Reporter<Report> for Show {
    fn report(&mut self, report: Report) {
        match (self.shell.format(), &report) {
            (Format::Json, _) => self.waiting.add(event(&report).and_then(|event| self.shell.event_line(&event))),
            (Format::Text, Report::Request(access)) => self.waiting.add(Some(access_line(access))),
            (Format::Text, Report::Output { workload, output }) => {
                let line = format!("{}/{} {}", workload, output.component, printable(&output_text(output)));
                self.waiting.add(Some(line));
            }
            (Format::Text, _) => {
                self.flush();
                self.text(&report);
            }
        }
    }

    fn not_shown(&mut self, lines: u64) {
        self.report(Report::NotShown { lines });
    }

    fn flush(&mut self) {
        self.waiting.write(&self.shell);
    }
}

impl Show {
    fn text(&self, report: &Report) {
        let shell = &*self.shell;
        match report {
            Report::Listening { url, address } => {
                shell.status("Listening", url);
                if !address.ip().is_loopback() {
                    shell.warning(&format!("{address} can be reached from other machines"));
                }
            }
            // For programs; people know what they have started.
            Report::Started { .. } => {}
            Report::Admin { url, .. } => shell.status("Operator", &format!("{url}livez, readyz and metrics")),
            Report::Manifests { files, workloads } => {
                shell
                    .status("Read", &format!("{} in {}", counted(*workloads, "workload"), counted(*files, "manifest")));
            }
            Report::Scheduler { url, state } => match state {
                SchedulerState::Connected => shell.status("Connected", &format!("to the scheduler at {url}")),
                SchedulerState::Lost => {
                    shell.warning(&format!("the connection to the scheduler at {url} is lost; what runs goes on"));
                }
                SchedulerState::Unreachable { reason } => {
                    shell.warning(&printable(&format!("the scheduler at {url} cannot be reached: {reason}")));
                    shell.hint("it is tried again until it can");
                }
            },
            Report::ManifestsInvalid { error } => {
                shell.problem(error);
                shell.hint("what runs goes on as it was before; fix the error and save");
            }
            Report::Starting { workload_id } => shell.status("Starting", workload_id),
            Report::Pulled { image, size, cached, time, .. } => {
                let how = if *cached { "from the cache".into() } else { human_time(*time) };
                shell.status("Pulled", &format!("{image} ({}, {how})", human_size(*size)));
            }
            Report::Ready { workload_id, generation: 1, time, .. } => {
                shell.status("Ready", &format!("{workload_id} in {}", human_time(*time)));
            }
            Report::Ready { workload_id, generation, time, .. } => {
                shell.status("Replaced", &format!("{workload_id} by version {generation} in {}", human_time(*time)));
            }
            Report::Failed { workload_id, error, still_serving, again_in } => {
                let error = error.clone();
                // Errors of the host name it already.
                let names_it = error.message().contains(workload_id.as_str());
                let what = format!("the workload `{workload_id}` cannot be started");
                shell.problem(&if names_it { error } else { error.wrap(what) });
                if *still_serving {
                    shell.hint("the version before goes on serving");
                }
                if let Some(pause) = again_in {
                    shell.hint(&format!("it is tried again in {}, and then less and less often", human_time(*pause)));
                }
            }
            Report::Stopping { workload_id } => shell.status("Stopping", workload_id),
            Report::Stopped { workload_id } => shell.status("Stopped", workload_id),
            // They are collected, see above.
            Report::Request(_) | Report::Output { .. } => {}
            Report::Fault { workload, fault } => {
                shell.line(&format!("{workload}: {}", fault::render_below_output(fault)));
            }
            Report::Network { workload, notice } => {
                shell.warning(&printable(&format!("{workload}/{}: {}", notice.component, notice.reason)));
                if let Some(hint) = &notice.hint {
                    shell.hint(&printable(hint));
                }
            }
            Report::Service { workload, record } => self.service(workload, &record.state),
            Report::NotShown { lines } => {
                shell.line(&format!("{DIM}           … {lines} more lines came too fast to be shown{DIM:#}"));
            }
            Report::Warning { message } => shell.warning(&printable(message)),
            Report::Hint { message } => shell.hint(message),
            Report::Settled { running, failed: 0 } => {
                shell.status("Serving", &counted(*running, "workload"));
            }
            Report::Settled { running, failed } => {
                shell.warning(&format!("{} run, {failed} cannot be started", counted(*running, "workload")));
            }
            Report::Draining { patience } => {
                let most = human_time(*patience);
                shell.status("Draining", &format!("requests may finish within {most}; once more to leave at once"));
            }
            Report::Ended => shell.status("Ended", "everything has stopped"),
        }
    }

    fn service(&self, workload: &WorkloadId, state: &ServiceState) {
        let shell = &*self.shell;
        match state {
            ServiceState::Starting | ServiceState::Stopped => {}
            ServiceState::Running => shell.status("Running", &format!("{workload}: the service")),
            ServiceState::BackingOff { reason, pause, attempt, most } => shell.warning(&printable(&format!(
                "{workload}: the service failed, restart {attempt} of {most} in {}: {reason}",
                human_time(*pause)
            ))),
            ServiceState::Completed => shell.status("Completed", &format!("{workload}: the service has ended well")),
            ServiceState::Failed { reason } => {
                shell.warning(&printable(&format!("{workload}: the service failed and is not started again: {reason}")))
            }
        }
    }
}

/// A report as the event that programs get. `docs/host.md` has them all.
fn event(report: &Report) -> Option<Value> {
    Some(match report {
        Report::Started { host_id, name, version } => {
            json!({ "event": "started", "host_id": host_id, "name": name, "version": version })
        }
        Report::Listening { url, address } => json!({ "event": "listening", "url": url, "address": address }),
        Report::Admin { url, address } => json!({ "event": "admin", "url": url, "address": address }),
        Report::Scheduler { url, state } => match state {
            SchedulerState::Connected => json!({ "event": "scheduler", "url": url, "state": "connected" }),
            SchedulerState::Lost => json!({ "event": "scheduler", "url": url, "state": "lost" }),
            SchedulerState::Unreachable { reason } => {
                json!({ "event": "scheduler", "url": url, "state": "unreachable", "reason": reason })
            }
        },
        Report::Manifests { files, workloads } => {
            json!({ "event": "manifests", "files": files, "workloads": workloads })
        }
        Report::ManifestsInvalid { error } => json!({ "event": "manifests-invalid", "error": error_document(error) }),
        Report::Starting { workload_id } => json!({ "event": "starting", "workload_id": workload_id }),
        Report::Pulled { image, digest, size, cached, time } => json!({
            "event": "pulled", "image": image, "digest": digest, "size": size, "cached": cached,
            "milliseconds": milliseconds(*time),
        }),
        Report::Ready { workload_id, workload, generation, components, time } => json!({
            "event": "ready", "workload_id": workload_id, "workload": workload, "generation": generation,
            "components": components, "milliseconds": milliseconds(*time),
        }),
        Report::Failed { workload_id, error, still_serving, again_in } => json!({
            "event": "failed", "workload_id": workload_id, "error": error_document(error),
            "still_serving": still_serving, "again_in_milliseconds": again_in.map(milliseconds),
        }),
        Report::Stopping { workload_id } => json!({ "event": "stopping", "workload_id": workload_id }),
        Report::Stopped { workload_id } => json!({ "event": "stopped", "workload_id": workload_id }),
        Report::Request(access) => request_event(access),
        Report::Output { workload, output } => json!({
            "event": "output", "workload": workload.as_str(), "component": &*output.component,
            "stream": stream(output.stream), "level": level(output.stream), "context": output.context,
            "line": output.line, "call_id": output.call.number, "trace_id": trace_id(output.call),
        }),
        Report::Fault { workload, fault } => json!({
            "event": "fault", "workload": workload.as_str(), "component": &*fault.component, "what": fault.what,
            "reason": fault.reason,
            "frames": fault.frames.iter()
                .map(|frame| json!({ "function": frame.function, "location": frame.location }))
                .collect::<Vec<_>>(),
            "stderr": fault.stderr,
            "means": lessons::of(fault).map(|lesson| lesson.means), "hint": lessons::of(fault).map(|lesson| lesson.next),
            "call_id": fault.call.number, "trace_id": trace_id(fault.call),
        }),
        Report::Network { workload, notice } => json!({
            "event": "network", "workload": workload.as_str(), "component": &*notice.component,
            "reason": notice.reason, "hint": notice.hint, "denied": notice.denied,
        }),
        Report::Service { workload, record } => {
            let (state, reason) = match &record.state {
                ServiceState::Starting => ("starting", None),
                ServiceState::Running => ("running", None),
                ServiceState::BackingOff { reason, .. } => ("backing-off", Some(reason)),
                ServiceState::Completed => ("completed", None),
                ServiceState::Failed { reason } => ("failed", Some(reason)),
                ServiceState::Stopped => ("stopped", None),
            };
            json!({
                "event": "service", "workload": workload.as_str(), "service": &*record.service, "state": state,
                "reason": reason, "restarts": record.restarts, "generation": record.generation,
            })
        }
        Report::NotShown { lines } => json!({ "event": "not-shown", "lines": lines }),
        Report::Warning { message } => json!({ "event": "warning", "message": message }),
        Report::Hint { message } => json!({ "event": "hint", "message": message }),
        Report::Settled { running, failed } => json!({ "event": "settled", "running": running, "failed": failed }),
        Report::Draining { patience } => {
            json!({ "event": "draining", "patience_milliseconds": milliseconds(*patience) })
        }
        Report::Ended => json!({ "event": "ended" }),
    })
}

fn request_event(access: &Access) -> Value {
    json!({
        "event": "request",
        "at": chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "workload": access.workload.as_ref().map(WorkloadId::as_str),
        "workload_id": access.workload_id,
        "generation": access.generation,
        "client": access.client,
        "scheme": access.scheme,
        "version": format!("{:?}", access.version),
        "host": access.host,
        "method": access.method.as_str(),
        "path": access.path,
        "status": access.status,
        "bytes": access.bytes,
        "milliseconds": milliseconds(access.time),
        "complete": access.complete,
    })
}

fn access_line(access: &Access) -> String {
    let client = access.client.map_or_else(|| "-".into(), |client| client.ip().to_string());
    let workload = access.workload_id.as_deref().unwrap_or("-");
    let cut = if access.complete { "" } else { " cut" };
    let status = if access.status == 0 { "-".into() } else { access.status.to_string() };
    printable(&format!(
        "{client} {} {}{} {status} {} {} {workload}{cut}",
        access.method,
        if access.host.is_empty() { "-" } else { &access.host },
        access.path,
        human_size(access.bytes),
        human_time(access.time),
    ))
}

fn output_text(output: &Output) -> String {
    match output.stream {
        Stream::Stdout => output.line.clone(),
        Stream::Stderr => format!("stderr: {}", output.line),
        Stream::Log(_) if output.context.is_empty() => {
            format!("{}: {}", level(output.stream).unwrap_or_default(), output.line)
        }
        Stream::Log(_) => {
            format!("{} {}: {}", level(output.stream).unwrap_or_default(), output.context, output.line)
        }
    }
}

fn stream(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::Log(_) => "log",
    }
}

fn level(stream: Stream) -> Option<&'static str> {
    let Stream::Log(level) = stream else { return None };
    Some(match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Critical => "critical",
    })
}

/// The trace that a call belongs to, as W3C Trace Context writes it.
fn trace_id(call: CallId) -> Option<String> {
    call.trace.map(|trace| format!("{:032x}", trace.trace))
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn human_time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 60.0 => format!("{} min", (seconds / 60.0).round()),
        seconds if seconds >= 10.0 => format!("{seconds:.0} s"),
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 0.01 => format!("{:.0} ms", seconds * 1e3),
        seconds => format!("{:.1} ms", seconds * 1e3),
    }
}

/// Guests and clients choose what is in these lines; control characters must not reach the terminal.
fn printable(text: &str) -> String {
    let steers = |letter: &char| (letter.is_control() && *letter != '\t') || BIDI.contains(letter);
    text.chars().map(|letter| if steers(&letter) { '\u{fffd}' } else { letter }).collect()
}

/// These change the order in which a terminal shows what follows.
const BIDI: &[char] =
    &['\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}'];
