//! A real browser: Chromium without a window, spoken to by its own protocol.
//!
//! `scripts/test` installs it (Debian's `chromium`). Every error that a page writes to its console fails the test
//! that opened it, when the [`Tab`] is dropped.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::PATIENCE;

/// A running browser with a profile of its own.
pub struct Browser {
    child: Child,
    port: u16,
    _profile: tempfile::TempDir,
}

/// One page.
pub struct Tab {
    socket: WebSocket<TcpStream>,
    last: u64,
    /// What the page has complained of.
    pub complaints: Vec<String>,
    /// Complaints that have this in them are meant.
    pub expected: Vec<String>,
}

impl Browser {
    /// Starts it.
    pub fn start() -> Browser {
        let profile = tempfile::Builder::new().prefix("wash-browser-").tempdir().expect("a temporary folder");
        let mut child = Command::new("chromium")
            // The tests may run as root, for whom the sandbox does not start.
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
            ])
            .args(["--remote-debugging-port=0", "--window-size=1280,860", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chromium starts; scripts/test installs it");
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("DevTools listening on ws://") {
                    let port = address.split(['/', ':']).nth(1).and_then(|port| port.parse::<u16>().ok());
                    let _ = send.send(port.expect("a port"));
                }
            }
        });
        let port = receive.recv_timeout(PATIENCE).expect("chromium says where it listens");
        Browser { child, port, _profile: profile }
    }

    /// Opens a page, and returns when it has been loaded.
    pub fn open(&self, url: &str) -> Tab {
        let address = format!("http://127.0.0.1:{}/json/new?about:blank", self.port);
        let mut response = ureq::put(&address).send_empty().expect("a new page");
        let text = response.body_mut().read_to_string().expect("its description");
        let page: Value = serde_json::from_str(&text).expect("JSON");
        let socket_url = page["webSocketDebuggerUrl"].as_str().expect("its address");
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the browser answers");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let (socket, _) = tungstenite::client(socket_url, stream).expect("the page answers");
        let mut tab = Tab { socket, last: 0, complaints: Vec::new(), expected: Vec::new() };
        for domain in ["Page", "Runtime", "Log"] {
            tab.ask(&format!("{domain}.enable"), json!({}));
        }
        tab.go(url);
        tab
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tab {
    /// Goes to an address.
    #[track_caller]
    pub fn go(&mut self, url: &str) {
        let gone = self.ask("Page.navigate", json!({ "url": url }));
        assert!(gone["errorText"].is_null(), "{gone}");
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// Computes something in the page; promises are waited for.
    #[track_caller]
    pub fn eval(&mut self, script: &str) -> Value {
        let params = json!({ "expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let result = self.ask("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{script}: {result:#}");
        result["result"]["value"].clone()
    }

    /// Waits until something holds in the page.
    #[track_caller]
    pub fn wait(&mut self, condition: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let params = json!({ "expression": format!("Boolean({condition})"), "returnByValue": true });
            if self.ask("Runtime.evaluate", params)["result"]["value"] == true {
                return;
            }
            if Instant::now() > deadline {
                let text = self.eval("document.body.innerText");
                panic!(
                    "it never holds: {condition}\ncomplaints: {:?}\n{}",
                    self.complaints,
                    text.as_str().unwrap_or_default()
                );
            }
            std::thread::yield_now();
        }
    }

    /// Waits until a text is to be read inside of an element.
    #[track_caller]
    pub fn wait_for_text(&mut self, selector: &str, text: &str) {
        self.wait(&format!(
            "[...document.querySelectorAll({})].some((one) => one.checkVisibility() && one.innerText.includes({}))",
            Value::from(selector),
            Value::from(text)
        ));
    }

    /// Clicks on what a selector finds, with this text in it.
    #[track_caller]
    pub fn click(&mut self, selector: &str, text: &str) {
        let (selector, text) = (Value::from(selector), Value::from(text));
        let find = format!(
            "[...document.querySelectorAll({selector})].find((one) => one.checkVisibility() && !one.disabled && one.textContent.includes({text}))"
        );
        self.wait(&find);
        self.eval(&format!("{find}.click()"));
    }

    /// Puts a text into a field, as if it had been typed.
    #[track_caller]
    pub fn fill(&mut self, selector: &str, text: &str) {
        let (selector, text) = (Value::from(selector), Value::from(text));
        self.wait(&format!("document.querySelector({selector})"));
        self.eval(&format!(
            "(() => {{ const field = document.querySelector({selector}); field.focus(); field.value = {text}; \
             field.dispatchEvent(new Event('input', {{ bubbles: true }})); \
             field.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
        ));
    }

    /// Presses a key on the keyboard, e.g. `j` or `Enter`.
    #[track_caller]
    pub fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.ask("Input.dispatchKeyEvent", json!({ "type": kind, "key": key, "text": text }));
        }
    }

    /// Shows the page as people see it who prefer dark colours, or light ones.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Gives the page another size.
    pub fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Saves a picture of the page, for people, where the variable `WASH_TEST_PICTURES` names a folder.
    pub fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("WASH_TEST_PICTURES") else { return };
        let picture = self.ask("Page.captureScreenshot", json!({ "format": "png" }));
        let bytes = decode(picture["data"].as_str().expect("a picture"));
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).expect("the picture is written");
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let number = self.last;
        let message = json!({ "id": number, "method": method, "params": params });
        self.socket.send(Message::text(message.to_string())).expect("the browser listens");
        let deadline = Instant::now() + PATIENCE + Duration::from_secs(5);
        loop {
            assert!(Instant::now() < deadline, "no answer to {method}");
            let Message::Text(text) = self.socket.read().unwrap_or_else(|error| panic!("{method}: {error}")) else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["id"] == number {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.take_down(&message);
        }
    }

    fn take_down(&mut self, event: &Value) {
        let params = &event["params"];
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => params["exceptionDetails"].to_string(),
            Some("Runtime.consoleAPICalled") if params["type"] == "error" => params["args"].to_string(),
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => params["entry"].to_string(),
            _ => return,
        };
        if !self.expected.iter().any(|expected| complaint.contains(expected)) {
            self.complaints.push(complaint);
        }
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // What the page says until now has come by then.
            self.ask("Runtime.evaluate", json!({ "expression": "1" }));
            assert!(self.complaints.is_empty(), "the page complains: {:#?}", self.complaints);
        }
    }
}

/// Base64, as the browser writes it.
fn decode(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').map(value).collect();
    let four = |part: &[u8]| {
        let bits = part.iter().fold(0u32, |bits, value| bits << 6 | u32::from(*value)) << (6 * (4 - part.len()));
        bits.to_be_bytes()[1..part.len()].to_vec()
    };
    letters.chunks(4).flat_map(four).collect()
}
