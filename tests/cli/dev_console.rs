//! The console of `wash dev`: who is let in, and each of its panels in a real browser.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use crate::support::browser::{Browser, Tab};
use crate::support::{Dev, PATIENCE, Sandbox, eventually, guests, run, write};

/// A loop with something for each panel, and the address of its console.
fn served(sandbox: &Sandbox) -> (PathBuf, Dev, String) {
    sandbox.write("more/tasks.wasm", guests::tasks());
    sandbox.write("more/echo.wasm", guests::echo_worker());
    let settings = "dev:\n  environment:\n    GREETING: hello\n    API_TOKEN: very secret\n  components:\n    - name: tasks\n      \
                    file: ../more/tasks.wasm\n    - name: echo\n      file: ../more/echo.wasm\n";
    let root = sandbox.copying_project("hello", &guests::probe(), settings);
    let mut dev = sandbox.dev(&root, &[]);
    let console = dev.wait_for("console")["url"].as_str().expect("a URL").to_string();
    dev.ready();
    (root, dev, console)
}

/// A request with exactly these lines; the status and the whole answer.
fn raw(console: &str, lines: &[&str]) -> (u16, String) {
    let address = console.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{}\r\nconnection: close\r\n\r\n", lines.join("\r\n")).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer)
}

/// Host and cookie of a page that was let in.
fn entry(console: &str) -> (String, String) {
    let (address, path) = console.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let host = format!("host: {address}");
    let (status, answer) = raw(console, &[&format!("GET /{path} HTTP/1.1"), &host]);
    assert_eq!(status, 303, "{answer}");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(answer.contains("location: /\r\n"), "the token does not stay in the address: {answer}");
    (host, format!("cookie: {}", cookie.split(';').next().unwrap()))
}

#[test]
fn only_pages_of_the_console_itself_are_let_in() {
    let sandbox = Sandbox::new();
    let (_root, _dev, console) = served(&sandbox);
    let (host, cookie) = entry(&console);
    let port = host.rsplit(':').next().unwrap();
    let status = "GET /api/v1/status HTTP/1.1";
    let (code, answer) = raw(&console, &[status, &host, &cookie]);
    assert_eq!(code, 200, "{answer}");
    assert!(!answer.to_lowercase().contains("access-control-"), "no other origin may read it: {answer}");
    for header in
        ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff", "x-frame-options: DENY"]
    {
        assert!(answer.contains(header), "{header}: {answer}");
    }
    assert_eq!(raw(&console, &[status, &format!("host: localhost:{port}"), &cookie]).0, 200);

    // Another name for the same address: DNS rebinding.
    assert_eq!(raw(&console, &[status, &format!("host: evil.example:{port}"), &cookie]).0, 403);
    assert_eq!(raw(&console, &[status, "host: 127.0.0.1", &cookie]).0, 403);
    // A page of another origin in the same browser.
    assert_eq!(raw(&console, &[status, &host, &cookie, "origin: https://evil.example"]).0, 403);
    assert_eq!(raw(&console, &[status, &host, &cookie, "origin: http://127.0.0.1:8000"]).0, 403);
    assert_eq!(raw(&console, &[status, &host, &cookie, "sec-fetch-site: cross-site"]).0, 403);
    assert_eq!(raw(&console, &["OPTIONS /api/v1/call HTTP/1.1", &host, "origin: https://evil.example"]).0, 403);
    // Without the token, or with a wrong one.
    assert_eq!(raw(&console, &[status, &host]).0, 403);
    assert_eq!(raw(&console, &["GET / HTTP/1.1", &host]).0, 403);
    assert_eq!(raw(&console, &["GET /?token=0123456789abcdef0123456789abcdef HTTP/1.1", &host]).0, 403);
    assert_eq!(raw(&console, &[status, &host, "cookie: wash-console=1"]).0, 403);
    // It listens for this machine only.
    assert!(console.starts_with("http://127.0.0.1:"), "{console}");
}

#[test]
fn what_does_not_exist_or_is_wrong_is_an_answer_and_not_the_end() {
    let sandbox = Sandbox::new();
    let (_root, dev, console) = served(&sandbox);
    let (host, cookie) = entry(&console);
    for (line, expected) in [
        ("GET /api/v1/nothing HTTP/1.1", 404),
        ("GET /../../etc/passwd HTTP/1.1", 404),
        ("GET /api/v1/source?file=../../../../etc/passwd&line=1 HTTP/1.1", 422),
        ("GET /api/v1/source?file=/etc/passwd&line=1 HTTP/1.1", 422),
        ("GET /api/v1/request?number=999 HTTP/1.1", 422),
        ("GET /api/v1/request?number=x HTTP/1.1", 400),
        ("POST /api/v1/call HTTP/1.1", 400),
        ("DELETE / HTTP/1.1", 405),
    ] {
        let (status, answer) = raw(&console, &[line, &host, &cookie]);
        assert_eq!(status, expected, "{line}: {answer}");
    }
    assert_eq!(dev.get("/version").status, 200);
}

