//! A running `wash dev`, its events and its answers.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{PATIENCE, Sandbox};

/// `wash dev -o json` in a process of its own. Killed when dropped; tests end it with
/// [`Dev::stop`], which also asserts a clean exit.
pub struct Dev {
    child: Child,
    log: Arc<Log>,
    /// Events before this one have been waited for.
    seen: usize,
    pub url: String,
    /// How long the waiting functions wait; a test whose toolchain is slow sets more.
    pub patience: Duration,
}

#[derive(Default)]
struct Log {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    events: Vec<Value>,
    stderr: String,
    stdout_closed: bool,
    stderr_closed: bool,
}

/// Status and body of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Sandbox {
    /// Starts `wash dev` in a folder, on a free port, and waits until it listens.
    pub fn dev(&self, folder: &Path, args: &[&str]) -> Dev {
        let mut command = self.wash(["dev", "-o", "json", "--port", "0"]);
        command.args(args).current_dir(folder);
        Dev::start(command)
    }
}

impl Sandbox {
    /// Starts `wash host` on a free port, and waits until it listens.
    pub fn host(&self, args: &[&str]) -> Dev {
        let mut command = self.wash(["host", "-o", "json", "--http-addr", "0"]);
        command.args(args);
        Dev::start(command)
    }
}

impl Dev {
    /// Starts the command and waits until it listens.
    pub fn start(mut command: Command) -> Dev {
        command.stdin(Stdio::null());
        Dev::start_with_stdin(command)
    }

