//! Shows what happens in the loop: as lines for people, as one JSON event a line for programs.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::keys;
use crate::component::Description;
use crate::dev::report::{Report, Swap};
use crate::feed::Reporter;
use crate::progress::{Busy, Progress};
use crate::runtime::observer::{CallId, Level, Output, RequestRecord, ServiceRecord, ServiceState, Stream};
use crate::runtime::{fault, lessons};
use crate::shell::{DIM, Format, Lines, Shell, error_document, human_size};

/// Shows reports.
pub struct Show {
    shell: Arc<Shell>,
    url: keys::Url,
    /// Open the browser at the first version that serves.
    open: bool,
    /// Whether the keys work.
    keys: bool,
    /// What takes a moment now, e.g. compiling a large component.
    busy: Option<Busy>,
    /// Lines that are written together: under a load each write would cost as much as a request.
    waiting: Lines,
}

impl Show {
    pub fn new(shell: Arc<Shell>, open: bool, keys: bool) -> Self {
        Show { shell, url: keys::Url::default(), open, keys, busy: None, waiting: Lines::default() }
    }

    /// Where the loop listens, once it does.
    pub fn url(&self) -> keys::Url {
        self.url.clone()
    }

    fn current_url(&self) -> Option<String> {
        self.url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Reporter<Report> for Show {
    fn report(&mut self, report: Report) {
        if let Report::Listening { url, .. } = &report {
            *self.url.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.clone());
        }
        let ready = matches!(report, Report::Ready(_));
        if let Some(message) = busy_with(&report) {
            self.flush();
            // The one before ends first: a spinner at a time.
            self.busy = None;
            self.busy = message.map(|message| self.shell.busy(&message));
        }
        match (self.shell.format(), &report) {
            (Format::Json, _) => self.waiting.add(self.shell.event_line(&event(&report))),
            (Format::Text, Report::Request(request)) => self.waiting.add(Some(request_line(request))),
            (Format::Text, Report::Output(output)) => self.waiting.add(Some(output_line(output))),
            (Format::Text, _) => {
                self.flush();
                self.text(&report);
            }
        }
        if ready
            && std::mem::take(&mut self.open)
            && let Some(url) = self.current_url()
        {
            keys::open_browser(&self.shell, &url);
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
            Report::Console { url } => shell.status("Console", url),
            Report::Recognised { because, command, .. } => {
                shell.line(&format!("{DIM}           {because}; builds with `{command}`{DIM:#}"));
            }
            Report::Building { name } => shell.status("Building", name),
            Report::Step { verb, object } => shell.status(verb, object),
            Report::Hint { message } => shell.hint(message),
            Report::Waiting { name, files } => {
                let files =
                    if *files == 1 { "1 newer change waits".into() } else { format!("{files} newer changes wait") };
                shell.status("Waiting", &format!("{name}: {files} for the running build"));
            }
            Report::Built { name, changed, time, description, .. } => {
                let what = if *changed { sizes(description) } else { "the same component as before".into() };
                shell.status("Built", &format!("{name} in {}: {what}", human_time(*time)));
            }
            Report::BuildFailed { error, still_serving, .. } => {
                shell.problem(error);
                shell.hint(match still_serving {
                    true => "the version before goes on serving; fix the error and save",
                    false => "fix the error and save",
                });
            }
            Report::BuildCancelled { name } => shell.status("Cancelled", &format!("{name}: a newer edit is there")),
            // Short as a rule; the spinner tells when it is not.
            Report::Preparing { .. } => {}
            Report::Ready(swap) => self.ready(swap),
            Report::NotReady { error, still_serving } => {
                shell.problem(error);
                if *still_serving {
                    shell.hint("the version before goes on serving; fix the error and save");
                }
            }
            Report::CertificateRenewed => shell.status("Renewed", "the certificate; new connections get the new one"),
            Report::SettingsChanged { keys } if keys.is_empty() => shell.status("Settings", "as before the error"),
            Report::SettingsChanged { keys } => shell.status("Settings", &format!("changed: {}", keys.join(", "))),
            Report::SettingsInvalid { error } => {
                shell.problem(error);
                shell.hint("the settings before stay in force; fix the error and save");
            }
            // They are collected, see above.
            Report::Request(_) | Report::Output(_) => {}
            Report::Fault(fault) => {
                let style = AnsiColor::Red.on_default();
                shell.line(&format!("{style}{}{style:#}", fault::render_below_output(fault)));
            }
            Report::Network(notice) => {
                shell.warning(&printable(&format!("{}: {}", notice.component, notice.reason)));
                if let Some(hint) = &notice.hint {
                    shell.hint(&printable(hint));
                }
            }
            Report::Service(record) => self.service(record),
            Report::NotShown { lines } => {
                shell.line(&format!("{DIM}           … {lines} more lines came too fast to be shown{DIM:#}"));
            }
            Report::Warning { message, hint } => {
                shell.warning(&printable(message));
                if let Some(hint) = hint {
                    shell.hint(hint);
                }
            }
            Report::Stopping { connections: 0 } => shell.status("Stopping", ""),
            Report::Stopping { connections } => {
                shell.status(
                    "Stopping",
                    &format!("{connections} open connections may finish; once more to leave at once"),
                );
            }
            Report::Stopped { cut: 0 } => {}
            Report::Stopped { cut } => {
                shell.warning(&format!("{cut} connections were cut: they did not finish in time"))
            }
        }
    }

    fn service(&self, record: &ServiceRecord) {
        let (shell, name) = (&*self.shell, &record.service);
        match &record.state {
            // It follows at once, as a rule.
            ServiceState::Starting => {}
            ServiceState::Running => shell.status("Running", &format!("{name} {DIM}(service){DIM:#}")),
            ServiceState::BackingOff { reason, pause, attempt, most } => {
                let restart = format!("it is started again in {} ({attempt} of {most})", human_time(*pause));
                shell.warning(&printable(&format!("the service {name} failed: {reason}; {restart}")));
            }
            ServiceState::Completed => shell.status("Completed", &format!("{name} {DIM}(service){DIM:#}")),
            ServiceState::Failed { reason } => {
                let times = match record.restarts {
                    0 => String::new(),
                    restarts => format!(" after {restarts} restarts"),
                };
                shell.warning(&printable(&format!("the service {name} failed{times}: {reason}; it stays stopped")));
                shell.hint("the next version of it is started; edit and save");
            }
            ServiceState::Stopped => shell.status("Stopped", &format!("{name} {DIM}(service){DIM:#}")),
        }
    }

    fn ready(&self, swap: &Swap) {
        let url = self.current_url().unwrap_or_default();
        let times = format!(
            "{} after the edit; compile {}, link {}",
            human_time(swap.since_edit),
            human_time(swap.compile),
            human_time(swap.link)
        );
        let what = match &swap.service {
            _ if swap.http => url,
            Some(service) if swap.components.is_empty() => format!("{service} (a service, no HTTP handler)"),
            _ => format!("{} (no HTTP handler)", swap.components.join(", ")),
        };
        if swap.generation == 1 {
            self.shell.status(
                "Serving",
                &format!(
                    "{what} {DIM}#1 (compile {}, link {}){DIM:#}",
                    human_time(swap.compile),
                    human_time(swap.link)
                ),
            );
            let keys = if self.keys { format!(" · {}", keys::HELP) } else { String::new() };
            self.shell.line(&format!("{DIM}           edit and save to see it live{keys}{DIM:#}"));
        } else {
            self.shell.status("Serving", &format!("{what} {DIM}#{} ({times}){DIM:#}", swap.generation));
        }
    }
}

/// What a report says about the long work that runs from now on: `Some(None)` that it has ended.
fn busy_with(report: &Report) -> Option<Option<String>> {
    match report {
        Report::Preparing { name } => Some(Some(format!("Compiling {name} to machine code"))),
        Report::Ready(_)
        | Report::NotReady { .. }
        | Report::SettingsChanged { .. }
        | Report::Building { .. }
        | Report::Stopping { .. } => Some(None),
        _ => None,
    }
}

fn sizes(description: &Description) -> String {
    let digest = description.digest.get(..19).unwrap_or(&description.digest);
    format!("{}, {digest}", human_size(description.size))
}

fn request_line(request: &RequestRecord) -> String {
    let status = match request {
        _ if request.client_left => "left".to_string(),
        _ if request.cut => format!("{}, cut", request.status),
        _ => request.status.to_string(),
    };
    let colour = match request.status {
        _ if request.cut => AnsiColor::Red,
        _ if request.client_left => AnsiColor::Yellow,
        200..=399 => AnsiColor::Green,
        400..=499 => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    let style = Style::new().fg_color(Some(colour.into()));
    let path: String = request.path.chars().take(LONGEST_PATH).collect();
    format!(
        "{:>10} {} {style}{status}{style:#} {DIM}{} #{}{DIM:#}",
        request.method.as_str(),
        printable(&path),
        human_time(request.time),
        request.generation
    )
}

fn output_line(output: &Output) -> String {
    let context = if output.context.is_empty() { String::new() } else { format!(" {}:", printable(&output.context)) };
    let tag = match output.stream {
        Stream::Stdout => String::new(),
        Stream::Stderr => " stderr".into(),
        Stream::Log(level) => format!(" {}", level_name(level)),
    };
    format!("{DIM}{:>10}{tag} |{DIM:#}{context} {}", output.component, printable(&output.line))
}

/// What guests and clients write must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(
            |letter| {
                if (letter.is_control() && letter != '\t') || BIDI.contains(&letter) { '\u{fffd}' } else { letter }
            },
        )
        .collect()
}