#[test]
fn the_settings_turn_it_off_and_on_while_the_loop_runs() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("hello", &guests::probe(), "dev:\n  console: false\n");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(dev.count("console"), 0);
    let settings = std::fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
    write(&root.join(".wash/config.yaml"), settings.replace("console: false", "console: true"));
    let console = dev.wait_for("console")["url"].as_str().unwrap().to_string();
    entry(&console);
    write(&root.join(".wash/config.yaml"), &settings);
    let address = console.strip_prefix("http://").unwrap().split('/').next().unwrap().to_string();
    eventually("the console is closed", || TcpStream::connect(&address).is_err());
    let status = run(sandbox.wash(["-o", "json", "dev", "status"]).current_dir(&root)).expect_code(0).json();
    assert_eq!(status["state"], "serving", "the socket for scripts stays");
}

fn open(browser: &Browser, console: &str) -> Tab {
    let mut tab = browser.open(console);
    tab.wait_for_text("#state", "serving");
    tab
}

#[test]
fn requests_are_shown_as_they_come_with_what_was_in_them() {
    let sandbox = Sandbox::new();
    let (_root, dev, console) = served(&sandbox);
    let browser = Browser::start();
    let mut tab = open(&browser, &console);
    assert!(!tab.eval("location.href").as_str().unwrap().contains("token"));
    tab.wait_for_text("#panel-requests", "No request yet");
    tab.picture("empty");

    dev.request(
        "POST",
        "/echo?x=1",
        Some(b"{\"hello\": \"w\xc3\xb6rld\"}"),
        &[("x-mine", "yes"), ("authorization", "Bearer geheim")],
    );
    dev.get("/stdout?text=a+line+of+the+guest");
    dev.get("/status?code=404");
    dev.get("/trap");
    tab.wait("document.querySelectorAll('.list-row').length === 4");
    tab.click(".list-row", "/echo?x=1");
    tab.wait_for_text(".details .headers dt", "x-mine");
    tab.wait_for_text(".details", "\"hello\": \"wörld\"");
    assert!(!tab.eval("document.body.innerText").as_str().unwrap().contains("geheim"), "credentials are masked");
    assert!(tab.eval("document.querySelector('.list-row .stages i.head').getBoundingClientRect().width > 0") == true);
    tab.click(".list-row", "/stdout");
    tab.wait_for_text(".details .lines", "a line of the guest");
    tab.click(".list-row", "/trap");
    tab.wait_for_text(".details .fault", "probe panic on purpose");
    tab.picture("trap");

    // The keyboard does it, too: the list is newest first.
    tab.press("k");
    tab.press("j");
    tab.wait_for_text(".details h2", "/status?code=404");
    tab.press("/");
    tab.wait("document.activeElement.id === 'request-filter'");
    tab.fill("#request-filter", "post");
    tab.wait("document.querySelectorAll('.list-row').length === 1");
    tab.fill("#request-filter", "");
    tab.click("label.check", "failed only");
    tab.wait("document.querySelectorAll('.list-row').length === 2");
}

#[test]
fn a_request_is_sent_again_and_changed() {
    let sandbox = Sandbox::new();
    let (_root, dev, console) = served(&sandbox);
    let browser = Browser::start();
    let mut tab = open(&browser, &console);
    dev.request("POST", "/echo", Some(b"first"), &[("x-mine", "yes"), ("authorization", "Bearer geheim")]);
    tab.click(".list-row", "/echo");
    tab.wait_for_text(".details", "first");
    tab.press("r");
    tab.wait("document.querySelectorAll('.list-row').length === 2");
    tab.wait_for_text(".details", "Sent: answered 200");

    tab.press("e");
    tab.wait("document.activeElement.id === 'edit-path'");
    tab.fill("#edit-path", "/headers?changed");
    tab.fill("#edit-body", "second");
    tab.click(".form button", "Send");
    tab.wait_for_text(".details h2", "/headers?changed");
    // The guest was given what was recorded, not the mask.
    tab.wait_for_text(".details .body", "authorization: Bearer geheim");
    tab.wait_for_text(".details .body", "x-mine: yes");

    tab.click("button", "New request");
    tab.fill("#edit-path", "no slash");
    tab.click(".form button", "Send");
    tab.expected.push("400 (Bad Request)".into());
    tab.wait_for_text(".form .problem", "no slash");
    tab.complaints.retain(|complaint| !complaint.contains("400 (Bad Request)"));
}

