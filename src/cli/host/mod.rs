//! `wash host`: workloads in production.

mod scheduler;
mod show;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::scheduler::SchedulerArgs;
use crate::cli::signals::Signals;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::host::access::{Access, AccessObserver};
use crate::host::builder::HostBuilder;
use crate::host::http::{HostHandler, HttpServer};
use crate::host::routers::DynamicRouter;
use crate::manifest::loader::{self, Sources};
use crate::manifest::watch::Watched;
use crate::node::admin::{Admin, AdminSocket, Health};
use crate::node::images::Images;
use crate::node::metrics::Metrics;
use crate::node::report::{Feed, Instances, Report, Watch};
use crate::node::{Folders, Node, Setup};
use crate::oci::ClientOptions;
use crate::plugins::remote::{CloudEnvironment, PostgresUrl, ServerUrl};
use crate::plugins::{InstalledOptions, blobstore, keyvalue, messaging};
use crate::runtime::engine::Engine;
use crate::runtime::http::server::ServerLimits;
use crate::runtime::http::tls::TlsFiles;
use crate::runtime::limits::Limits;
use crate::runtime::network::OutboundOptions;
use crate::runtime::observer::{Both, Observer};
use crate::runtime::tls::Trust;
use crate::scheduler::Scheduler;
use crate::telemetry::Telemetry;

/// How long the threads that still do something may take when everything has ended.
const LAST_WORK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The manifests are those that Kubernetes users apply: `Workload`, `WorkloadDeployment`, with ConfigMaps
and Secrets beside them. They are watched: what changes is replaced without losing a request. Without
manifests, or with --scheduler-nats-url, a scheduler says over NATS what is to run.")]
pub struct Args {
    /// Run the workloads of these manifests: files, folders, or - for stdin
    #[arg(long, value_name = "PATH", num_args = 1..)]
    manifest: Vec<PathBuf>,

    /// Answer HTTP requests here, e.g. 0.0.0.0:8080; a port alone is one of this machine's loopback
    #[arg(long, value_name = "ADDRESS", value_parser = address, env = "WASH_HOST_HTTP_ADDR")]
    http_addr: Option<SocketAddr>,

    /// Answer /livez, /readyz and /metrics here
    #[arg(long, value_name = "ADDRESS", value_parser = address, env = "WASH_HOST_ADMIN_ADDR")]
    admin_addr: Option<SocketAddr>,

    /// The name of this host for people
    #[arg(long, value_name = "NAME")]
    host_name: Option<String>,

    /// How long requests that run may take to finish when the host or a workload stops, e.g. 30s
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    drain_timeout: Duration,

    /// Where the host keeps what it needs while it runs [default: below wash's data folder]
    #[arg(long, value_name = "PATH", env = "WASH_HOST_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// Write a line for each request
    #[arg(long, value_name = "WHETHER", default_value_t = true, action = clap::ArgAction::Set,
          num_args = 0..=1, default_missing_value = "true")]
    access_log: bool,

    #[command(flatten, next_help_heading = "Scheduler")]
    scheduler: SchedulerArgs,

    #[command(flatten, next_help_heading = "TLS")]
    tls: TlsArgs,

    #[command(flatten, next_help_heading = "Images")]
    images: ImageArgs,

    #[command(flatten, next_help_heading = "Data")]
    data: DataArgs,

    #[command(flatten, next_help_heading = "Limits")]
    limits: LimitArgs,
}

#[derive(Debug, clap::Args)]
struct TlsArgs {
    /// Serve HTTPS with this certificate (PEM, with its intermediates); several times for several names
    #[arg(long, alias = "tls-cert-path", value_name = "FILE", requires = "tls_key", requires = "http_addr")]
    tls_cert: Vec<PathBuf>,

    /// The private key of the certificate (PEM), as many times as --tls-cert
    #[arg(long, alias = "tls-key-path", value_name = "FILE", requires = "tls_cert")]
    tls_key: Vec<PathBuf>,