/// These change the order in which a terminal shows what follows.
const BIDI: &[char] =
    &['\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}'];
/// Longer paths of requests are cut: a line is a line.
const LONGEST_PATH: usize = 300;

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}

/// Three digits and a unit.
pub fn human_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.001 => format!("{:.0} µs", seconds * 1e6),
        ..0.01 => format!("{:.1} ms", seconds * 1e3),
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        ..60.0 => format!("{seconds:.1} s"),
        _ => format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0),
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The trace that a call belongs to, as W3C Trace Context writes it.
fn trace_id(call: CallId) -> Option<String> {
    call.trace.map(|trace| format!("{:032x}", trace.trace))
}

/// A report as an event. The names are part of what programs rely on: `docs/dev-loop.md` lists them.
fn event(report: &Report) -> Value {
    match report {
        Report::Listening { url, address } => json!({"event": "listening", "url": url, "address": address}),
        Report::Console { url } => json!({"event": "console", "url": url}),
        Report::Recognised { name, because, command } => {
            json!({"event": "recognised", "project": name, "because": because, "command": command})
        }
        Report::Building { name } => json!({"event": "building", "project": name}),
        Report::Step { verb, object } => json!({"event": "step", "verb": verb, "object": object}),
        Report::Hint { message } => json!({"event": "hint", "message": message}),
        Report::Waiting { name, files } => json!({"event": "waiting", "project": name, "files": files}),
        Report::Built { name, path, description, changed, time } => json!({
            "event": "built", "project": name, "path": path, "changed": changed,
            "size": description.size, "digest": description.digest, "milliseconds": milliseconds(*time),
        }),
        Report::BuildFailed { name, error, time, still_serving } => json!({
            "event": "build-failed", "project": name, "error": error_document(error), "still_serving": still_serving,
            "milliseconds": milliseconds(*time),
        }),
        Report::BuildCancelled { name } => json!({"event": "build-cancelled", "project": name}),
        Report::Preparing { name } => json!({"event": "preparing", "project": name}),
        Report::Ready(swap) => json!({
            "event": "ready", "generation": swap.generation, "components": swap.components,
            "service": swap.service, "http": swap.http,
            "compile_milliseconds": milliseconds(swap.compile), "link_milliseconds": milliseconds(swap.link),
            "since_edit_milliseconds": milliseconds(swap.since_edit),
        }),
        Report::NotReady { error, still_serving } => {
            json!({"event": "not-ready", "error": error_document(error), "still_serving": still_serving})
        }
        Report::CertificateRenewed => json!({"event": "certificate-renewed"}),
        Report::SettingsChanged { keys } => json!({"event": "settings-changed", "keys": keys}),
        Report::SettingsInvalid { error } => json!({"event": "settings-invalid", "error": error_document(error)}),
        Report::Request(request) => json!({
            "event": "request", "method": request.method.as_str(), "path": request.path, "status": request.status,
            "milliseconds": milliseconds(request.time), "generation": request.generation,
            "client_left": request.client_left, "cut": request.cut,
            "call_id": request.call.number, "trace_id": trace_id(request.call),
        }),
        Report::Output(output) => json!({
            "event": "output", "component": &*output.component, "line": output.line, "context": output.context,
            "stream": match output.stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
                Stream::Log(_) => "log",
            },
            "level": match output.stream {
                Stream::Log(level) => Some(level_name(level)),
                _ => None,
            },
            "call_id": output.call.number, "trace_id": trace_id(output.call),
        }),
        Report::Fault(fault) => json!({
            "event": "fault", "component": &*fault.component, "what": fault.what, "reason": fault.reason,
            "frames": fault.frames.iter()
                .map(|frame| json!({"function": frame.function, "location": frame.location}))
                .collect::<Vec<_>>(),
            "stderr": fault.stderr,
            "means": lessons::of(fault).map(|lesson| lesson.means), "hint": lessons::of(fault).map(|lesson| lesson.next),
            "call_id": fault.call.number, "trace_id": trace_id(fault.call),
        }),
        Report::Network(notice) => json!({
            "event": "network", "component": &*notice.component, "reason": notice.reason, "hint": notice.hint,
            "denied": notice.denied,
        }),
        Report::Service(record) => service_event(record),
        Report::NotShown { lines } => json!({"event": "not-shown", "lines": lines}),
        Report::Warning { message, hint } => json!({"event": "warning", "message": message, "hint": hint}),
        Report::Stopping { connections } => json!({"event": "stopping", "connections": connections}),
        Report::Stopped { cut } => json!({"event": "stopped", "connections_cut": cut}),
    }
}

fn service_event(record: &ServiceRecord) -> Value {
    let (state, reason, pause) = match &record.state {
        ServiceState::Starting => ("starting", None, None),
        ServiceState::Running => ("running", None, None),
        ServiceState::BackingOff { reason, pause, .. } => ("backing-off", Some(reason), Some(milliseconds(*pause))),
        ServiceState::Completed => ("completed", None, None),
        ServiceState::Failed { reason } => ("failed", Some(reason), None),
        ServiceState::Stopped => ("stopped", None, None),
    };
    json!({
        "event": "service", "service": &*record.service, "state": state, "reason": reason,
        "pause_milliseconds": pause, "restarts": record.restarts, "generation": record.generation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let cases =
            [(250, "250 µs"), (1_500, "1.5 ms"), (42_000, "42 ms"), (1_250_000, "1.2 s"), (75_000_000, "1 min 15 s")];
        for (micros, text) in cases {
            assert_eq!(human_time(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn a_guest_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb"), "a\u{fffd}[2Jb");
    }
}
