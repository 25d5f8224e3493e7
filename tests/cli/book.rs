//! The pages of `docs/` and the README, read as a user reads them: every block of commands is run, in
//! order, in a fresh home, and what it prints is compared with what the page shows.
//!
//! A page is one session of a shell: folders and variables last from block to block. In a block,
//! `$ ` begins a command, and the lines below are lines of its output, in this order; others may stand
//! between them. Numbers and digests are compared by their form only. `…` stands for anything.
//!
//! Comments in front of a block say what the page leaves to its reader's hands:
//!
//! - `<!-- first: COMMANDS -->` is run before the block, and may have several lines: an edit of a file.
//! - `<!-- meanwhile: COMMANDS -->` is run while the block's server runs: what the page shows it answering.
//! - `<!-- printed by the server -->`: the block below is text that the block's server prints after that.
//! - `<!-- not run: REASON -->`: [`REASONS`] are the only ones.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::registry::Registry;
use crate::support::{Sandbox, guests};

/// Only a page that is wrong waits this long. The first build of a project compiles its packages.
const PATIENCE: Duration = Duration::from_secs(300);

/// Why a block may not be run.
const REASONS: &[&str] = &[
    "builds wash itself",
    "installs programs",
    "needs a NATS server",
    "needs a signature of yours",
    "needs the internet",
    "takes minutes",
];

macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        $(#[test]
        fn $name() {
            Session::new($path).read();
        })*

        const PAGES: &[&str] = &[$($path,)*];
    };
}

pages! {
    readme: "README.md",
    benchmarks: "docs/benchmarks.md",
    ci: "docs/ci.md",
    console: "docs/console.md",
    contributing: "docs/contributing.md",
    cluster: "docs/cluster.md",
    dev_loop: "docs/dev-loop.md",
    doctor: "docs/doctor.md",
    embedding: "docs/embedding.md",
    first_day: "docs/first-day.md",
    guide_c: "docs/guides/c.md",
    guide_go: "docs/guides/go.md",
    guide_python: "docs/guides/python.md",
    guide_rust: "docs/guides/rust.md",
    guide_typescript: "docs/guides/typescript.md",
    host: "docs/host.md",
    inspect: "docs/inspect.md",
    network: "docs/network.md",
    observability: "docs/observability.md",
    quickstart: "docs/quickstart.md",
    registries: "docs/registries.md",
    services: "docs/services.md",
    templates: "docs/templates.md",
    updating: "docs/updating.md",
    wit: "docs/wit.md",
    workloads: "docs/workloads.md",
}

#[test]
fn every_page_with_commands_is_run() {
    for page in all_pages() {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        let has_commands = blocks(&text).iter().any(|block| block.is_run());
        assert_eq!(has_commands, PAGES.contains(&page.as_str()), "{page} and the list in this file");
    }
}