#[test]
fn a_failed_build_links_to_the_line() {
    let sandbox = Sandbox::new();
    let command = "build:\n  command: cat message.txt >&2; mkdir -p out && cp input.wasm out/app.wasm && test ! -s message.txt\n  \
                   component_path: out/app.wasm\n";
    let root = sandbox.path().join("hello");
    write(&root.join("input.wasm"), guests::probe());
    write(&root.join("message.txt"), "");
    write(&root.join("src/lib.rs"), "fn one() {}\nfn two() -> u32 {\n    \"text\"\n}\n");
    write(&root.join(".gitignore"), "out/\n");
    write(&root.join(".wash/config.yaml"), command);
    let mut dev = sandbox.dev(&root, &[]);
    let console = dev.wait_for("console")["url"].as_str().unwrap().to_string();
    dev.ready();
    let browser = Browser::start();
    let mut tab = open(&browser, &console);
    tab.press("2");
    tab.wait_for_text("#panel-builds .build", "another component");
    tab.wait("document.querySelectorAll('.chart rect').length === 3");

    write(&root.join("message.txt"), "error[E0308]: mismatched types\n --> src/lib.rs:3:5\n");
    tab.wait_for_text("#banner", "The last version that worked serves.");
    tab.wait_for_text("#state", "broken");
    tab.click("#panel-builds .places button", "src/lib.rs:3:5");
    tab.wait_for_text(".code .here", "\"text\"");
    assert!(tab.eval("document.querySelector('.source a').href").as_str().unwrap().ends_with("/hello/src/lib.rs:3:5"));
    tab.picture("error");
    tab.prefer("dark");
    tab.picture("error-dark");

    write(&root.join("message.txt"), "");
    tab.wait_for_text("#state", "serving");
    tab.wait("document.getElementById('banner').hidden");
}

#[test]
fn data_is_looked_at_and_changed() {
    let sandbox = Sandbox::new();
    let (_root, dev, console) = served(&sandbox);
    dev.send("PUT", "/kv/carts/c1", "3 apples");
    dev.send("PUT", "/blob/images/a.txt", "an object");
    let browser = Browser::start();
    let mut tab = open(&browser, &console);
    tab.press("3");
    tab.wait_for_text("#panel-data .items", "No key in this bucket");
    tab.click("#panel-data button.sub", "carts");
    tab.click("#panel-data .item", "c1");
    tab.wait("document.getElementById('edit-value')?.value === '3 apples'");
    tab.fill("#edit-value", "4 apples");
    tab.click("#panel-data .form button", "Store");
    eventually("the guest sees it", || dev.get("/kv/carts/c1").body == "4 apples");
    tab.click("#panel-data button", "New key");
    tab.fill("#edit-name", "c2");
    tab.fill("#edit-value", "pears");
    tab.click("#panel-data .form button", "Store");
    eventually("the guest sees it", || dev.get("/kv/carts/c2").body == "pears");
    tab.wait_for_text("#panel-data .items", "c2");
    tab.picture("data");
    tab.click("#panel-data .form button", "Delete");
    eventually("the guest misses it", || dev.get("/kv/carts/c2").status == 404);

    tab.click("#data-blobs", "Blobs");
    tab.click("#panel-data .item", "a.txt");
    tab.wait("document.getElementById('edit-value')?.value === 'an object'");
    tab.fill("#edit-value", "another");
    tab.click("#panel-data .form button", "Store");
    eventually("the guest sees it", || dev.get("/blob/images/a.txt").body == "another");

    tab.click("#data-messages", "Messages");
    tab.wait_for_text("#panel-data", "No message yet");
    tab.fill("#message-subject", "tasks.new");
    tab.fill("#message-body", "from the page");
    tab.click("label.check", "wait for an answer");
    tab.click("#panel-data .form button", "Publish");
    tab.wait_for_text("#panel-data .form", "echo:from the page");
    tab.click("h2", "Messages that components");
    tab.eval("document.activeElement.blur()");
    dev.get("/version");
    tab.wait_for_text("#panel-data .build", "tasks.new");
}

#[test]
fn functions_are_called_with_what_wit_says() {
    let sandbox = Sandbox::new();
    let (_root, _dev, console) = served(&sandbox);
    let browser = Browser::start();
    let mut tab = open(&browser, &console);
    tab.press("4");
    tab.click("#panel-call .item", "work");
    tab.wait_for_text("#panel-call .form", "record { name: string, size: u32 }");
    assert_eq!(tab.eval("document.getElementById('argument-0').value"), "{name: \"\", size: 0}");
    tab.fill("#argument-0", "{name: \"it\", size: 3}");
    tab.press("Enter");
    tab.wait_for_text("#call-result", "ok(\"done: it of 3\")");
    tab.picture("call");
    tab.fill("#argument-0", "{name: 1}");
    tab.expected.push("400 (Bad Request)".into());
    tab.click("#panel-call .form button", "Call");
    tab.wait_for_text("#panel-call .problem", "its signature is");
    assert!(
        tab.eval("[...document.querySelectorAll('.item')].find((one) => one.textContent.includes('handles')).disabled")
            == true
    );
}