    /// Only let clients in that have a certificate of one of these authorities (PEM)
    #[arg(long, alias = "tls-ca-path", value_name = "FILE", requires = "tls_cert")]
    tls_ca: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ImageArgs {
    /// Ask registries over plain HTTP, too (those of this machine always may)
    #[arg(long)]
    allow_insecure_registries: bool,

    /// How long one image may take, with all attempts
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    registry_pull_timeout: Duration,

    /// Trust the certificates of this PEM file, or of the PEM files in this folder, for registries, too
    #[arg(long, value_name = "PATH")]
    oci_ca_path: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct DataArgs {
    /// Keep key-value data, blobs and messages on this NATS server; without it they are in memory
    #[arg(long, value_name = "URL", env = "WASH_DATA_NATS_URL", hide_env_values = true)]
    data_nats_url: Option<String>,

    /// Keep key-value data on this Redis server
    #[arg(long, value_name = "URL", env = "WASH_REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,

    /// The PostgreSQL server of components that use one and name none themselves
    #[arg(long, value_name = "URL", env = "WASH_POSTGRES_URL", hide_env_values = true)]
    postgres_url: Option<String>,

    /// Let components connect to private networks that their `allowedHosts` do not name
    #[arg(long)]
    allow_private_networks: bool,
}

#[derive(Debug, clap::Args)]
struct LimitArgs {
    /// How long a component may take to answer a request
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    request_timeout: Duration,

    /// The longest body of a request, in MiB [default: any]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    request_body_limit: Option<u64>,

    /// The most memory of an instance of a component, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    memory_limit: u32,

    /// The most calls of a component at one time, unless it says another number
    #[arg(long, value_name = "COUNT", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_invocations: u32,

    /// Connections at one time; more wait
    #[arg(long, value_name = "COUNT", default_value_t = 4096, env = "WASH_MAX_CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,

    /// How long a connection may stay without a request
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "75s")]
    idle_timeout: Duration,

    /// How long the head of a request may take
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15s")]
    header_timeout: Duration,
}

pub fn run(ctx: &Context, start: &Path, args: Args, telemetry: Telemetry) -> Result<()> {
    let sources = sources(start, &args.manifest)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 4)))
        .enable_all()
        .build()
        .map_err(|error| Error::caused_by("cannot start the asynchronous runtime", &error))?;
    let (feed, showing) = Feed::start(Box::new(show::Show::new(ctx.shell.clone())))?;
    let result = runtime.block_on(serve(ctx, start, args, sources, &feed, telemetry));
    showing.finish();
    // What was abandoned, e.g. a compilation, is of no use to anybody any more.
    runtime.shutdown_timeout(if result.is_ok() { LAST_WORK } else { Duration::ZERO });
    result
}

fn sources(start: &Path, manifests: &[PathBuf]) -> Result<Sources> {
    let mut sources = Sources { base: start.to_path_buf(), ..Sources::default() };
    for path in manifests {
        if path.as_os_str() == "-" {
            sources.stdin = Some(loader::read_stdin()?);
        } else {
            sources.paths.push(start.join(path));
        }
    }
    Ok(sources)
}