    /// The same with the stdin that the command has.
    pub fn start_with_stdin(mut command: Command) -> Dev {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("wash starts");
        let log = Arc::new(Log::default());
        let (stdout, stderr) = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
        let events = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|_| Value::String(line));
                events.update(|state| state.events.push(event));
            }
            events.update(|state| state.stdout_closed = true);
        });
        let text = log.clone();
        std::thread::spawn(move || {
            let mut stderr = stderr;
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                text.update(|state| state.stderr.push_str(&String::from_utf8_lossy(&buffer[..count])));
            }
            text.update(|state| state.stderr_closed = true);
        });
        let mut dev = Dev { child, log, seen: 0, url: String::new(), patience: PATIENCE };
        let listening = dev.wait_for("listening");
        dev.url = listening["url"].as_str().expect("a URL").trim_end_matches('/').to_string();
        dev
    }

    /// Waits for the next event of this name, after those already waited for.
    #[track_caller]
    pub fn wait_for(&mut self, name: &str) -> Value {
        self.wait_for_event(name, |_| true)
    }

    /// Waits for the next event of this name for which the condition holds.
    #[track_caller]
    pub fn wait_for_event(&mut self, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + self.patience;
        let mut state = self.log.lock();
        loop {
            let next = &state.events[self.seen..];
            let found = next.iter().position(|event| event["event"] == name && condition(event));
            let failed = next.iter().position(|event| event["event"] == "not-ready");
            if name == "ready" && failed.is_some_and(|failed| found.is_none_or(|found| failed < found)) {
                panic!("no version serves: {:#?}\nstderr:\n{}", next[failed.unwrap_or_default()], state.stderr);
            }
            if let Some(offset) = found {
                self.seen += offset + 1;
                return state.events[self.seen - 1].clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.stdout_closed {
                panic!("no event `{name}` came; events:\n{:#?}\nstderr:\n{}", state.events, state.stderr);
            }
            state = self.log.changed.wait_timeout(state, left.min(Duration::from_secs(1))).unwrap().0;
        }
    }

    /// Waits until there were so many events of this name, whatever came between them.
    #[track_caller]
    pub fn wait_for_count(&self, name: &str, count: usize) {
        let deadline = Instant::now() + self.patience;
        let mut state = self.log.lock();
        while state.events.iter().filter(|event| event["event"] == name).count() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.stdout_closed {
                panic!("there are no {count} events `{name}`:\n{:#?}\nstderr:\n{}", state.events, state.stderr);
            }
            state = self.log.changed.wait_timeout(state, left.min(Duration::from_secs(1))).unwrap().0;
        }
    }

    /// Every event so far.
    pub fn events(&self) -> Vec<Value> {
        self.log.lock().events.clone()
    }

    /// How many events of this name there were so far.
    pub fn count(&self, name: &str) -> usize {
        self.events().iter().filter(|event| event["event"] == name).count()
    }

    /// Everything on stderr so far.
    pub fn stderr(&self) -> String {
        self.log.lock().stderr.clone()
    }

    /// Waits until a version serves.
    #[track_caller]
    pub fn ready(&mut self) -> Value {
        self.wait_for("ready")
    }

    /// A GET request.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None, &[])
    }

    /// A request with a body.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.request(method, path, Some(body.as_bytes()), &[])
    }

    /// Any request.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: Option<&[u8]>, headers: &[(&str, &str)]) -> Answer {
        request(&self.url, method, path, body, headers)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\nstderr:\n{}", self.stderr()))
    }

    /// Waits until a GET gives this body.
    #[track_caller]
    pub fn answers(&self, path: &str, body: &str) {
        let deadline = Instant::now() + self.patience;
        loop {
            let answer = self.get(path);
            if answer.body == body {
                return;
            }
            assert!(Instant::now() < deadline, "{path} still answers {answer:?}, not {body:?}\n{}", self.stderr());
            std::thread::yield_now();
        }
    }

    /// The process, for signals.
    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// What the process has used of the processor.
    #[cfg(target_os = "linux")]
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid().as_raw_nonzero())).expect("a process");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        // User and system time, in hundredths of a second.
        let ticks = |field: usize| fields[field].parse::<u64>().expect("a number");
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    /// Sends SIGINT.
    pub fn interrupt(&self) {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::INT).expect("the signal is sent");
    }

    /// Ends it as ctrl-c does and asserts that it ends with the exit code for that.
    #[track_caller]
    pub fn stop(mut self) -> String {
        self.interrupt();
        let code = self.wait();
        let stderr = self.stderr();
        assert_eq!(code, 130, "stderr:\n{stderr}");
        stderr
    }

    /// Ends it as whoever runs services does, and asserts that it ends well.
    #[track_caller]
    pub fn terminate(mut self) -> String {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::TERM).expect("the signal is sent");
        let code = self.wait();
        let stderr = self.stderr();
        assert_eq!(code, 0, "stderr:\n{stderr}");
        stderr
    }

    /// A GET request for a host of this name.
    #[track_caller]
    pub fn get_from(&self, host: &str, path: &str) -> Answer {
        self.request("GET", path, None, &[("host", host)])
    }

    /// What a process has written may be read after its end. Another that it started may keep stderr open.
    fn read_to_the_end(&self) {
        let state = self.log.lock();
        let open = |state: &mut State| !state.stdout_closed || !state.stderr_closed;
        drop(self.log.changed.wait_timeout_while(state, Duration::from_secs(5), open).unwrap());
    }

    /// Waits for the end and returns the exit code.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                self.read_to_the_end();
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "wash did not end; stderr:\n{}", self.stderr());
            let state = self.log.lock();
            drop(self.log.changed.wait_timeout(state, Duration::from_millis(20)).unwrap());
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A test that failed while it held the lock has already said why.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// One request on a connection of its own.
pub fn request(
    url: &str,
    method: &str,
    path: &str,
    body: Option<&[u8]>,
    headers: &[(&str, &str)],
) -> Result<Answer, ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .build()
        .into();
    let mut builder = ureq::http::Request::builder().method(method).uri(format!("{url}{path}"));
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let mut response = agent.run(builder.body(body.unwrap_or_default()).expect("a request"))?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
    // One letter a byte for what is no text: the length stays right.
    let body = String::from_utf8(body).unwrap_or_else(|error| error.into_bytes().iter().map(|_| '?').collect());
    Ok(Answer { status, body })
}
