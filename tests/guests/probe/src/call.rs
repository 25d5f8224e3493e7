//! What was asked: the head of the request as the host gave it, and the parameters in its path.

use crate::answer::refusal;
use percent_encoding::percent_decode_str;
use std::str::FromStr;
use wasip2::http::types::{IncomingRequest, Method as WasiMethod, Scheme};
use wstd::http::{Error, Method, StatusCode};

pub struct Call {
    pub method: Method,
    /// Path and query as they came.
    pub target: Option<String>,
    /// The path alone, not decoded.
    pub path: String,
    pub scheme: Option<String>,
    pub authority: Option<String>,
    pub headers: Vec<(String, Vec<u8>)>,
    query: Vec<(String, String)>,
}

impl Call {
    pub fn of(incoming: &IncomingRequest) -> Call {
        let target = incoming.path_with_query();
        let (path, query) = match target.as_deref().unwrap_or("/").split_once('?') {
            Some((path, query)) => (path.to_string(), query),
            None => (target.clone().unwrap_or("/".to_string()), ""),
        };
        Call {
            method: method(incoming.method()),
            path,
            scheme: incoming.scheme().map(|scheme| match scheme {
                Scheme::Http => "http".to_string(),
                Scheme::Https => "https".to_string(),
                Scheme::Other(other) => other,
            }),
            authority: incoming.authority(),
            headers: incoming.headers().entries(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            target,
        }
    }

    /// Splits `/first/rest…` after its first segment.
    pub fn segments(&self) -> (&str, Option<&str>) {
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let pair = self.query.iter().find(|(key, _)| key == name)?;
        Some(&pair.1)
    }

    pub fn need(&self, name: &str) -> Result<String, Error> {
        match self.get(name) {
            Some(value) => Ok(value.to_string()),
            None => Err(refusal(StatusCode::BAD_REQUEST, format!("the query needs `{name}`"))),
        }
    }

    pub fn number<N: FromStr>(&self, name: &str, default: N) -> Result<N, Error> {
        match self.get(name) {
            Some(value) => {
                value.parse().map_err(|_| refusal(StatusCode::BAD_REQUEST, format!("`{name}={value}` is no number")))
            }
            None => Ok(default),
        }
    }
}

/// Splits `outer/inner` in two and decodes both. The inner part may contain slashes, the outer part may be empty.
pub fn pair(path: &str) -> (String, Option<String>) {
    match path.split_once('/') {
        Some((outer, inner)) => (decode(outer), Some(decode(inner))),
        None => (decode(path), None),
    }
}

pub fn decode(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn method(method: WasiMethod) -> Method {
    match method {
        WasiMethod::Get => Method::GET,
        WasiMethod::Head => Method::HEAD,
        WasiMethod::Post => Method::POST,
        WasiMethod::Put => Method::PUT,
        WasiMethod::Delete => Method::DELETE,
        WasiMethod::Connect => Method::CONNECT,
        WasiMethod::Options => Method::OPTIONS,
        WasiMethod::Trace => Method::TRACE,
        WasiMethod::Patch => Method::PATCH,
        WasiMethod::Other(other) => Method::from_bytes(other.as_bytes()).unwrap_or(Method::OPTIONS),
    }
}
