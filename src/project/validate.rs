//! What types cannot say about settings: addresses, unique names, keys that do nothing yet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::problem::Problem;
use super::settings::{Build, Dev, DevComponent, Settings, Volume, Wit};
use super::source::Origin;
use super::tree::{Key, Node};

/// Finds everything that is wrong with merged settings. `tree` says where values come from; keys
/// in `broken` have been complained about before.
pub fn validate(settings: &Settings, tree: &Node, broken: &BTreeSet<Key>) -> Vec<Problem> {
    let mut check = Check { tree, broken, problems: Vec::new() };
    check.build(&settings.build);
    check.not_blank("new.command", settings.new.command.as_deref());
    check.dev(&settings.dev);
    check.wit(&settings.wit);
    check.problems
}

/// Reads `address:port`, where the address is an IP address or `localhost`; an IPv6 address stands
/// in brackets. `None` for anything else.
pub fn socket_address(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix("localhost:") {
        // `+80` would be a number for Rust.
        let port = port.chars().all(|c| c.is_ascii_digit()).then(|| port.parse().ok())??;
        return Some((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().ok()
}

/// The versions of a program that will do. A bare number means at least that: `20`, `>=1.82, <2`.
pub fn requirement(text: &str) -> Result<semver::VersionReq, semver::Error> {
    let bare = text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if bare { format!(">={}", text.trim()).parse() } else { text.parse() }
}

struct Check<'a> {
    tree: &'a Node,
    broken: &'a BTreeSet<Key>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn build(&mut self, build: &Build) {
        self.not_blank("build.command", build.command.as_deref());
        self.not_blank("build.component_path", build.component_path.as_deref());
        self.environment(&Key::of("build.env"), &build.env);
        for (tool, versions) in &build.tools {
            let key = Key::of("build.tools").name(tool);
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
            if tool.is_empty() || !tool.chars().all(plain) {
                let hint = "name a program, e.g. `node: \"20\"`".to_string();
                self.complain(&key, format!("`{tool}` is not the name of a program"), Some(hint));
            } else if let Err(error) = requirement(versions) {
                let hint = "write the least version, or a range: `\"20\"`, `\">=0.34, <0.40\"`".to_string();
                self.complain(&key, format!("`{versions}` does not say which versions will do: {error}"), Some(hint));
            }
        }
    }

    fn dev(&mut self, dev: &Dev) {
        for (key, value) in [
            ("dev.command", &dev.command),
            ("dev.component_path", &dev.component_path),
            ("dev.service_file", &dev.service_file),
            ("dev.wasi_keyvalue_path", &dev.wasi_keyvalue_path),
            ("dev.wasi_blobstore_path", &dev.wasi_blobstore_path),
        ] {
            self.not_blank(key, value.as_deref());
        }
        if let Some(address) = &dev.address {
            self.address(&Key::of("dev.address"), address);
        }
        self.environment(&Key::of("dev.environment"), &dev.environment);
        self.components(&dev.components);
        self.volumes(dev);
        for (index, interface) in dev.host_interfaces.iter().enumerate() {
            let key = Key::of("dev.host_interfaces").index(index);
            self.filled(&key.name("namespace"), &interface.namespace);
            self.filled(&key.name("package"), &interface.package);
            if let Some(name) = &interface.name {
                self.filled(&key.name("name"), name);
            }
        }
        self.urls(dev);
        self.refuse(&Key::of("dev.wasi_webgpu"), dev.wasi_webgpu);
        self.service(dev);
        self.ports(&Key::of("dev.allowed_host_loopback_ports"), &dev.allowed_host_loopback_ports);
        if dev.max_concurrency.is_some_and(|most| most > 1) && dev.pool_size.unwrap_or(0) == 0 {
            let message =
                "`dev.max_concurrency` needs `dev.pool_size`: without kept instances each request has its own";
            self.complain(&Key::of("dev.max_concurrency"), message.into(), Some("add `pool_size: 1` beside it".into()));
        }
        self.tls(dev);
        self.http_client(dev);
    }

    fn service(&mut self, dev: &Dev) {
        if dev.service && dev.service_file.is_some() {
            let message = "`dev.service` and `dev.service_file` both name the service; a workload has one".to_string();
            let hint =
                "remove `dev.service` if the file is the service, `dev.service_file` if the project is".to_string();
            self.complain(&Key::of("dev.service_file"), message, Some(hint));
        }
    }

    fn tls(&mut self, dev: &Dev) {
        let paths = [
            ("dev.tls_cert_path", &dev.tls_cert_path),
            ("dev.tls_key_path", &dev.tls_key_path),
            ("dev.tls_ca_path", &dev.tls_ca_path),
        ];
        for (key, path) in paths {
            self.not_blank(key, path.as_deref());
        }
        let [(cert, cert_path), (private, key_path), (ca, ca_path)] = paths;
        let missing = match (cert_path, key_path, ca_path) {
            (Some(_), None, _) => Some((cert, private, "the certificate's private key")),
            (None, Some(_), _) => Some((private, cert, "the key's certificate")),
            (None, None, Some(_)) => Some((ca, cert, "the server's own certificate")),
            _ => None,
        };
        if let Some((key, other, what)) = missing {
            let message = format!("`{key}` needs `{other}` beside it");
            self.complain(&Key::of(key), message, Some(format!("set `{other}` to the PEM file with {what}")));
        }
    }

    fn http_client(&mut self, dev: &Dev) {
        const ROOTS: [&str; 4] = ["webpki", "native", "webpki-and-native", "extra-only"];
        if let Some(roots) = dev.http_client_trust_roots.as_deref().filter(|roots| !ROOTS.contains(roots)) {
            let key = Key::of("dev.http_client_trust_roots");
            let hint = "write `webpki`, `native`, `webpki-and-native` or `extra-only`".to_string();
            self.complain(&key, format!("`{roots}` is no choice of authorities"), Some(hint));
        }
        if dev.http_client_trust_roots.as_deref() == Some("extra-only") && dev.http_client_ca_paths.is_empty() {
            let hint = "name the PEM file of an authority in `dev.http_client_ca_paths`".to_string();
            let message = "`extra-only` trusts nobody without `dev.http_client_ca_paths`".to_string();
            self.complain(&Key::of("dev.http_client_trust_roots"), message, Some(hint));
        }
        for (index, path) in dev.http_client_ca_paths.iter().enumerate() {
            self.filled(&Key::of("dev.http_client_ca_paths").index(index), path);
        }
        for (name, address) in &dev.hosts {
            let key = Key::of("dev.hosts").name(name);
            if address.parse::<IpAddr>().is_err() {
                let hint = "write an address such as 127.0.0.1 or ::1, without a port".to_string();
                self.complain(&key, format!("`{key}` must be an IP address, not `{address}`"), Some(hint));
            }
        }
    }

    fn ports(&mut self, key: &Key, ports: &[u64]) {
        for (index, port) in ports.iter().enumerate() {
            if !(1..=65535).contains(port) {
                let hint = "write a number from 1 to 65535".to_string();
                self.complain(&key.index(index), format!("`{port}` is no port"), Some(hint));
            }
        }
    }

    /// Where data is kept is said once, and with an address of such a server. What is wrong in an
    /// address beyond its beginning is told by who connects; its value is never repeated.
    fn urls(&mut self, dev: &Dev) {
        for (key, url, schemes) in [
            ("dev.data_nats_url", &dev.data_nats_url, ["nats", "tls"]),
            ("dev.wasmcloud_messaging_nats_url", &dev.wasmcloud_messaging_nats_url, ["nats", "tls"]),
            ("dev.wasi_keyvalue_nats_url", &dev.wasi_keyvalue_nats_url, ["nats", "tls"]),
            ("dev.wasi_blobstore_nats_url", &dev.wasi_blobstore_nats_url, ["nats", "tls"]),
            ("dev.wasi_keyvalue_redis_url", &dev.wasi_keyvalue_redis_url, ["redis", "rediss"]),
            ("dev.postgres_url", &dev.postgres_url, ["postgres", "postgresql"]),
        ] {
            let Some(url) = url else { continue };
            let scheme = url.split_once("://").map(|(scheme, _)| scheme);
            if !scheme.is_some_and(|scheme| schemes.contains(&scheme)) {
                let hint = format!("begin it with `{}://` or `{}://`", schemes[0], schemes[1]);
                let message = format!("`{key}` must be the URL of a server");
                self.complain(&Key::of(key), message, Some(hint));
            }
        }
        let keyvalue = [
            ("dev.wasi_keyvalue_path", dev.wasi_keyvalue_path.is_some()),
            ("dev.wasi_keyvalue_nats_url", dev.wasi_keyvalue_nats_url.is_some()),
            ("dev.wasi_keyvalue_redis_url", dev.wasi_keyvalue_redis_url.is_some()),
        ];
        let blobs = [
            ("dev.wasi_blobstore_path", dev.wasi_blobstore_path.is_some()),
            ("dev.wasi_blobstore_nats_url", dev.wasi_blobstore_nats_url.is_some()),
            ("dev.wasi_blobstore_url", dev.wasi_blobstore_url.is_some()),
        ];
        for (what, places) in [("key-value data is", keyvalue), ("blobs are", blobs)] {
            let mut given = places.iter().filter(|(_, given)| *given).map(|(key, _)| *key);
            if let (Some(first), Some(second)) = (given.next(), given.next()) {
                let message = format!("both `{first}` and `{second}` say where {what} kept");
                self.complain(&Key::of(second), message, Some("keep one of the two".into()));
            }
        }
    }

    fn wit(&mut self, wit: &Wit) {
        self.filled(&Key::of("wit.wit_dir"), &wit.wit_dir);
        for (index, registry) in wit.registries.iter().enumerate() {
            self.filled(&Key::of("wit.registries").index(index).name("url"), &registry.url);
        }
        for (package, source) in &wit.sources {
            let key = Key::of("wit.sources").name(package);
            self.filled(&key, source);
            let is_name = package.split_once(':').is_some_and(|(namespace, name)| {
                !namespace.is_empty() && !name.is_empty() && !name.contains([':', '/', '@'])
            });
            if !is_name {
                let hint = Some("write the package as NAMESPACE:PACKAGE, e.g. `wasi:http`, without a version".into());
                self.complain(&key, format!("`{package}` is not the name of a WIT package"), hint);
            }
        }
    }

    fn address(&mut self, key: &Key, address: &str) {
        if socket_address(address).is_some() {
            return;
        }
        let all_digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let hint = match address.rsplit_once(':') {
            Some(("", port)) if all_digits(port) => {
                format!("write `127.0.0.1:{port}`, or `0.0.0.0:{port}` for all networks")
            }
            None if all_digits(address) => format!("write `127.0.0.1:{address}`"),
            None if format!("{address}:1").parse::<SocketAddr>().is_ok() || address == "localhost" => {
                format!("add a port: `{address}:8000`")
            }
            _ => "write an IP address (or `localhost`) and a port, e.g. `127.0.0.1:8000`".into(),
        };
        self.complain(key, format!("`{key}` must be an address and a port, not `{address}`"), Some(hint));
    }

    fn components(&mut self, components: &[DevComponent]) {
        let mut names = BTreeMap::new();
        for (index, component) in components.iter().enumerate() {
            let key = Key::of("dev.components").index(index);
            let name = key.name("name");
            self.filled(&name, &component.name);
            if let Some(first) = names.insert(&component.name, index) {
                let message = format!("`{name}` is `{}`, as is `dev.components[{first}].name`", component.name);
                self.complain(&name, message, Some("give each component a name of its own".into()));
            }
            match (&component.file, &component.project) {
                (Some(_), Some(_)) => {
                    let message = format!("`{key}` has both `file` and `project`");
                    self.complain(&key, message, Some("keep one of the two".into()));
                }
                (None, None) => {
                    let message = format!("`{key}` has neither `file` nor `project`");
                    self.complain(
                        &key,
                        message,
                        Some("add `file: path/to/component.wasm`, or `project: ../folder`".into()),
                    );
                }
                (Some(file), None) => self.filled(&key.name("file"), file),
                (None, Some(project)) => self.filled(&key.name("project"), project),
            }
            self.environment(&key.name("environment"), &component.environment);
            self.ports(&key.name("allowed_host_loopback_ports"), &component.allowed_host_loopback_ports);
        }
    }

    /// Those of all components, and with them those of each component.
    fn volumes(&mut self, dev: &Dev) {
        let mut taken = BTreeMap::new();
        for (index, volume) in dev.volumes.iter().enumerate() {
            self.volume(&Key::of("dev.volumes").index(index), volume, &mut taken);
        }
        for (index, component) in dev.components.iter().enumerate() {
            let key = Key::of("dev.components").index(index).name("volumes");
            let mut taken = taken.clone();
            for (index, volume) in component.volumes.iter().enumerate() {
                self.volume(&key.index(index), volume, &mut taken);
            }
        }
    }

    fn volume(&mut self, key: &Key, volume: &Volume, taken: &mut BTreeMap<String, Key>) {
        self.filled(&key.name("host_path"), &volume.host_path);
        let guest = key.name("guest_path");
        let path = &volume.guest_path;
        if !path.starts_with('/') || path.split('/').any(|part| part == ".." || part == ".") {
            let plain = path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect::<Vec<_>>();
            let hint = format!("write `/{}`", plain.join("/"));
            self.complain(&guest, format!("`{guest}` must be an absolute path, not `{path}`"), Some(hint));
        } else if let Some(first) = taken.insert(path.trim_end_matches('/').to_string(), guest.clone()) {
            let message = format!("`{guest}` is `{path}`, as is `{first}`");
            self.complain(&guest, message, Some("give each volume a path of its own".into()));
        }
    }

    /// Names and values must be such as an operating system takes.
    fn environment(&mut self, key: &Key, environment: &BTreeMap<String, String>) {
        for (name, value) in environment {
            let key = key.name(name);
            if name.is_empty() || name.contains(['=', '\0']) {
                let hint = "use letters, digits and underscores".to_string();
                self.complain(&key, format!("{name:?} is no name for an environment variable"), Some(hint));
            } else if value.contains('\0') {
                self.complain(&key, format!("the value of `{key}` has a NUL character in it"), None);
            }
        }
    }

    fn not_blank(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.filled(&Key::of(key), value);
        }
    }

    fn filled(&mut self, key: &Key, value: &str) {
        if value.trim().is_empty() {
            self.complain(key, format!("`{key}` is empty"), None);
        }
    }

    /// A key that would be ignored is refused instead.
    fn refuse(&mut self, key: &Key, used: bool) {
        if used {
            self.complain(key, format!("not supported yet: `{key}`"), Some("remove it".into()));
        }
    }

    fn complain(&mut self, key: &Key, message: String, hint: Option<String>) {
        if !self.broken.contains(key) {
            let problem = Problem::at(&origin(self.tree, key), message);
            self.problems.push(Problem { hint, ..problem });
        }
    }
}

