//! `wash dev status`, `send`, `call`, `functions` and `kv`: asking and telling a loop that runs.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value as Json, json};

use super::show::human_time;
use crate::console;
use crate::console::client::Client;
use crate::context::Context;
use crate::error::{Context as _, Error, Result};
use crate::project;
use crate::shell::Format;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say how a running loop is: what serves, where, since when, and what is wrong
    Status(Which),
    /// Send a message to the components of a running loop
    Send(Send),
    /// Call a function that a component of a running loop exports, e.g. 'cart#add("apple", 2)'
    Call(Call),
    /// List the functions that the components of a running loop export
    Functions(Which),
    /// Look at and change the key-value data of a running loop
    Kv(Kv),
}

/// Which loop is meant.
#[derive(Debug, Args)]
pub struct Which {
    /// The process of the loop, where several run for one project
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Send {
    /// Where to, e.g. tasks.new
    #[arg(value_name = "SUBJECT")]
    subject: String,

    /// What it says; - reads it from stdin
    #[arg(value_name = "BODY", allow_hyphen_values = true)]
    body: String,

    /// Wait for an answer and print it
    #[arg(long)]
    request: bool,

    /// How long to wait for it, in milliseconds [default: 5000]
    #[arg(long, value_name = "MS", requires = "request", value_parser = clap::value_parser!(u32).range(1..=600_000))]
    timeout: Option<u32>,

    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
pub struct Call {
    /// The function and its arguments in WAVE: 'interface#function(arguments)'
    #[arg(value_name = "CALL")]
    call: String,

    /// The component that exports it, where several do
    #[arg(long, value_name = "NAME")]
    component: Option<String>,

    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
pub struct Kv {
    #[command(subcommand)]
    command: KvCommand,
}

#[derive(Debug, Subcommand)]
enum KvCommand {
    /// Print the value of a key
    Get {
        #[arg(value_name = "KEY")]
        key: String,
        #[command(flatten)]
        bucket: Bucket,
    },
    /// Store a value
    Set {
        #[arg(value_name = "KEY")]
        key: String,
        /// The value; - reads it from stdin
        #[arg(value_name = "VALUE", allow_hyphen_values = true)]
        value: String,
        #[command(flatten)]
        bucket: Bucket,
    },
    /// List the keys of a bucket, or the buckets
    List {
        /// List the buckets
        #[arg(long, conflicts_with = "bucket")]
        buckets: bool,
        #[command(flatten)]
        bucket: Bucket,
    },
    /// Delete a key
    Delete {
        #[arg(value_name = "KEY")]
        key: String,
        #[command(flatten)]
        bucket: Bucket,
    },
}

#[derive(Debug, Args)]
struct Bucket {
    /// The bucket, as components open it
    #[arg(long, value_name = "NAME", default_value = "default")]
    bucket: String,

    #[command(flatten)]
    which: Which,
}

impl Command {
    pub fn name(&self) -> &'static str {
        match self {
            Command::Status(_) => "dev status",
            Command::Send(_) => "dev send",
            Command::Call(_) => "dev call",
            Command::Functions(_) => "dev functions",
            Command::Kv(kv) => match kv.command {
                KvCommand::Get { .. } => "dev kv get",
                KvCommand::Set { .. } => "dev kv set",
                KvCommand::List { .. } => "dev kv list",
                KvCommand::Delete { .. } => "dev kv delete",
            },
        }
    }

    fn pid(&self) -> Option<u32> {
        match self {
            Command::Status(which) | Command::Functions(which) => which.pid,
            Command::Send(send) => send.which.pid,
            Command::Call(call) => call.which.pid,
            Command::Kv(kv) => match &kv.command {
                KvCommand::Get { bucket, .. }
                | KvCommand::Set { bucket, .. }
                | KvCommand::List { bucket, .. }
                | KvCommand::Delete { bucket, .. } => bucket.which.pid,
            },
        }
    }
}

/// Where control sockets may be.
pub fn folders(ctx: &Context) -> Vec<PathBuf> {
    let run = ctx.var("XDG_RUNTIME_DIR").map(Path::new).filter(|run| run.is_absolute() && run.is_dir());
    #[cfg(unix)]
    let user = Some(rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    let user = None;
    console::folders(run, &ctx.dirs.cache, user)
}

pub fn run(ctx: &Context, start: &Path, command: Command) -> Result<()> {
    let found = project::find(&project::Request {
        start,
        env: &ctx.env,
        user_config: ctx.user_config.as_deref(),
        user_config_dir: &ctx.dirs.config,
        flags: &[],
    })?;
    let root = found.map_or_else(|| start.to_path_buf(), |found| found.root);
    let client = Client::find(&root, &folders(ctx), command.pid())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::caused_by("cannot start the asynchronous runtime", &error))?;
    let ask = |method: Method, path: String, body: Option<Json>| runtime.block_on(client.ask(method, &path, body));
    let name = command.name();
    let result = |document: Json, text: String| ctx.shell.result(name, &document, || text);
    match command {
        Command::Status(_) => {
            let mut status = ask(Method::GET, api("status", &[]), None)?;
            let text = status_text(&status);
            // The document has one of its own.
            if let Some(status) = status.as_object_mut() {
                status.remove("schema_version");
            }
            result(status, text);
        }
        Command::Functions(_) => {
            let document = ask(Method::GET, api("functions", &[]), None)?;
            let text = functions_text(&document);
            result(document, text);
        }
        Command::Send(send) => {
            let mut wish = json!({ "subject": send.subject, "request": send.request });
            put(&mut wish, typed(&send.body)?);
            if let Some(timeout) = send.timeout {
                wish["timeout_milliseconds"] = timeout.into();
            }
            let document = ask(Method::POST, api("messages", &[]), Some(wish))?;
            match (send.request, ctx.shell.format()) {
                (true, Format::Text) => write_bytes(&bytes_of(&document["answer"])?)?,
                _ => {
                    let text = format!("sent to {}", send.subject);
                    result(document, text);
                }
            }
        }
        Command::Call(call) => {
            let wish = json!({ "function": call.call, "component": call.component });
            let document = ask(Method::POST, api("call", &[]), Some(wish))?;
            if ctx.shell.format() == Format::Text {
                // What it wrote on the way is no part of its result.
                for line in document["lines"].as_array().into_iter().flatten() {
                    ctx.shell.line(&printable(line["line"].as_str().unwrap_or_default()));
                }
            }
            let text = document["result"].as_str().unwrap_or_default().to_string();
            result(document, text);
        }
        Command::Kv(kv) => match kv.command {
            KvCommand::Get { key, bucket } => {
                let path = api("kv/value", &[("bucket", &bucket.bucket), ("key", &key)]);
                let document = ask(Method::GET, path, None)?;
                if document["found"] != true {
                    return Err(Error::failed(format!("the bucket `{}` has no key `{key}`", bucket.bucket))
                        .hint("wash dev kv list says which keys there are; --bucket names another bucket"));
                }
                match ctx.shell.format() {
                    Format::Text => write_bytes(&bytes_of(&document["value"])?)?,
                    Format::Json => result(
                        json!({ "bucket": bucket.bucket, "key": key, "value": document["value"] }),
                        String::new(),
                    ),
                }
            }
            KvCommand::Set { key, value, bucket } => {
                let mut wish = json!({ "bucket": bucket.bucket, "key": key });
                put(&mut wish, typed(&value)?);
                let document = ask(Method::PUT, api("kv/value", &[]), Some(wish))?;
                result(document, String::new());
            }
            KvCommand::List { buckets: true, .. } => {
                let document = ask(Method::GET, api("kv", &[]), None)?;
                let text = lines_of(&document["buckets"]);
                result(document, text);
            }
            KvCommand::List { buckets: false, bucket } => {
                let (mut keys, mut after) = (Vec::new(), None::<String>);
                loop {
                    let mut query = vec![("bucket", bucket.bucket.as_str())];
                    query.extend(after.as_deref().map(|after| ("after", after)));
                    let page = ask(Method::GET, api("kv/keys", &query), None)?;
                    let found = page["keys"].as_array().into_iter().flatten().filter_map(Json::as_str);
                    keys.extend(found.map(String::from));
                    if page["more"] != true {
                        break;
                    }
                    after = keys.last().cloned();
                }
                let text = keys.iter().map(|key| printable(key)).collect::<Vec<_>>().join("\n");
                result(json!({ "bucket": bucket.bucket, "keys": keys }), text);
            }
            KvCommand::Delete { key, bucket } => {
                let path = api("kv/value", &[("bucket", &bucket.bucket), ("key", &key)]);
                let document = ask(Method::DELETE, path, None)?;
                result(document, String::new());
            }
        },
    }
    Ok(())
}

/// A path with its query.
fn api(path: &str, query: &[(&str, &str)]) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/api/v1/{path}{mark}{query}")
}

/// What was typed, or comes from stdin.
fn typed(text: &str) -> Result<Vec<u8>> {
    if text != "-" {
        return Ok(text.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).context(|| "cannot read from stdin")?;
    Ok(bytes)
}

fn put(wish: &mut Json, bytes: Vec<u8>) {
    match String::from_utf8(bytes) {
        Ok(text) => wish["text"] = text.into(),
        Err(error) => wish["base64"] = STANDARD.encode(error.into_bytes()).into(),
    }
}

/// Bytes that the loop has sent.
fn bytes_of(value: &Json) -> Result<Vec<u8>> {
    match (value["text"].as_str(), value["base64"].as_str()) {
        (Some(text), _) => Ok(text.as_bytes().to_vec()),
        (None, Some(base64)) => {
            STANDARD.decode(base64).map_err(|error| Error::caused_by("the answer of `wash dev` cannot be read", &error))
        }
        (None, None) => Ok(Vec::new()),
    }
}

/// Prints bytes as they are; with a line break behind them where a person reads them.
fn write_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| match out.is_terminal() && !bytes.ends_with(b"\n") {
        true => out.write_all(b"\n"),
        false => Ok(()),
    });
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::caused_by("cannot write to stdout", &error))
        }
        _ => Ok(()),
    }
}

