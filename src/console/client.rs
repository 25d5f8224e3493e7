//! Talks to a running loop through its control socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;

use super::socket;
use crate::error::{Error, Kind, Result};

/// The longest that an answer is waited for. The longest request of a message takes ten minutes, everything else is
/// bounded by the time of a request.
const PATIENCE: Duration = Duration::from_secs(660);
/// The most that is read of an answer, in bytes.
const LARGEST: usize = 512 << 20;

/// A loop that answers.
pub struct Client {
    path: PathBuf,
    root: PathBuf,
}

impl Client {
    /// Finds the loop of a project; `pid` says which, where several run.
    pub fn find(root: &Path, folders: &[PathBuf], pid: Option<u32>) -> Result<Self> {
        if cfg!(not(unix)) {
            return Err(Error::failed("`wash dev` has no control socket on this system yet")
                .hint("use the console, whose address `wash dev` prints"));
        }
        let all = socket::find(root, folders);
        let found = match (pid, &all[..]) {
            (Some(pid), all) => all
                .iter()
                .find(|found| found.pid == pid)
                .ok_or_else(|| Error::failed(format!("no `wash dev` of `{}` runs as process {pid}", root.display())))?,
            (None, [one]) => one,
            (None, []) => {
                return Err(Error::failed(format!("no `wash dev` runs for `{}`", root.display()))
                    .hint(format!("start it in another terminal: wash -C '{}' dev", root.display())));
            }
            (None, several) => {
                let pids: Vec<String> = several.iter().map(|found| found.pid.to_string()).collect();
                return Err(Error::failed(format!("several `wash dev` run for `{}`", root.display()))
                    .cause(format!("as the processes {}", pids.join(", ")))
                    .hint(format!("say which one is meant: --pid {}", pids[0])));
            }
        };
        Ok(Client { path: found.path.clone(), root: root.to_path_buf() })
    }

    /// Asks for something; the answer is a JSON document.
    #[cfg(unix)]
    pub async fn ask(&self, method: http::Method, path: &str, body: Option<Json>) -> Result<Json> {
        use http_body_util::{BodyExt, Full, Limited};

        let gone = |error: &(dyn std::error::Error + 'static)| {
            Error::caused_by(format!("the `wash dev` of `{}` does not answer", self.root.display()), error)
                .hint("it may just have ended; see its terminal")
        };
        let exchange = async {
            let stream = tokio::net::UnixStream::connect(&self.path).await.map_err(|error| gone(&error))?;
            let io = hyper_util::rt::TokioIo::new(stream);
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(io).await.map_err(|error| gone(&error))?;
            tokio::spawn(connection);
            let body = body.map(|body| body.to_string()).unwrap_or_default();
            let request = http::Request::builder()
                .method(method)
                .uri(path)
                .header(http::header::HOST, "localhost")
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(Full::new(bytes::Bytes::from(body)))
                .map_err(|error| Error::bug("a request to the control socket is none").cause(error.to_string()))?;
            let response = sender.send_request(request).await.map_err(|error| gone(&error))?;
            let good = response.status().is_success();
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            let body =
                body.map_err(|error| Error::failed("the answer of `wash dev` broke off").cause(error.to_string()))?;
            let document: Json = serde_json::from_slice(&body.to_bytes()).map_err(|error| {
                Error::caused_by("the answer of `wash dev` cannot be read", &error)
                    .hint("it may be another version of wash: stop it and start it again")
            })?;
            if good { Ok(document) } else { Err(error_of(&document["error"])) }
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::failed(format!("`wash dev` did not answer within {} s", PATIENCE.as_secs()))),
        }
    }

    /// [`Client::find`] has said that there is none.
    #[cfg(not(unix))]
    pub async fn ask(&self, _: http::Method, _: &str, _: Option<Json>) -> Result<Json> {
        Err(Error::failed(format!("`{}` cannot be reached", self.path.display())))
    }
}

/// The error that the loop has sent.
fn error_of(document: &Json) -> Error {
    let texts = |key: &str| {
        let texts = document[key].as_array().into_iter().flatten();
        texts.filter_map(Json::as_str).map(String::from).collect::<Vec<_>>()
    };
    let message = document["message"].as_str().unwrap_or("it failed and did not say why");
    let error = match document["exit_code"].as_u64() {
        Some(2) => Error::usage(message),
        Some(3) => Error::bug(message),
        _ => Error::failed(message),
    };
    let error = texts("causes").into_iter().fold(error, Error::cause);
    let error = texts("hints").into_iter().fold(error, Error::hint);
    match document["details"].as_str() {
        Some(details) => error.details(details),
        None => error,
    }
}

/// The same error for programs.
pub fn document_of(error: &Error) -> Json {
    serde_json::json!({
        "message": error.message(),
        "causes": error.causes(),
        "details": error.details_text(),
        "hints": error.hints(),
        "exit_code": if error.kind() == Kind::Interrupted { 1 } else { error.exit_code() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_over_as_it_was() {
        let error = Error::usage("wrong").cause("because").hint("do this").details("a\nb");
        let back = error_of(&document_of(&error));
        assert_eq!(document_of(&back), document_of(&error));
        assert_eq!(back.exit_code(), 2);
    }
}
