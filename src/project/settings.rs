//! What can be set, and what it means. The reference page and the JSON Schema are made from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where `wash dev` listens when nothing else is said.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8000";
/// The longest a component may take to answer a request in `wash dev`, in seconds.
pub const DEFAULT_REQUEST_TIMEOUT_SECONDS: u64 = 30;
/// The most memory one instance may use in `wash dev`, in MiB.
pub const DEFAULT_MEMORY_LIMIT_MB: u64 = 1024;
/// How often in a row a service is started again in `wash dev`.
pub const DEFAULT_SERVICE_MAX_RESTARTS: u64 = 5;
/// Which authorities HTTPS requests of components trust in `wash dev`.
pub const DEFAULT_HTTP_CLIENT_TRUST_ROOTS: &str = "webpki-and-native";
/// The folder of a project's WIT files.
pub const DEFAULT_WIT_DIR: &str = "wit";

/// Settings of a project (`.wash/config.yaml`, `.yml`, `.json` or `.toml`) and of a user
/// (`config.yaml` in wash's configuration folder).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "wash settings")]
pub struct Settings {
    /// The version of wash that the project was written for, for readers; not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2.0.1"]))]
    pub version: Option<String>,
    /// How the component is built.
    pub build: Build,
    /// What `wash new` does with a project made from this one.
    pub new: New,
    /// The edit-refresh loop.
    pub dev: Dev,
    /// WIT dependencies.
    pub wit: Wit,
}

/// How the component is built.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Build {
    /// The command that builds the component, run by the shell in the project folder. Without it,
    /// wash recognises the language and calls its toolchain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["cargo build --target wasm32-wasip2 --release"]))]
    pub command: Option<String>,
    /// Environment variables for the command, beside those wash was started with.
    #[schemars(extend("examples" = [{"RUSTFLAGS": "-C opt-level=s"}]))]
    pub env: BTreeMap<String, String>,
    /// Where the command leaves the component, relative to the project folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["target/wasm32-wasip2/release/hello.wasm"]))]
    pub component_path: Option<String>,
    /// Programs that the build needs, with the versions that will do: `20` is at least 20, others are
    /// written as cargo has them. Looked at before each build and by `wash doctor`, beside what wash
    /// knows of the language.
    #[schemars(extend("examples" = [{"node": "20", "tinygo": ">=0.34, <0.40"}]))]
    pub tools: BTreeMap<String, String>,
}

/// What `wash new` does with a project made from this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct New {
    /// A command to run in the new project, once, after it was created. It is shown first and run
    /// only with consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["npm install"]))]
    pub command: Option<String>,
}