/// Who set the value of `key`; `Origin::Default` if nobody did.
pub fn origin(tree: &Node, key: &Key) -> Origin {
    tree.find(key).map(|node| node.origin.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::check::check;
    use crate::project::formats::Format;
    use crate::project::formats::tests::parse_text;
    use crate::project::shape::Shape;

    fn problems_of(text: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let tree = check(parse_text(Format::Yaml, text).unwrap(), &mut problems);
        assert!(problems.is_empty(), "{text}: {problems:#?}");
        validate(&serde_json::from_value(tree.to_json()).unwrap(), &tree, &BTreeSet::new())
    }

    #[test]
    fn good_settings_have_no_problems() {
        for text in [
            "",
            "dev: {address: 127.0.0.1:8000}",
            "dev: {address: localhost:0}",
            "dev: {address: '[::1]:8000'}",
            "dev: {service: false, wasi_webgpu: false}",
            "dev: {tls_cert_path: a, tls_key_path: b, tls_ca_path: c}",
            "dev: {http_client_trust_roots: extra-only, http_client_ca_paths: [a], hosts: {a: '::1'}}",
            "wit: {registries: [], sources: {}}",
            "dev: {components: [{name: a, file: a.wasm}, {name: b, project: ../b}]}",
            "dev: {volumes: [{host_path: a, guest_path: /}, {host_path: a, guest_path: /b}]}",
        ] {
            assert!(problems_of(text).is_empty(), "{text}: {:#?}", problems_of(text));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, message, hint) in [
            (
                "\ndev: {address: ':8000'}",
                2,
                "`dev.address` must be an address and a port, not `:8000`",
                "write `127.0.0.1:8000`, or `0.0.0.0:8000` for all networks",
            ),
            (
                "dev: {address: '8000'}",
                1,
                "`dev.address` must be an address and a port, not `8000`",
                "write `127.0.0.1:8000`",
            ),
            (
                "dev: {address: 0.0.0.0}",
                1,
                "`dev.address` must be an address and a port, not `0.0.0.0`",
                "add a port: `0.0.0.0:8000`",
            ),
            (
                "dev: {address: 'localhost:+80'}",
                1,
                "`dev.address` must be an address and a port, not `localhost:+80`",
                "write an IP address (or `localhost`) and a port, e.g. `127.0.0.1:8000`",
            ),
            (
                "dev: {address: 'a.example:80'}",
                1,
                "`dev.address` must be an address and a port, not `a.example:80`",
                "write an IP address (or `localhost`) and a port, e.g. `127.0.0.1:8000`",
            ),
            ("build:\n  command: ' '", 2, "`build.command` is empty", ""),
            (
                "build:\n  env:\n    A=B: x",
                3,
                "\"A=B\" is no name for an environment variable",
                "use letters, digits and underscores",
            ),
            ("dev: {environment: {A: \"\\0\"}}", 1, "the value of `dev.environment.A` has a NUL character in it", ""),
            (
                "dev:\n  components:\n    - name: a\n",
                3,
                "`dev.components[0]` has neither `file` nor `project`",
                "add `file: path/to/component.wasm`, or `project: ../folder`",
            ),
            (
                "dev: {components: [{name: a, file: a, project: b}]}",
                1,
                "`dev.components[0]` has both `file` and `project`",
                "keep one of the two",
            ),
            (
                "dev:\n  components:\n    - {name: a, file: a}\n    - {name: a, file: b}",
                4,
                "`dev.components[1].name` is `a`, as is `dev.components[0].name`",
                "give each component a name of its own",
            ),
            ("dev: {components: [{name: '', file: a}]}", 1, "`dev.components[0].name` is empty", ""),
            (
                "dev: {volumes: [{host_path: a, guest_path: b/../c}]}",
                1,
                "`dev.volumes[0].guest_path` must be an absolute path, not `b/../c`",
                "write `/b/c`",
            ),
            (
                "dev:\n  volumes:\n    - {host_path: a, guest_path: /b}\n    - {host_path: c, guest_path: /b/}",
                4,
                "`dev.volumes[1].guest_path` is `/b/`, as is `dev.volumes[0].guest_path`",
                "give each volume a path of its own",
            ),
            (
                "dev:\n  volumes: [{host_path: a, guest_path: /b}]\n  components:\n    - name: x\n      file: x.wasm\n      \
                 volumes: [{host_path: c, guest_path: /b}]",
                6,
                "`dev.components[0].volumes[0].guest_path` is `/b`, as is `dev.volumes[0].guest_path`",
                "give each volume a path of its own",
            ),
            ("wit: {wit_dir: ''}", 1, "`wit.wit_dir` is empty", ""),
            (
                "dev:\n  tls_cert_path: a.pem",
                2,
                "`dev.tls_cert_path` needs `dev.tls_key_path` beside it",
                "set `dev.tls_key_path` to the PEM file with the certificate's private key",
            ),
            (
                "dev: {tls_key_path: a.pem}",
                1,
                "`dev.tls_key_path` needs `dev.tls_cert_path` beside it",
                "set `dev.tls_cert_path` to the PEM file with the key's certificate",
            ),
            (
                "dev: {tls_ca_path: a.pem}",
                1,
                "`dev.tls_ca_path` needs `dev.tls_cert_path` beside it",
                "set `dev.tls_cert_path` to the PEM file with the server's own certificate",
            ),
            (
                "dev: {http_client_trust_roots: all}",
                1,
                "`all` is no choice of authorities",
                "write `webpki`, `native`, `webpki-and-native` or `extra-only`",
            ),
            (
                "dev: {http_client_trust_roots: extra-only}",
                1,
                "`extra-only` trusts nobody without `dev.http_client_ca_paths`",
                "name the PEM file of an authority in `dev.http_client_ca_paths`",
            ),
            (
                "dev: {hosts: {a.example: localhost}}",
                1,
                "`dev.hosts.\"a.example\"` must be an IP address, not `localhost`",
                "write an address such as 127.0.0.1 or ::1, without a port",
            ),
            (
                "dev: {allowed_host_loopback_ports: [80, 70000]}",
                1,
                "`70000` is no port",
                "write a number from 1 to 65535",
            ),
            ("wit: {registries: [{url: ' '}]}", 1, "`wit.registries[0].url` is empty", ""),
            (
                "wit:\n  sources:\n    wasi:http@0.2.0: ../http",
                3,
                "`wasi:http@0.2.0` is not the name of a WIT package",
                "write the package as NAMESPACE:PACKAGE, e.g. `wasi:http`, without a version",
            ),
            (
                "dev: {wasi_keyvalue_redis_url: 'user:secret@host'}",
                1,
                "`dev.wasi_keyvalue_redis_url` must be the URL of a server",
                "begin it with `redis://` or `rediss://`",
            ),
            (
                "dev:\n  wasi_keyvalue_path: data\n  wasi_keyvalue_nats_url: nats://localhost",
                3,
                "both `dev.wasi_keyvalue_path` and `dev.wasi_keyvalue_nats_url` say where key-value data is kept",
                "keep one of the two",
            ),
        ] {
            let problems = problems_of(text);
            assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
            assert_eq!(problems[0].message, message, "{text}");
            assert_eq!(problems[0].hint.as_deref().unwrap_or_default(), hint, "{text}");
            assert_eq!(problems[0].origin.to_string(), format!("/p/config.yaml:{line}"), "{text}");
        }
    }

    #[test]
    fn every_key_that_is_called_not_supported_is_refused() {
        fn walk(shape: &Shape, path: &str, found: &mut Vec<String>) {
            for field in shape.fields() {
                let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
                if field.about.contains("Not supported yet") {
                    found.push(path.clone());
                }
                walk(&field.shape, &path, found);
                if let Shape::List(of) = &field.shape {
                    walk(of, &format!("{path}[0]"), found);
                }
            }
        }
        let mut described = Vec::new();
        walk(Shape::of_settings(), "", &mut described);
        let text = "
dev:
  wasi_webgpu: true
";
        let mut refused: Vec<String> = problems_of(text)
            .iter()
            .map(|problem| problem.message.strip_prefix("not supported yet: ").unwrap().trim_matches('`').to_string())
            .collect();
        described.sort();
        refused.sort();
        assert_eq!(refused, described);
    }
}