#[test]
fn the_workload_is_a_picture_and_its_settings_have_origins() {
    let sandbox = Sandbox::new();
    sandbox.write("more/cart.wasm", guests::shop_cart());
    let settings = "dev:\n  environment:\n    API_TOKEN: very secret\n  components:\n    - name: cart\n      file: ../more/cart.wasm\n";
    let root = sandbox.copying_project("front", &guests::shop_front(), settings);
    let mut dev = sandbox.dev(&root, &[]);
    let console = dev.wait_for("console")["url"].as_str().unwrap().to_string();
    dev.ready();
    let browser = Browser::start();
    let mut tab = open(&browser, &console);
    tab.press("5");
    tab.wait("document.querySelectorAll('.graph .edge.call').length === 1");
    let words = tab.eval("document.querySelector('.graph').getAttribute('aria-label')");
    assert!(words.as_str().unwrap().contains("front calls cart through test:shop/cart@0.1.0"), "{words}");
    tab.wait_for_text("#panel-workload table", "dev.environment.API_TOKEN");
    let text = tab.eval("document.body.innerText");
    assert!(!text.as_str().unwrap().contains("very secret") && text.as_str().unwrap().contains("***"), "{text}");
    assert!(text.as_str().unwrap().contains(".wash/config.yaml:"), "{text}");
    tab.picture("workload");
    tab.click("label.check", "without defaults");
    tab.wait_for_text("#panel-workload table", "dev.address");
}

#[test]
fn the_page_stays_quick_after_a_hundred_thousand_requests() {
    let sandbox = Sandbox::new();
    let (_root, dev, console) = served(&sandbox);
    let browser = Browser::start();
    let mut tab = open(&browser, &console);
    let address = dev.url.strip_prefix("http://").unwrap().to_string();
    // Many at a time on each connection, so that it takes seconds.
    let lanes: Vec<_> = (0..8)
        .map(|_| {
            let address = address.clone();
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(&address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let (batch, answer) = (50, b"WASH-PROBE-VERSION-0000");
                let request = format!("GET /version HTTP/1.1\r\nhost: {address}\r\n\r\n").repeat(batch);
                let mut buffer = vec![0; 64 << 10];
                for _ in 0..12_500 / batch {
                    stream.write_all(request.as_bytes()).unwrap();
                    let (mut seen, mut rest) = (0, Vec::new());
                    while seen < batch {
                        let count = stream.read(&mut buffer).unwrap();
                        assert!(count > 0, "the connection ended");
                        rest.extend_from_slice(&buffer[..count]);
                        seen = rest.windows(answer.len()).filter(|window| window == answer).count();
                    }
                }
            })
        })
        .collect();
    lanes.into_iter().for_each(|lane| lane.join().unwrap());
    tab.wait_for_text("#count-requests", "100,000");
    tab.wait_for_text("#panel-requests .bar", "10,000 of 100,000 requests");
    // However many there are, only those that can be seen are elements.
    tab.wait("document.querySelectorAll('.list-row').length > 10");
    assert!(tab.eval("document.querySelectorAll('*').length").as_u64().unwrap() < 1500);
    tab.picture("busy");
    tab.prefer("dark");
    tab.picture("dark");
    tab.prefer("light");
    // Ctrl-end and back, with the keyboard.
    tab.eval("document.querySelector('.list').focus()");
    tab.press("End");
    tab.wait("document.querySelector('.list-row[aria-selected=true]')?.getAttribute('aria-posinset') === '10000'");
    tab.press("Home");
    tab.wait("document.querySelector('.list-row[aria-selected=true]')?.getAttribute('aria-posinset') === '1'");
    tab.fill("#request-filter", "nothing like this");
    tab.wait("document.querySelectorAll('.list-row').length === 0");
    tab.fill("#request-filter", "");
    tab.wait("document.querySelectorAll('.list-row').length > 10");
    tab.resize(600, 860);
    tab.wait("document.documentElement.scrollWidth <= 600");
}

#[test]
fn the_page_says_when_the_loop_has_ended() {
    let sandbox = Sandbox::new();
    let (_root, dev, console) = served(&sandbox);
    let browser = Browser::start();
    let mut tab = open(&browser, &console);
    tab.expected.push("net::ERR_".into());
    dev.stop();
    tab.wait_for_text("#banner", "The loop has ended.");
    tab.wait_for_text("#state", "ended");
}