/// The edit-refresh loop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dev {
    /// The build command of the loop, instead of `build.command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["cargo build --target wasm32-wasip2"]))]
    pub command: Option<String>,
    /// Where `dev.command` leaves the component, instead of `build.component_path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["target/wasm32-wasip2/debug/hello.wasm"]))]
    pub component_path: Option<String>,
    /// Where to listen, as IP address (or `localhost`) and port. Port 0 takes a free one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = DEFAULT_ADDRESS))]
    pub address: Option<String>,
    /// Runs the component as the workload's service: it is started once and may listen inside of the
    /// workload. A component that exports `wasi:cli/run` and nothing else is one without this.
    pub service: bool,
    /// A component file that is the workload's service, beside the main component and with its
    /// environment, configuration and network rules. Relative to the project folder; it is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["target/wasm32-wasip2/release/service.wasm"]))]
    pub service_file: Option<String>,
    /// How often in a row a service is started again after it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("default" = DEFAULT_SERVICE_MAX_RESTARTS))]
    pub service_max_restarts: Option<u64>,
    /// More components of the same workload.
    pub components: Vec<DevComponent>,
    /// Folders of this machine that components may use.
    pub volumes: Vec<Volume>,
    /// Configuration of the interfaces that the host provides. Every interface wash knows is
    /// provided in the loop, so that an entry is only needed to configure one.
    pub host_interfaces: Vec<HostInterface>,
    /// Environment variables of the main component.
    #[schemars(extend("examples" = [{"LOG_LEVEL": "debug"}]))]
    pub environment: BTreeMap<String, String>,
    /// Files of `KEY=value` lines with more environment variables of the main component;
    /// `environment` wins. They are watched.
    #[schemars(extend("examples" = [[".env"]]))]
    pub env_files: Vec<String>,
    /// What the main component reads through `wasi:config`, beside its environment.
    #[schemars(extend("examples" = [{"greeting": "hello"}]))]
    pub config: BTreeMap<String, String>,
    /// What the main component reads through `wasmcloud:secrets`. Write `${NAME}` for what is in the
    /// environment. Shown nowhere.
    #[schemars(extend("examples" = [{"api-key": "${API_KEY}"}]))]
    pub secrets: BTreeMap<String, String>,
    /// Files with more of these: the whole file is the secret, but for a line break at its end.
    /// `secrets` wins. They are watched.
    #[schemars(extend("examples" = [{"signing-key": "keys/signing.pem"}]))]
    pub secret_files: BTreeMap<String, String>,
    /// Hosts that the main component may connect to, e.g. `api.example.com`, `*.example.com`,
    /// `https://api.example.com:8443`, `10.0.0.0/8`. Empty: every public host.
    #[schemars(extend("examples" = [["api.example.com", "*.example.com"]]))]
    pub allowed_hosts: Vec<String>,
    /// Whether the main component may connect to addresses in private networks that `allowed_hosts`
    /// does not name.
    pub allow_private_networks: bool,
    /// Ports of this machine's own loopback that the main component may connect to, as `127.0.0.1` or
    /// `localhost`.
    #[schemars(extend("examples" = [[5432]]))]
    pub allowed_host_loopback_ports: Vec<u64>,
    /// Names that the main component may look up through `wasi:sockets`, e.g. `db.example.com` or
    /// `*.example.com`. `wasi:http` needs none of these.
    #[schemars(extend("examples" = [["db.example.com"]]))]
    pub allowed_ip_name_lookups: Vec<String>,
    /// Names that stand for these addresses when components connect to them, whatever the system
    /// says.
    #[schemars(extend("examples" = [{"api.example.com": "127.0.0.1"}]))]
    pub hosts: BTreeMap<String, String>,
    /// Which authorities the HTTPS requests of components trust: `webpki` (Mozilla's), `native` (this
    /// machine's), `webpki-and-native`, or `extra-only` (those of `http_client_ca_paths`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = DEFAULT_HTTP_CLIENT_TRUST_ROOTS))]
    pub http_client_trust_roots: Option<String>,
    /// PEM files with more authorities that the HTTPS requests of components trust.
    #[schemars(extend("examples" = [["certs/company-ca.pem"]]))]
    pub http_client_ca_paths: Vec<String>,
    /// Paths, in the form of a `.gitignore` file, that are not watched, beside those that ignore
    /// files name.
    #[schemars(extend("examples" = [["notes/", "*.log"]]))]
    pub ignore: Vec<String>,
    /// The longest a component may take to answer a request, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = DEFAULT_REQUEST_TIMEOUT_SECONDS))]
    pub request_timeout_seconds: Option<u64>,
    /// The longest body of a request, in MiB; a longer one gets 413. Without it, bodies may have any
    /// length: they are streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("examples" = [10]))]
    pub request_body_limit_mb: Option<u64>,
    /// The most memory one instance may use, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = DEFAULT_MEMORY_LIMIT_MB))]
    pub memory_limit_mb: Option<u64>,
    /// How many instances of a component are kept to answer again. With 0, each call has a new instance, and nothing
    /// can leak from one call to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 500), extend("default" = 0))]
    pub pool_size: Option<u32>,
    /// The most calls of one component at one time. Further ones wait, and are answered with 503 after ten seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 512))]
    pub max_invocations: Option<u32>,
    /// How many requests a kept instance works on at the same time, where the component is of WASI 0.3; one of 0.2 takes
    /// one after the other. Needs `pool_size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000), extend("default" = 1))]
    pub max_concurrency: Option<u32>,
    /// The most time that all calls of a component together run for, in percent of one processor core: 50 is half of
    /// one, 200 two. A component that has had its share waits. Without it, there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("examples" = [50]))]
    pub cpu_limit: Option<u32>,
    /// Serves HTTPS with the certificate in this PEM file, relative to the project folder; certificates
    /// of intermediate authorities follow it. Needs `tls_key_path`. Read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["certs/cert.pem"]))]
    pub tls_cert_path: Option<String>,
    /// The private key of the certificate, a PEM file without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["certs/key.pem"]))]
    pub tls_key_path: Option<String>,
    /// Requires a certificate of every client, issued by an authority in this PEM file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["certs/ca.pem"]))]
    pub tls_ca_path: Option<String>,
    /// Whether there is a page for browsers of this machine that shows what happens in the loop: requests, builds,
    /// data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub console: Option<bool>,
    /// Provides `wasi:webgpu`. Not supported yet.
    pub wasi_webgpu: bool,
    /// A NATS server for the capabilities that can use one: messages go through it, key-value data
    /// and blobs are kept there unless another key says where, and entries of `host_interfaces` use
    /// it that ask for NATS without a `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["nats://127.0.0.1:4222"]))]
    pub data_nats_url: Option<String>,
    /// A NATS server that carries the messages of the loop: `nats://` or `tls://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["nats://127.0.0.1:4222"]))]
    pub wasmcloud_messaging_nats_url: Option<String>,
    /// A folder that keeps the key-value data of the loop across restarts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [".wash/keyvalue"]))]
    pub wasi_keyvalue_path: Option<String>,
    /// A NATS server that keeps the key-value data of the loop: `nats://` or `tls://`, several of a
    /// cluster with commas between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["nats://127.0.0.1:4222"]))]
    pub wasi_keyvalue_nats_url: Option<String>,
    /// A Redis server that keeps the key-value data of the loop: `redis://` or `rediss://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["redis://127.0.0.1:6379"]))]
    pub wasi_keyvalue_redis_url: Option<String>,
    /// A folder that keeps the blobs of the loop across restarts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [".wash/blobstore"]))]
    pub wasi_blobstore_path: Option<String>,
    /// A NATS server that keeps the blobs of the loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["nats://127.0.0.1:4222"]))]
    pub wasi_blobstore_nats_url: Option<String>,
    /// A bucket that keeps the blobs of the loop: `s3://bucket/folder`, `gs://bucket`,
    /// `az://container`. How to get there is said by variables of the environment, such as
    /// `AWS_ACCESS_KEY_ID` and `AWS_ENDPOINT_URL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["s3://my-bucket/dev"]))]
    pub wasi_blobstore_url: Option<String>,
    /// The PostgreSQL database of `wasmcloud:postgres`, for components that have no entry of their own:
    /// `postgres://user:password@host:port/database`, with `sslmode`, `sslrootcert`, `pool_size`,
    /// `statement_timeout` and others as parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["postgres://shop:${DB_PASSWORD}@127.0.0.1:5432/shop"]))]
    pub postgres_url: Option<String>,
}