fn lines_of(values: &Json) -> String {
    values.as_array().into_iter().flatten().filter_map(Json::as_str).map(printable).collect::<Vec<_>>().join("\n")
}

/// What components write must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() && letter != '\t' { '\u{fffd}' } else { letter }).collect()
}

fn status_text(status: &Json) -> String {
    let text = |key: &str| status[key].as_str().map(printable);
    let mut lines = vec![format!("{}  {}", text("project").unwrap_or_default(), text("state").unwrap_or_default())];
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("  {name:<11}{value}"));
        }
    };
    line("address", text("url"));
    line("console", text("console"));
    line("version", status["generation"].as_u64().map(|generation| format!("#{generation}")));
    let components: Vec<String> =
        status["components"].as_array().into_iter().flatten().filter_map(Json::as_str).map(printable).collect();
    line("components", (!components.is_empty()).then(|| components.join(", ")));
    let state = text("service_state").map(|state| format!(" ({state})")).unwrap_or_default();
    line("service", text("service").map(|service| format!("{service}{state}")));
    line("requests", status["requests"].as_u64().map(|requests| requests.to_string()));
    line("now", text("activity"));
    let uptime = status["uptime_milliseconds"].as_f64().unwrap_or_default();
    line("running", Some(human_time(std::time::Duration::from_secs_f64(uptime / 1e3))));
    line("process", status["process"].as_u64().map(|pid| pid.to_string()));
    let problem = &status["problem"];
    line("problem", problem["message"].as_str().map(printable));
    for place in problem["places"].as_array().into_iter().flatten().take(5) {
        let file = place["file"].as_str().map(printable).unwrap_or_default();
        let message = place["message"].as_str().map(printable).unwrap_or_default();
        line("", Some(format!("{file}:{} {message}", place["line"])));
    }
    lines.join("\n")
}

fn functions_text(document: &Json) -> String {
    let mut lines = Vec::new();
    let mut before = None;
    for function in document["functions"].as_array().into_iter().flatten() {
        let place = (function["component"].as_str(), function["interface"].as_str());
        if before != Some(place) {
            before = Some(place);
            let interface = place.1.map(|interface| format!("  {interface}")).unwrap_or_default();
            lines.push(format!("{}{interface}", place.0.unwrap_or_default()));
        }
        let refusal = function["refusal"].as_str().map(|reason| format!("  ({reason})")).unwrap_or_default();
        lines.push(format!("  {}{refusal}", function["signature"].as_str().unwrap_or_default()));
    }
    match lines.is_empty() {
        true => "no component of the workload exports a function".into(),
        false => lines.join("\n"),
    }
}