async fn serve(
    ctx: &Context,
    start: &Path,
    args: Args,
    sources: Sources,
    feed: &Feed,
    telemetry: Telemetry,
) -> Result<()> {
    let mut signals = Signals::listen()?;
    let instances = Arc::new(Instances::default());
    let metrics = Arc::new(Metrics::new(instances.clone()));
    let health = Health::default();
    let with_node = Arc::new(OnceLock::new());
    let admin = match args.admin_addr {
        None => None,
        Some(address) => {
            let socket = AdminSocket::bind(address)?;
            let address = socket.address();
            let admin = Admin { health: health.clone(), metrics: metrics.clone(), node: with_node.clone() };
            let server = socket.serve(admin)?;
            feed.tell(Report::Admin { url: format!("http://{address}/"), address });
            Some(server)
        }
    };
    let access = args.scheduler.access(start, !args.manifest.is_empty())?;
    let data_dir = args.data_dir.as_ref().map_or_else(|| ctx.dirs.data.join("host"), |path| start.join(path));
    // Held until the end: the directory is this host's.
    let identity = access.as_ref().map(|_| args.scheduler.identity(&data_dir, args.data_dir.is_some())).transpose()?;
    let mut builder = HostBuilder::new()
        .with_engine(Engine::builder().with_cache_dir(ctx.dirs.cache.join("engine")).build()?)
        .with_capabilities(capabilities(&args.data, ctx)?)
        .with_outbound(OutboundOptions {
            environment: ctx.env.as_ref().clone(),
            trust: Trust::default(),
            ..OutboundOptions::default()
        })
        .with_limits(limits(&args.limits))
        .with_drain_timeout(args.drain_timeout)
        .with_observer(observer(feed, &instances, &telemetry));
    if let Some(identity) = &identity {
        builder = args.scheduler.describe(identity, builder);
    }
    if let Some(name) = &args.host_name {
        builder = builder.with_friendly_name(name);
    }
    let mut listening = None;
    let mut entrance: Option<Arc<dyn HostHandler>> = None;
    if let Some(address) = args.http_addr {
        let log = args.access_log.then(|| feed.clone());
        let server = HttpServer::new(DynamicRouter::default(), address)
            .await?
            .with_limits(server_limits(&args.limits))
            .with_access(Arc::new(Entrance { metrics: metrics.clone(), log }));
        let certificates = tls_files(start, &args.tls)?;
        let scheme = if certificates.is_empty() { "http" } else { "https" };
        let server = if certificates.is_empty() { server } else { server.with_certificates(certificates)? };
        listening = Some((format!("{scheme}://{}/", server.address()), server.address()));
        let server = Arc::new(server);
        entrance = Some(server.clone());
        builder = builder.with_http_handler(server);
    }
    let host = builder.build()?.start().await?;
    let node = Node::new(Setup {
        host,
        images: images(ctx, &args.images, feed)?,
        folders: Folders::below(&data_dir.join("volumes"))?,
        entrance,
        feed: feed.clone(),
        private_networks: args.data.allow_private_networks,
    });
    let _ = with_node.set(node.clone());
    let about = node.heartbeat().await?;
    feed.tell(Report::Started { host_id: node.id().into(), name: about.friendly_name, version: about.version });
    // Read before anything is announced: a host that cannot run what it is given says so and ends.
    let watched = if args.manifest.is_empty() { Ok(None) } else { Watched::first(sources, node.clone()).map(Some) };
    let sources = watched.and_then(|watched| {
        Ok((watched, access.map(|access| Scheduler::start(node.clone(), access, health.clone())).transpose()?))
    });
    let (watched, scheduler) = match sources {
        Ok(sources) => sources,
        Err(error) => {
            let _ = node.end().await;
            return Err(error);
        }
    };
    if let Some((url, address)) = listening {
        feed.tell(Report::Listening { url, address });
    }
    let beating = tokio::spawn({
        let (health, metrics, node) = (health.clone(), metrics.clone(), node.clone());
        async move { tokio::join!(health.beat(), metrics.keep_small(&node)) }
    });
    let mut following = tokio::spawn({
        let health = health.clone();
        async move {
            match watched {
                Some(watched) => watched.follow(move || health.set_ready()).await,
                // What the scheduler wants comes when it comes.
                None => {
                    health.set_ready();
                    std::future::pending().await
                }
            }
        }
    });
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        ended = &mut following => Err(match ended {
            Ok(()) => Error::bug("the manifests are not followed any more"),
            Err(error) => Error::bug("following the manifests ended in a panic").cause(error.to_string()),
        }),
    };
    health.set_draining();
    following.abort();
    feed.tell(Report::Draining { patience: args.drain_timeout });
    let ending = async {
        // First, so that nothing is placed here any more.
        if let Some(scheduler) = &scheduler {
            scheduler.leave().await;
        }
        let stopped = node.end().await;
        if let Some(scheduler) = scheduler {
            scheduler.end().await;
        }
        stopped
    };
    let stopped = tokio::select! {
        stopped = ending => stopped,
        () = signals.next() => Err(Error::interrupted()),
    };
    beating.abort();
    drop(admin);
    if stopped.is_ok() {
        feed.tell(Report::Ended);
    }
    // Who is asked a second time to stop does not wait for a collector.
    tokio::select! {
        _ = tokio::task::spawn_blocking(move || telemetry.end()), if stopped.is_ok() => {}
        () = signals.next(), if stopped.is_ok() => {}
        else => {}
    }
    ended.and(stopped)
}

/// Everybody who learns of requests at the entrance.
struct Entrance {
    metrics: Arc<Metrics>,
    log: Option<Feed>,
}

impl AccessObserver for Entrance {
    fn began(&self, workload: &crate::runtime::workload::WorkloadId) {
        self.metrics.began(workload);
    }

    fn ended(&self, access: Access) {
        self.metrics.ended(&access);
        if let Some(feed) = &self.log {
            feed.try_tell(Report::Request(access));
        }
    }
}

fn observer(feed: &Feed, instances: &Arc<Instances>, telemetry: &Telemetry) -> Arc<dyn Observer> {
    let watch: Arc<dyn Observer> = Arc::new(Watch::new(feed.clone(), instances.clone()));
    match telemetry.observer() {
        Some(other) => Arc::new(Both(watch, other)),
        None => watch,
    }
}