/// One more component of the workload: a file, or a project with a build of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DevComponent {
    /// What the component is called in messages; unique in the workload.
    #[schemars(extend("examples" = ["worker"]))]
    pub name: String,
    /// A component file, relative to the project folder. It is watched. One of `file` and
    /// `project` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["../worker/worker.wasm"]))]
    pub file: Option<String>,
    /// A project folder, relative to this one. It is built, watched and rebuilt on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["../worker"]))]
    pub project: Option<String>,
    /// Environment variables of this component.
    #[serde(default)]
    #[schemars(extend("examples" = [{"LOG_LEVEL": "debug"}]))]
    pub environment: BTreeMap<String, String>,
    /// Files of `KEY=value` lines with more environment variables of this component.
    #[serde(default)]
    #[schemars(extend("examples" = [[".env"]]))]
    pub env_files: Vec<String>,
    /// What this component reads through `wasi:config`, beside its environment.
    #[serde(default)]
    #[schemars(extend("examples" = [{"greeting": "hello"}]))]
    pub config: BTreeMap<String, String>,
    /// What this component reads through `wasmcloud:secrets`.
    #[serde(default)]
    #[schemars(extend("examples" = [{"api-key": "${API_KEY}"}]))]
    pub secrets: BTreeMap<String, String>,
    /// Files with more of these.
    #[serde(default)]
    #[schemars(extend("examples" = [{"signing-key": "keys/signing.pem"}]))]
    pub secret_files: BTreeMap<String, String>,
    /// Folders of this machine that only this component may use, beside those of `dev.volumes`.
    #[serde(default)]
    pub volumes: Vec<Volume>,
    /// Hosts that this component may connect to, e.g. `api.example.com`, `*.example.com`,
    /// `https://api.example.com:8443`, `10.0.0.0/8`. Empty: every public host.
    #[serde(default)]
    #[schemars(extend("examples" = [["api.example.com", "*.example.com"]]))]
    pub allowed_hosts: Vec<String>,
    /// Whether this component may connect to addresses in private networks that `allowed_hosts`
    /// does not name.
    #[serde(default)]
    pub allow_private_networks: bool,
    /// Ports of this machine's own loopback that this component may connect to, as `127.0.0.1` or
    /// `localhost`.
    #[serde(default)]
    #[schemars(extend("examples" = [[5432]]))]
    pub allowed_host_loopback_ports: Vec<u64>,
    /// Names that this component may look up through `wasi:sockets`, e.g. `db.example.com` or
    /// `*.example.com`. `wasi:http` needs none of these.
    #[serde(default)]
    #[schemars(extend("examples" = [["db.example.com"]]))]
    pub allowed_ip_name_lookups: Vec<String>,
}