#[test]
fn the_table_of_contents_has_every_page_and_links_lead_somewhere() {
    let contents = std::fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    for page in all_pages() {
        if let Some(name) = page.strip_prefix("docs/") {
            assert!(contents.contains(&format!("]({name})")), "docs/SUMMARY.md lacks {name}");
        }
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        let folder = Path::new(&page).parent().unwrap();
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { root().join(&page) } else { root().join(folder).join(path) };
            assert!(target.exists(), "{page} links to {link}, which is not there");
            // mdBook makes no page of what is not below `docs`.
            let in_book = target.canonicalize().unwrap().starts_with(root().join("docs").canonicalize().unwrap());
            assert!(in_book || page == "README.md", "{page} links to {link}, which is not in the book");
            if !anchor.is_empty() && target.extension().is_some_and(|kind| kind == "md") {
                let headings = anchors(&std::fs::read_to_string(&target).unwrap());
                assert!(headings.iter().any(|heading| heading == anchor), "{page} links to {link}: {headings:?}");
            }
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages, as paths from the root.
fn all_pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_string()];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md") && !path.ends_with("SUMMARY.md") {
                pages.push(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    pages.sort();
    pages
}

/// The targets of links to files, outside of blocks of code.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    let targets = prose.flat_map(|part| part.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)));
    targets.filter(|target| !target.contains("://") && !target.contains(char::is_whitespace)).collect()
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let title = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

// ---- What a page says ----------------------------------------------------------------------------

#[derive(Default)]
struct Block {
    line: usize,
    /// What the reader is told to do before, as commands.
    first: Vec<String>,
    meanwhile: Option<String>,
    not_run: Option<String>,
    commands: Vec<Shown>,
    /// Whether it is what a server prints, and what.
    of_server: bool,
    printed: Vec<String>,
}

/// A command, and what the page shows of its output.
#[derive(Default)]
struct Shown {
    line: usize,
    command: String,
    output: Vec<String>,
}

impl Block {
    fn is_run(&self) -> bool {
        !self.commands.is_empty() || !self.printed.is_empty()
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut next = Block::default();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if let Some(comment) = line.trim_start().strip_prefix("<!-- ") {
            let mut comment = comment.to_string();
            while !comment.contains("-->") {
                let (_, more) = lines.next().expect("a comment that ends");
                comment.push('\n');
                comment.push_str(more);
            }
            let comment = comment.split("-->").next().unwrap_or_default().trim();
            if let Some(commands) = comment.strip_prefix("first:") {
                next.first.push(commands.trim().to_string());
            } else if let Some(commands) = comment.strip_prefix("meanwhile:") {
                next.meanwhile = Some(commands.trim().to_string());
            } else if let Some(reason) = comment.strip_prefix("not run:") {
                next.not_run = Some(reason.trim().to_string());
            } else if comment == "printed by the server" {
                next.of_server = true;
            }
        } else if let Some(kind) = line.trim_start().strip_prefix("```") {
            let body = lines.by_ref().take_while(|(_, line)| !line.trim_start().starts_with("```"));
            // One that belongs to an item of a list is indented.
            let indent = line.len() - line.trim_start().len();
            let body: Vec<_> = body.map(|(index, line)| (index, line.get(indent..).unwrap_or_default())).collect();
            let mut block = std::mem::take(&mut next);
            block.line = index + 1;
            match kind {
                "bash" => {
                    let script: Vec<_> = body.iter().map(|(_, line)| *line).collect();
                    let command = script.join("\n");
                    block.commands.push(Shown { line: index + 2, command, output: Vec::new() });
                }
                "console" => {
                    for (index, line) in body {
                        match (line.strip_prefix("$ "), block.commands.last_mut()) {
                            (Some(command), _) => block.commands.push(Shown {
                                line: index + 1,
                                command: command.to_string(),
                                output: Vec::new(),
                            }),
                            (None, Some(last)) if last.command.ends_with('\\') => {
                                last.command.push('\n');
                                last.command.push_str(line);
                            }
                            (None, Some(last)) => last.output.push(line.to_string()),
                            (None, None) => panic!("line {}: output without a command", index + 1),
                        }
                    }
                }
                "text" if block.of_server => block.printed = body.iter().map(|(_, line)| line.to_string()).collect(),
                _ => {}
            }
            found.push(block);
        }
    }
    found
}

// ---- Doing it ------------------------------------------------------------------------------------

/// The shell of one reader.
struct Session {
    page: &'static str,
    sandbox: Sandbox,
    /// Addresses and registries that the page names, and those that stand in for them.
    replaced: Vec<(&'static str, String)>,
    _registry: Option<Registry>,
    running: Option<Running>,
}

/// A command that runs until the reader ends it.
struct Running {
    child: Child,
    output: PathBuf,
}

impl Session {
    fn new(page: &'static str) -> Self {
        let sandbox = Sandbox::for_project();
        let text = std::fs::read_to_string(root().join(page)).expect("the page");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|at| at.local_addr()).expect("a port").port();
        let mut replaced =
            vec![("127.0.0.1:8000", format!("127.0.0.1:{port}")), ("localhost:8000", format!("localhost:{port}"))];
        if text.contains("/target/guests/") {
            guests::probe();
        }
        let named = ["ghcr.io", "localhost:5000"].into_iter().find(|host| text.contains(&format!("push {host}/")));
        let named = named.or(text.contains("ghcr.io").then_some("ghcr.io"));
        let registry = named.map(|_| Registry::open());
        if let (Some(registry), Some(named)) = (&registry, named) {
            replaced.push((named, registry.host().to_string()));
        }
        let bin = sandbox.path().join("../bin");
        std::fs::create_dir(&bin).expect("a folder");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_wash"), bin.join("wash")).expect("a link");
        std::fs::create_dir(sandbox.path().join("../shell")).expect("a folder");
        std::fs::write(sandbox.path().join("../shell/folder"), sandbox.path().display().to_string()).expect("a file");
        Session { page, sandbox, replaced, _registry: registry, running: None }
    }

    fn read(&mut self) {
        let text = std::fs::read_to_string(root().join(self.page)).expect("the page");
        for block in blocks(&text) {
            if let Some(reason) = &block.not_run {
                assert!(REASONS.contains(&reason.as_str()), "{}:{}: no reason: {reason}", self.page, block.line);
                continue;
            }
            if block.is_run() {
                for first in &block.first {
                    self.run(block.line, first, &[]);
                }
            }
            if !block.printed.is_empty() {
                self.prints(block.line, &block.printed);
            }
            for shown in &block.commands {
                if shown.command.starts_with("wasmtime ") && std::env::var_os("WASH_TEST_WASMTIME").is_none() {
                    continue;
                }
                if serves(&shown.command) {
                    self.serve(shown, block.meanwhile.as_deref());
                } else {
                    self.run(shown.line, &shown.command, &shown.output);
                }
            }
        }
        self.stop();
    }

    /// Runs a command to its end. One that asks a server is repeated: it may ask before the server is
    /// ready, or while an edit is being built.
    fn run(&self, line: usize, command: &str, output: &[String]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let path = self.sandbox.path().join("../shell/output");
            let mut child = self.shell(command, &path);
            let status = loop {
                match child.try_wait().expect("a child") {
                    Some(status) => break status,
                    None if Instant::now() > deadline => {
                        end(&mut child);
                        panic!("{}:{line}: does not end: {command}\n{}", self.page, read(&path));
                    }
                    None => std::thread::sleep(Duration::from_millis(10)),
                }
            };
            let printed = read(&path);
            let missing = self.missing(output, &printed);
            if status.success() && missing.is_none() {
                return;
            }
            // What a page shows failing ends its output with the error.
            // Without a command it is a question of usage, and answered.
            if command == "wash" && missing.is_none() {
                return;
            }
            let fails_as_shown = output.iter().any(|line| line.starts_with("error:")) && !status.success();
            if fails_as_shown && missing.is_none() {
                return;
            }
            let asks = command.contains("curl ");
            if !asks || Instant::now() > deadline {
                let of_server = self.running.as_ref().map(|running| read(&running.output)).unwrap_or_default();
                panic!(
                    "{}:{line}: {command}\n{status}; not printed: {missing:?}\n--- printed:\n{printed}--- by the server:\n{of_server}",
                    self.page
                );
            }
        }
    }

    /// Starts what runs until it is ended, and waits until it has printed what the page shows.
    fn serve(&mut self, shown: &Shown, meanwhile: Option<&str>) {
        self.stop();
        let output = self.sandbox.path().join("../shell/server");
        let child = self.shell(&shown.command, &output);
        if let Some(meanwhile) = meanwhile {
            self.run(shown.line, meanwhile, &[]);
        }
        self.running = Some(Running { child, output });
        let expected = if shown.output.is_empty() { vec!["Serving …http".to_string()] } else { shown.output.clone() };
        self.prints(shown.line, &expected);
    }

    /// Waits until the server has printed this.
    fn prints(&mut self, line: usize, expected: &[String]) {
        let running = self.running.as_mut().unwrap_or_else(|| panic!("{}:{line}: no server runs", self.page));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let printed = read(&running.output);
            let replaced = &self.replaced;
            let missing = missing(replaced, expected, &printed);
            if missing.is_none() {
                return;
            }
            let ended = running.child.try_wait().expect("a child");
            if ended.is_some() || Instant::now() > deadline {
                panic!("{}:{line}: not printed: {missing:?}\n--- printed:\n{printed}", self.page);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn missing(&self, expected: &[String], printed: &str) -> Option<String> {
        missing(&self.replaced, expected, printed)
    }

    /// A command in the reader's shell: where the last one left off.
    fn shell(&self, command: &str, output: &Path) -> Child {
        let mut script = String::from(
            "set -e -o pipefail\nif [ -f \"$SHELL_STATE/variables\" ]; then . \"$SHELL_STATE/variables\"; fi\n\
             cd \"$(cat \"$SHELL_STATE/folder\")\"\n\
             trap 'code=$?; pwd > \"$SHELL_STATE/folder\"; export -p > \"$SHELL_STATE/variables\"; exit $code' EXIT\n",
        );
        let command = self.replaced.iter().fold(command.to_string(), |text, (from, to)| text.replace(from, to));
        // In a subshell a `cd` would be forgotten.
        let _ = writeln!(script, "{command}");
        let printed = std::fs::File::create(output).expect("a file");
        let state = self.sandbox.path().join("../shell");
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).current_dir(self.sandbox.path());
        self.sandbox.environment(&mut shell);
        let path = std::env::var("PATH").unwrap_or_default();
        let wasmtime = std::env::var_os("WASH_TEST_WASMTIME").map(PathBuf::from);
        let wasmtime = wasmtime.and_then(|file| file.parent().map(Path::to_path_buf)).unwrap_or_default();
        shell
            .env("PATH", format!("{}/../bin:{path}:{}", self.sandbox.path().display(), wasmtime.display()))
            .env("SHELL_STATE", &state)
            .env("WASH_DEV__ADDRESS", &self.replaced[0].1)
            .env("REPOSITORY", root())
            .stdin(Stdio::null())
            .stdout(printed.try_clone().expect("a file"))
            .stderr(printed)
            .process_group(0);
        shell.spawn().expect("bash starts")
    }

    fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            end(&mut running.child);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends a command and all that it has started.
fn end(child: &mut Child) {
    let group = rustix::process::Pid::from_child(child);
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
    let _ = child.wait();
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Whether a command runs until somebody ends it.
fn serves(command: &str) -> bool {
    let words: Vec<_> = command.split_whitespace().collect();
    words.iter().enumerate().any(|(at, word)| {
        let mut rest = words[at + 1..].iter().copied().peekable();
        if *word == "wasmtime" {
            return rest.next() == Some("serve");
        }
        if *word != "wash" {
            return false;
        }
        if rest.peek() == Some(&"-C") {
            rest.next();
            rest.next();
        }
        matches!(rest.next(), Some("dev" | "host"))
            && !matches!(rest.next(), Some("send" | "call" | "kv" | "status"))
            && !words.contains(&"--help")
    })
}

/// The first line of the page that was not printed, after those before it.
fn missing(replaced: &[(&str, String)], expected: &[String], printed: &str) -> Option<String> {
    let printed: Vec<_> = printed.lines().map(form).collect();
    let mut from = 0;
    for line in expected {
        let line = replaced.iter().fold(line.clone(), |text, (from, to)| text.replace(from, to));
        let pattern = form(&line);
        if pattern.trim_matches('…').is_empty() {
            continue;
        }
        match printed[from..].iter().position(|line| fits(&pattern, line)) {
            Some(at) => from += at + 1,
            None => return Some(line),
        }
    }
    None
}

/// A line with what differs from run to run taken out: numbers, digests, paths, indentation.
fn form(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let plain = word.trim_matches(|c: char| !c.is_alphanumeric());
        let digest = plain.len() >= 12 && plain.chars().all(|c| c.is_ascii_hexdigit());
        if word.contains("sha256:") || digest {
            return "DIGEST".to_string();
        }
        let mut form = String::new();
        for c in word.chars() {
            let digit = c.is_ascii_digit() || (c == '.' && form.ends_with('0'));
            match digit {
                true if form.ends_with('0') => {}
                true => form.push('0'),
                false => form.push(c),
            }
        }
        form
    });
    // The unit of a time or a size belongs to its number.
    let words: Vec<_> =
        words.filter(|word| !matches!(word.as_str(), "ms" | "s" | "KB" | "MB" | "ms," | "s," | "ms)" | "s)")).collect();
    words.join(" ")
}

/// Whether a line is of a pattern with `…` for anything; the line may go on behind it.
fn fits(pattern: &str, line: &str) -> bool {
    let mut rest = line;
    for part in pattern.split('…') {
        match rest.find(part.trim()) {
            Some(at) => rest = &rest[at + part.trim().len()..],
            None => return false,
        }
    }
    true
}

#[test]
fn lines_are_compared_by_their_form() {
    let printed = "  Built hello in 3.2 s: 301 KB, sha256:0a1b\nServing http://127.0.0.1:1/ #2\n";
    let expected = |lines: &[&str]| missing(&[], &lines.iter().map(ToString::to_string).collect::<Vec<_>>(), printed);
    assert_eq!(expected(&["Built hello in 14.2 s: 299 KB, sha256:4a40caa3e62d", "…", "Serving …#1"]), None);
    assert_eq!(expected(&["Serving …", "Built …"]).as_deref(), Some("Built …"));
    assert_eq!(expected(&["Built goodbye …"]).as_deref(), Some("Built goodbye …"));
    assert!(serves("cd hello && wash dev") && serves("wash -C hello dev --port 0") && serves("wash host --manifest x"));
    assert!(!serves("wash dev status -o json") && !serves("wash build") && !serves("echo wash development"));
}
