//! The two ways to choose a workload: the latest gets everything, or each has hosts of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::Ready;
use super::http::{RequestHead, Route, Router, Target};
use crate::error::{Error, Result};
use crate::runtime::workload::Workload;

/// Sends every request to the workload that was started last, of those that answer HTTP.
#[derive(Default)]
pub struct DevRouter {
    targets: ArcSwap<Vec<Target>>,
}

impl DevRouter {
    /// What answers now: the latest that answers HTTP, or else the latest that is ready.
    pub(crate) fn serving(&self) -> Option<Arc<Ready>> {
        let targets = self.targets.load();
        let ready = || targets.iter().rev().filter_map(Target::serving);
        ready().find(|ready| ready.http().is_some()).or_else(|| ready().next())
    }
}

impl Router for DevRouter {
    fn on_workload_bind(&self, _: &Workload, target: &Target) -> Result<()> {
        self.targets.rcu(|targets| {
            let known = targets.iter().any(|known| known.workload_id() == target.workload_id());
            let new = (!known).then(|| target.clone());
            targets.iter().cloned().chain(new).collect::<Vec<_>>()
        });
        Ok(())
    }

    fn on_workload_unbind(&self, workload_id: &str) {
        self.targets.rcu(|targets| {
            targets.iter().filter(|target| target.workload_id() != workload_id).cloned().collect::<Vec<_>>()
        });
    }

    fn route(&self, _: &RequestHead<'_>) -> Route {
        let targets = self.targets.load();
        match targets.iter().rev().find(|target| target.answers_http()) {
            Some(target) => Route::To(target.clone()),
            None if targets.iter().any(|target| !target.is_ready()) => Route::NotReady,
            None => Route::NotFound,
        }
    }
}

/// Sends requests by their host, and where that is shared by their path, as the workloads' entries for
/// `wasi:http` say:
///
/// | setting | meaning |
/// | --- | --- |
/// | `host` | `shop.example`, or `*.shop.example` for every name below it |
/// | `host-aliases` | more of these, with commas between them |
/// | `path` | only paths that are this, or below it, e.g. `/api`; without it every path |
///
/// A name goes before a wildcard, the longer wildcard before the shorter, the longer path before the
/// shorter. Several workloads of one namespace may have the same host and path: they take turns, as
/// far as they are ready. A workload without `host` gets no requests.
#[derive(Default)]
pub struct DynamicRouter {
    bound: Mutex<BTreeMap<String, Bound>>,
    table: ArcSwap<Table>,
}

/// What one workload is to get.
#[derive(Clone)]
struct Bound {
    namespace: String,
    hosts: Vec<Host>,
    path: Option<String>,
    target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    Name(String),
    /// What stands behind the `*`, with its dot.
    Below(String),
}

#[derive(Default)]
struct Table {
    names: HashMap<String, Vec<Place>>,
    wildcards: HashMap<String, Vec<Place>>,
}

/// Those who share a host and a path.
struct Place {
    path: Option<String>,
    targets: Vec<Target>,
    turn: AtomicUsize,
}

impl Router for DynamicRouter {
    fn on_workload_bind(&self, workload: &Workload, target: &Target) -> Result<()> {
        let wanted = Bound::of(workload, target)?;
        let mut bound = self.bound();
        for (id, other) in bound.iter().filter(|(id, _)| *id != target.workload_id()) {
            let shared = wanted.hosts.iter().find(|host| other.hosts.contains(host));
            if let Some(host) = shared.filter(|_| other.path == wanted.path && other.namespace != wanted.namespace) {
                let path = wanted.path.as_deref().unwrap_or_default();
                return Err(Error::usage(format!("the host `{host}{path}` belongs to another namespace"))
                    .cause(format!("`{id}` of the namespace `{}` has it", other.namespace))
                    .hint("give the workload another `host`, or a `path` of its own, in its entry for `wasi:http`"));
            }
        }
        bound.insert(target.workload_id().to_string(), wanted);
        self.table.store(Arc::new(Table::of(bound.values())));
        Ok(())
    }

    fn on_workload_unbind(&self, workload_id: &str) {
        let mut bound = self.bound();
        if bound.remove(workload_id).is_some() {
            self.table.store(Arc::new(Table::of(bound.values())));
        }
    }