/// A folder of this machine that components may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The folder on this machine, relative to the project folder.
    #[schemars(extend("examples" = ["data"]))]
    pub host_path: String,
    /// The folder's path inside the components, absolute.
    #[schemars(extend("examples" = ["/data"]))]
    pub guest_path: String,
    /// Whether components may only read it.
    #[serde(default)]
    pub read_only: bool,
}

/// Configuration of interfaces that the host provides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostInterface {
    /// The namespace, e.g. `wasmcloud`.
    #[schemars(extend("examples" = ["wasmcloud"]))]
    pub namespace: String,
    /// The package, e.g. `messaging`.
    #[schemars(extend("examples" = ["messaging"]))]
    pub package: String,
    /// The interfaces of the package, e.g. `handler`. Empty: all.
    #[serde(default)]
    #[schemars(extend("examples" = [["handler"]]))]
    pub interfaces: Vec<String>,
    /// The version of the package, e.g. `0.2.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["0.2.0"]))]
    pub version: Option<String>,
    /// Settings of the capability, e.g. `subscriptions: "tasks.>"` for messaging. Write `${NAME}` for
    /// what is secret.
    #[serde(default)]
    #[schemars(extend("examples" = [{"subscriptions": "tasks.>"}]))]
    pub config: BTreeMap<String, String>,
    /// The identifier that a component opens, or the name under which it imports the interface, to get
    /// what this entry configures. Needed for each entry where a package has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["orders"]))]
    pub name: Option<String>,
}

/// WIT dependencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Wit {
    /// Registries to ask for WIT packages, in this order, before those that are well known. What the
    /// configuration of `wkg` maps to a registry is only asked for there.
    pub registries: Vec<WitRegistry>,
    /// Never fetches WIT dependencies before a build.
    pub skip_fetch: bool,
    /// The folder of the project's WIT files, relative to the project folder.
    pub wit_dir: String,
    /// Where single packages come from, whatever else has them: a folder (relative to the project), the
    /// URL of a `.tar.gz`, a Git URL (`git+https://…`, `….git`, with `#branch`, `#tag` or `#commit`), or
    /// `oci://host/repository:tag`.
    #[schemars(extend("examples" = [{"wasi:http": "https://github.com/WebAssembly/wasi-http/archive/refs/tags/v0.2.0.tar.gz"}]))]
    pub sources: BTreeMap<String, String>,
}

impl Default for Wit {
    fn default() -> Self {
        Wit { registries: Vec::new(), skip_fetch: false, wit_dir: DEFAULT_WIT_DIR.into(), sources: BTreeMap::new() }
    }
}

/// A registry of WIT packages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WitRegistry {
    /// Where the registry answers: `https://host[:port]`, with the path in front of its packages if it
    /// has one. `http://` only where somebody means it.
    #[schemars(extend("examples" = ["https://registry.example.com"]))]
    pub url: String,
    /// What to authenticate with: `user:password`, or a token alone. Write `${NAME}` and keep the secret in the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${REGISTRY_TOKEN}"]))]
    pub token: Option<String>,
}
