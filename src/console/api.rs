//! The answers: what the page and the commands ask for, as JSON. `docs/console.md` lists them.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::Loop;
use super::data::{self, Query, shown_body};
use super::functions::{self, Callable};
use super::journal::{inside, milliseconds};
use super::recorder::{Details, Line, Request};
use super::replay::{self, shown_headers};
use crate::error::{Error, Result};
use crate::project::show;
use crate::runtime::fault;
use crate::runtime::observer::{Fault, Level, Stream};

/// The version of these answers.
const SCHEMA_VERSION: u32 = 1;
/// Requests and lines in one answer, unless less is asked for.
const MOST: usize = 10_000;
/// Lines of a source file that are shown on either side of a place.
const AROUND: usize = 8;
/// The largest source file that is looked into, in bytes.
const SOURCE: u64 = 4 << 20;

/// What is asked for.
pub struct Wish<'a> {
    pub method: &'a Method,
    /// Below `/api/v1/`.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub body: Bytes,
}

/// Answers; `None` where there is nothing of that name.
pub async fn answer(about: &Arc<Loop>, wish: Wish<'_>) -> Result<Option<Json>> {
    let query = Query::of(wish.query);
    let body = &wish.body;
    Ok(Some(match (wish.method.as_str(), wish.path) {
        ("GET", "status") => status(about),
        ("GET", "story") => serde_json::to_value(about.journal.story()).unwrap_or_default(),
        ("GET", "requests") => requests(about, &query)?,
        ("GET", "request") => request(about, &query)?,
        ("GET", "lines") => lines(about, &query)?,
        ("POST", "replay") => replay::replay(about, read(body)?).await?,
        ("GET", "source") => source(about, &query)?,
        ("GET", "workload") => workload(about),
        ("GET", "functions") => functions(about)?,
        ("POST", "call") => call(about, read(body)?).await?,
        ("GET", "kv") => data::buckets(about).await?,
        ("GET", "kv/keys") => data::keys(about, &query).await?,
        ("GET", "kv/value") => data::value(about, &query).await?,
        ("PUT", "kv/value") => data::set_value(about, read(body)?).await?,
        ("DELETE", "kv/value") => data::delete_value(about, &query).await?,
        ("GET", "blobs") => data::containers(about).await?,
        ("GET", "blobs/objects") => data::objects(about, &query).await?,
        ("GET", "blobs/object") => data::object(about, &query).await?,
        ("PUT", "blobs/object") => data::set_object(about, read(body)?).await?,
        ("DELETE", "blobs/object") => data::delete_object(about, &query).await?,
        ("GET", "messages") => data::messages(about),
        ("POST", "messages") => data::send(about, read(body)?).await?,
        _ => return Ok(None),
    }))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|error| Error::caused_by("the request cannot be read", &error))
        .map_err(|error| Error::usage(error.message().to_string()).cause(error.causes().join(": ")))
}

/// How far everything is: whoever has seen the same has nothing new to ask for.
pub fn changes(about: &Loop) -> Json {
    let (lines, messages) = about.recorder.counts();
    json!({
        "requests": about.recorder.last_request(), "lines": lines, "messages": messages,
        "story": about.journal.changes(),
        "generation": about.place.serving().map(|ready| ready.generation()),
    })
}

fn status(about: &Loop) -> Json {
    let story = about.journal.story();
    let ready = about.place.serving();
    let state = match (&ready, &story.problem) {
        (_, Some(_)) => "broken",
        (Some(_), None) => "serving",
        (None, None) => "starting",
    };
    let project = about.project();
    let workload = ready.as_ref().map(|ready| ready.workload());
    json!({
        "schema_version": SCHEMA_VERSION,
        "wash": env!("CARGO_PKG_VERSION"),
        "project": project.name,
        "root": project.root,
        "process": std::process::id(),
        "state": state,
        "activity": story.activity,
        "problem": story.problem,
        "url": story.url,
        "console": story.console,
        "generation": ready.as_ref().map(|ready| ready.generation()),
        "components": workload.map(|workload| workload.components.iter().map(|one| &one.name).collect::<Vec<_>>()),
        "service": workload.and_then(|workload| workload.service.as_ref().map(|service| &service.component.name)),
        "service_state": story.service,
        "http": ready.as_ref().is_some_and(|ready| ready.http().is_some()),
        "requests": about.recorder.last_request(),
        "uptime_milliseconds": milliseconds(about.begun.elapsed()),
    })
}

fn requests(about: &Loop, query: &Query) -> Result<Json> {
    let limit = query.number("limit")?.map_or(MOST, |limit| usize::try_from(limit).unwrap_or(MOST)).min(MOST);
    let requests = about.recorder.requests(query.number("after")?.unwrap_or(0), limit);
    let requests: Vec<Json> = requests.iter().map(|request| row(request)).collect();
    Ok(json!({ "requests": requests }))
}

fn row(request: &Request) -> Json {
    let record = &request.record;
    let stages = &record.stages;
    json!({
        "number": request.number, "ended": request.ended, "method": record.method.as_str(), "path": record.path,
        "status": record.status, "milliseconds": milliseconds(record.time),
        "stages": {
            "queued": milliseconds(stages.queued), "instance": milliseconds(stages.instance),
            "head": milliseconds(stages.head), "body": milliseconds(stages.body),
        },
        "generation": record.generation, "client_left": record.client_left, "cut": record.cut,
        "call_id": record.call.number,
    })
}