fn capabilities(args: &DataArgs, ctx: &Context) -> Result<InstalledOptions> {
    let wrong = |flag: &str| {
        let flag = flag.to_string();
        move |reason: String| Error::usage(format!("the URL of `{flag}` cannot be used")).cause(reason)
    };
    let nats = args.data_nats_url.as_deref().map(ServerUrl::nats).transpose().map_err(wrong("--data-nats-url"))?;
    let redis = args.redis_url.as_deref().map(ServerUrl::redis).transpose().map_err(wrong("--redis-url"))?;
    let postgres = args.postgres_url.as_deref().map(PostgresUrl::parse).transpose().map_err(wrong("--postgres-url"))?;
    let mut opts = InstalledOptions {
        nats_url: nats.clone(),
        postgres_url: postgres,
        cloud_environment: CloudEnvironment::of(&ctx.env),
        ..InstalledOptions::default()
    };
    if let Some(nats) = nats {
        opts.keyvalue = keyvalue::Storage::Nats(nats.clone());
        opts.blobstore = blobstore::Storage::Nats(nats.clone());
        opts.messaging = messaging::Transport::Nats(nats);
    }
    if let Some(redis) = redis {
        opts.keyvalue = keyvalue::Storage::Redis(redis);
    }
    Ok(opts)
}

fn limits(args: &LimitArgs) -> Limits {
    Limits {
        request_time: args.request_timeout,
        memory_bytes: args.memory_limit as usize * (1 << 20),
        body_bytes: args.request_body_limit.map(|megabytes| megabytes << 20),
        in_flight: args.max_invocations as usize,
        ..Limits::development()
    }
}

fn server_limits(args: &LimitArgs) -> ServerLimits {
    ServerLimits {
        connections: args.max_connections as usize,
        idle_time: args.idle_timeout,
        head_time: args.header_timeout,
        ..ServerLimits::default()
    }
}

fn tls_files(start: &Path, args: &TlsArgs) -> Result<Vec<TlsFiles>> {
    let TlsArgs { tls_cert, tls_key, tls_ca } = args;
    if tls_cert.len() != tls_key.len() {
        return Err(Error::usage(format!(
            "there are {} certificates and {} private keys",
            tls_cert.len(),
            tls_key.len()
        ))
        .hint("give --tls-key once for each --tls-cert, in the same order"));
    }
    let ca = tls_ca.as_ref().map(|path| start.join(path));
    let pairs = tls_cert.iter().zip(tls_key);
    Ok(pairs.map(|(cert, key)| TlsFiles { cert: start.join(cert), key: start.join(key), ca: ca.clone() }).collect())
}

fn images(ctx: &Context, args: &ImageArgs, feed: &Feed) -> Result<Images> {
    let mut opts = ClientOptions::from_environment(ctx.env.clone(), &ctx.dirs.cache, None)?;
    opts.offline = ctx.offline;
    for path in opts.ca_paths.iter_mut() {
        *path = ctx.absolute(&*path);
    }
    opts.ca_paths.extend(args.oci_ca_path.iter().map(|path| ctx.absolute(path)));
    Images::new(opts, args.allow_insecure_registries, args.registry_pull_timeout, feed.clone())
}

/// `127.0.0.1:8000`; a port alone, `8000` or `:8000`, is one of the loopback.
fn address(text: &str) -> std::result::Result<SocketAddr, String> {
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let wrong = "write an address and a port: 127.0.0.1:8080, or 0.0.0.0:8080 for every network";
    named.as_deref().unwrap_or(text).parse().map_err(|_| wrong.to_string())
}

/// `30s`, `500ms`, `5m`, `1h`; a number alone is seconds.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| "write a number with its unit: 30s, 500ms, 5m".to_string())?;
    let time = match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "" | "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        "h" => Duration::from_secs(number.saturating_mul(3600)),
        other => return Err(format!("`{other}` is no unit of time: ms, s, m or h")),
    };
    if time > LONGEST || time.is_zero() {
        return Err("it must be more than nothing and at most 24 hours".into());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_loopback_unless_said() {
        for (text, expected) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "127.0.0.1:8080"),
            ("localhost:1", "127.0.0.1:1"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected);
        }
        assert!(address("example.com:80").is_err());
        assert!(address("").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("30").unwrap(), Duration::from_secs(30));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("2m").unwrap(), Duration::from_secs(120));
        for wrong in ["", "s", "1d", "-1s", "0s", "25h", "1.5s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