    fn route(&self, request: &RequestHead<'_>) -> Route {
        let Some(host) = request.host() else { return Route::NotFound };
        // A name may be written with the dot of the root.
        let host = host.strip_suffix('.').unwrap_or(host);
        let table = self.table.load();
        let found = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            table.find(&host.to_ascii_lowercase(), request.path())
        } else {
            table.find(host, request.path())
        };
        found.map_or(Route::NotFound, Place::choose)
    }
}

impl DynamicRouter {
    fn bound(&self) -> MutexGuard<'_, BTreeMap<String, Bound>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bound {
    fn of(workload: &Workload, target: &Target) -> Result<Self> {
        let entries = || workload.host_interfaces.iter().filter(|entry| entry.is("wasi", "http"));
        let setting = |key: &str| entries().find_map(|entry| entry.config.get(key)).map(|text| text.trim());
        let named =
            setting("host").into_iter().chain(setting("host-aliases").into_iter().flat_map(|list| list.split(',')));
        let hosts = named.map(str::trim).filter(|host| !host.is_empty()).map(Host::parse).collect::<Result<_>>()?;
        let path = setting("path").map(|path| path.trim_end_matches('/')).filter(|path| !path.is_empty());
        if let Some(path) = path.filter(|path| !path.starts_with('/') || path.contains(['?', '#', ' '])) {
            return Err(Error::usage(format!("the setting `path` of `wasi:http` is wrong: `{path}` is no path"))
                .hint("write it as `/api`"));
        }
        Ok(Bound { namespace: workload.namespace.clone(), hosts, path: path.map(String::from), target: target.clone() })
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("the host `{text}` of `wasi:http` is none"))
                .hint("write a name without scheme, port and path: `shop.example`, or `*.shop.example`")
        };
        let lower = text.to_ascii_lowercase();
        let address = lower.starts_with('[') && lower.ends_with(']');
        let (name, below) = match lower.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (lower.as_str(), false),
        };
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if !address && (name.len() > 253 || !name.split('.').all(is_label)) {
            return Err(wrong());
        }
        Ok(if below { Host::Below(format!(".{name}")) } else { Host::Name(lower) })
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Below(end) => write!(f, "*{end}"),
        }
    }
}

impl Table {
    fn of<'a>(bound: impl Iterator<Item = &'a Bound>) -> Self {
        let mut table = Table::default();
        for one in bound {
            for host in &one.hosts {
                let places = match host {
                    Host::Name(name) => table.names.entry(name.clone()).or_default(),
                    Host::Below(end) => table.wildcards.entry(end.clone()).or_default(),
                };
                match places.iter_mut().find(|place| place.path == one.path) {
                    Some(place) => place.targets.push(one.target.clone()),
                    None => places.push(Place {
                        path: one.path.clone(),
                        targets: vec![one.target.clone()],
                        turn: AtomicUsize::new(0),
                    }),
                }
            }
        }
        for places in table.names.values_mut().chain(table.wildcards.values_mut()) {
            places.sort_by_key(|place| std::cmp::Reverse(place.path.as_ref().map_or(0, String::len)));
        }
        table
    }

    fn find(&self, host: &str, path: &str) -> Option<&Place> {
        let fitting = |places: &'_ Vec<Place>| places.iter().position(|place| place.has(path));
        let exact = self.names.get(host).and_then(|places| Some(&places[fitting(places)?]));
        exact.or_else(|| {
            let ends = host.match_indices('.').map(|(dot, _)| &host[dot..]);
            ends.filter_map(|end| self.wildcards.get(end)).find_map(|places| Some(&places[fitting(places)?]))
        })
    }
}