fn request(about: &Loop, query: &Query) -> Result<Json> {
    let number = query.number("number")?.ok_or_else(|| Error::usage("the parameter `number` is missing"))?;
    let Some(Details { request, parts, lines, faults }) = about.recorder.details(number) else {
        return Err(Error::failed(format!("the request {number} is not remembered any more")));
    };
    let mut document = row(&request);
    document["content"] = match parts {
        Some(parts) => json!({
            "request": { "headers": shown_headers(&parts.request_headers), "body": shown_body(&parts.request_body) },
            "response": { "headers": shown_headers(&parts.response_headers), "body": shown_body(&parts.response_body) },
        }),
        None => Json::Null,
    };
    document["lines"] = lines.iter().map(|line| shown_line(line)).collect();
    document["faults"] = faults.iter().map(|fault| shown_fault(fault)).collect();
    Ok(document)
}

fn lines(about: &Loop, query: &Query) -> Result<Json> {
    let limit = query.number("limit")?.map_or(MOST, |limit| usize::try_from(limit).unwrap_or(MOST)).min(MOST);
    let lines = about.recorder.lines(query.number("after")?.unwrap_or(0), limit);
    Ok(json!({ "lines": lines.iter().map(|line| shown_line(line)).collect::<Vec<_>>() }))
}

fn shown_line(line: &Line) -> Json {
    let output = &line.output;
    let (stream, level) = match output.stream {
        Stream::Stdout => ("stdout", None),
        Stream::Stderr => ("stderr", None),
        Stream::Log(level) => ("log", Some(level_name(level))),
    };
    json!({
        "number": line.number, "at": line.at, "component": &*output.component, "stream": stream, "level": level,
        "context": output.context, "line": output.line, "call_id": output.call.number,
    })
}

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

fn shown_fault(fault: &Fault) -> Json {
    json!({ "component": &*fault.component, "what": fault.what, "reason": fault.reason, "text": fault::render(fault) })
}

/// The lines around a place in a file of the project, or of one of its sidecars.
fn source(about: &Loop, query: &Query) -> Result<Json> {
    let project = about.project();
    let file = query.need("file")?;
    let sidecars = project.settings.dev.components.iter().filter_map(|one| one.project.as_ref());
    let roots = std::iter::once(project.root.clone()).chain(sidecars.map(|folder| project.root.join(folder)));
    let missing = || Error::failed(format!("`{file}` is no file of the project"));
    let path = roots.into_iter().find_map(|root| inside(&root, file)).ok_or_else(missing)?;
    if path.metadata().map_or(0, |file| file.len()) > SOURCE {
        return Err(Error::failed(format!("`{file}` has more than {} MiB", SOURCE >> 20)));
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Error::caused_by(format!("cannot read `{}`", path.display()), &error))?;
    let line = usize::try_from(query.number("line")?.unwrap_or(1)).unwrap_or(1).max(1);
    let begin = line.saturating_sub(AROUND).max(1);
    let lines: Vec<&str> = text.lines().skip(begin - 1).take(line + AROUND + 1 - begin).collect();
    Ok(json!({ "path": path, "line": line, "begin": begin, "lines": lines }))
}

/// The picture of the workload, and the settings in force with their origins.
fn workload(about: &Loop) -> Json {
    let project = about.project();
    let graph = about.place.serving().map(|ready| {
        let graph = ready.graph();
        let node = |node: &crate::host::graph::Node| {
            json!({ "name": node.name, "service": node.service, "host_imports": node.host_imports })
        };
        let link = |link: &crate::host::graph::Edge| {
            json!({ "from": link.from, "to": link.to, "interface": link.interface })
        };
        json!({
            "generation": ready.generation(),
            "nodes": graph.nodes.iter().map(node).collect::<Vec<_>>(),
            "links": graph.links.iter().map(link).collect::<Vec<_>>(),
        })
    });
    let effective = show::effective(&project.settings);
    let setting = |leaf: &show::Leaf| json!({ "key": leaf.key.to_string(), "value": leaf.value, "origin": leaf.origin.to_string() });
    let leaves = show::leaves(&effective, &project.origins);
    json!({ "graph": graph, "settings": leaves.iter().map(setting).collect::<Vec<_>>() })
}

fn functions(about: &Loop) -> Result<Json> {
    let all = functions::all(&*about.serving()?);
    let function = |callable: &Callable| {
        let Callable { component, function, .. } = callable;
        let params = function.params.iter().zip(&function.examples);
        let param = |((name, kind), example): (&(String, String), &String)| json!({ "name": name, "type": kind, "example": example });
        json!({
            "component": component, "name": function.full_name(), "interface": function.interface,
            "function": function.name, "signature": function.signature(),
            "params": params.map(param).collect::<Vec<_>>(), "result": function.result, "refusal": function.refusal,
        })
    };
    Ok(json!({ "functions": all.iter().map(function).collect::<Vec<_>>() }))
}

/// A function to call.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// e.g. `acme:shop/cart#add("apple", 2)`.
    function: String,
    /// The component that has it, where several do.
    #[serde(default)]
    component: Option<String>,
}

async fn call(about: &Loop, call: Call) -> Result<Json> {
    let ready = about.serving()?;
    let all = functions::all(&ready);
    let (callable, arguments) = functions::find(&all, call.component.as_deref(), &call.function)?;
    let invoked = functions::call(&ready, callable, &arguments).await?;
    let lines = about.recorder.lines_of(invoked.call);
    Ok(json!({
        "function": callable.function.full_name(), "component": callable.component,
        "signature": callable.function.signature(), "result": invoked.text, "value": invoked.json,
        "milliseconds": milliseconds(invoked.time), "call_id": invoked.call.number,
        "lines": lines.iter().map(|line| shown_line(line)).collect::<Vec<_>>(),
    }))
}