impl Place {
    fn has(&self, path: &str) -> bool {
        let Some(prefix) = &self.path else { return true };
        path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The next in turn of those that are ready.
    fn choose(&self) -> Route {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.targets.len();
        let in_turn = (0..count).map(|step| &self.targets[first.wrapping_add(step) % count]);
        match in_turn.into_iter().find(|target| target.is_ready()) {
            Some(target) => Route::To(target.clone()),
            // That somebody is coming is the better news; otherwise the target says why there is nobody.
            None if self.targets.iter().all(Target::refuses) => Route::To(self.targets[0].clone()),
            None => Route::NotReady,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, Uri};

    use super::*;
    use crate::runtime::workload::HostInterface;

    fn workload(namespace: &str, config: &[(&str, &str)]) -> Workload {
        let entry = HostInterface {
            namespace: "wasi".into(),
            package: "http".into(),
            config: config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            ..HostInterface::default()
        };
        Workload { namespace: namespace.into(), host_interfaces: vec![entry], ..Workload::default() }
    }

    /// Binds workloads named `0`, `1`, … that are never ready.
    fn router(all: &[&[(&str, &str)]]) -> DynamicRouter {
        let router = DynamicRouter::default();
        for (index, config) in all.iter().enumerate() {
            bind(&router, &index.to_string(), "a", config).unwrap();
        }
        router
    }

    fn bind(router: &DynamicRouter, id: &str, namespace: &str, config: &[(&str, &str)]) -> Result<()> {
        router.on_workload_bind(&workload(namespace, config), &Target::new(id, Arc::default()))
    }

    /// Who shares the place of a request; empty: nobody is there.
    fn found(router: &DynamicRouter, url: &str) -> String {
        let uri: Uri = url.parse().unwrap();
        let head = RequestHead { method: &Method::GET, uri: &uri, headers: &HeaderMap::new() };
        let table = router.table.load();
        let place = table.find(&head.host().unwrap().to_ascii_lowercase(), head.path());
        let names = place.map(|place| place.targets.iter().map(Target::workload_id).collect::<Vec<_>>().join(" "));
        assert_eq!(matches!(router.route(&head), Route::NotFound), names.is_none());
        names.unwrap_or_default()
    }

    #[test]
    fn the_most_exact_host_and_path_wins() {
        let router = router(&[
            &[("host", "shop.example")],
            &[("host", "*.shop.example"), ("host-aliases", "other.example, *.eu.shop.example")],
            &[("host", "Shop.Example"), ("path", "/api/")],
            &[("host", "*.a.shop.example"), ("path", "/api")],
            &[],
        ]);
        for (url, expected) in [
            ("http://shop.example/", "0"),
            ("http://SHOP.example:8000/apis", "0"),
            ("http://shop.example/api", "2"),
            ("http://shop.example/api/x?y", "2"),
            ("http://a.shop.example/", "1"),
            ("http://x.a.shop.example/", "1"),
            ("http://x.a.shop.example/api", "3"),
            ("http://other.example/", "1"),
            ("http://x.other.example/", ""),
            ("http://example/", ""),
        ] {
            assert_eq!(found(&router, url), expected, "{url}");
        }
    }

    #[test]
    fn workloads_of_one_namespace_share_a_host_and_others_do_not() {
        let router = router(&[&[("host", "a.example")], &[("host", "a.example")]]);
        assert_eq!(found(&router, "http://a.example/"), "0 1");
        let error = bind(&router, "2", "b", &[("host", "A.example")]).unwrap_err();
        assert_eq!(error.message(), "the host `a.example` belongs to another namespace");
        bind(&router, "2", "b", &[("host", "a.example"), ("path", "/b")]).unwrap();
        assert_eq!(found(&router, "http://a.example/b"), "2");
        router.on_workload_unbind("0");
        router.on_workload_unbind("1");
        assert_eq!(found(&router, "http://a.example/"), "");
    }

    #[test]
    fn who_should_be_there_and_is_not_refuses_unless_somebody_else_is_coming() {
        let router = router(&[]);
        let uri: Uri = "http://a.example/".parse().unwrap();
        let head = RequestHead { method: &Method::GET, uri: &uri, headers: &HeaderMap::new() };
        let config = workload("a", &[("host", "a.example")]);
        router.on_workload_bind(&config, &Target::refusing("0", "no")).unwrap();
        assert!(matches!(router.route(&head), Route::To(target) if target.refuses()));
        bind(&router, "1", "a", &[("host", "a.example")]).unwrap();
        assert!(matches!(router.route(&head), Route::NotReady));
    }

    #[test]
    fn binding_again_replaces_what_a_workload_gets() {
        let router = router(&[&[("host", "a.example")]]);
        bind(&router, "0", "a", &[("host", "b.example")]).unwrap();
        assert_eq!(found(&router, "http://a.example/"), "");
        assert_eq!(found(&router, "http://b.example/"), "0");
        assert!(bind(&router, "0", "a", &[("host", "b example")]).is_err());
        assert_eq!(found(&router, "http://b.example/"), "0");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for wrong in ["http://a.example", "a.example:80", "a/b", "a..b", "*", "*.", "-a", "a b", "**.a"] {
            assert!(Host::parse(wrong).is_err(), "{wrong}");
        }
        for right in ["localhost", "127.0.0.1", "[::1]", "a_b.example", "*.example"] {
            assert!(Host::parse(right).is_ok(), "{right}");
        }
        assert!(bind(&DynamicRouter::default(), "0", "a", &[("path", "api")]).is_err());
    }
}
