//! Gets the bytes of components: from files of this machine, and from registries through the cache.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::report::{Feed, Report};
use super::spec::{Image, ImageSpec, PullPolicy, PullSecret};
use crate::component;
use crate::error::{Context, Error, Result};
use crate::oci::{Client, ClientOptions, Credential, Freshness, Pulled, Reference};

/// Images that are fetched at one time. More would only share the same connection to the world.
const AT_ONCE: usize = 8;
/// The largest component that is read, in bytes, as for pulling.
const LARGEST: u64 = 2 << 30;

/// Fetches images, several at a time and each only once at a time.
pub struct Images {
    opts: ClientOptions,
    client: Client,
    /// Whether any registry may be asked over plain HTTP.
    insecure: bool,
    /// For one image, with all attempts.
    patience: Duration,
    room: Semaphore,
    /// Who fetches an image that somebody else fetches already waits for that, and finds it in the cache.
    turns: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    /// The bytes that somebody uses, by their digests: workloads of one image share them.
    held: Mutex<HashMap<String, Weak<[u8]>>>,
    feed: Feed,
    pulled: AtomicU64,
    failed: AtomicU64,
}

/// The bytes of a component.
#[derive(Clone)]
pub struct Fetched {
    pub bytes: Arc<[u8]>,
    pub digest: String,
}

impl Images {
    /// Pulls with these options; each image within `patience`.
    pub fn new(opts: ClientOptions, insecure: bool, patience: Duration, feed: Feed) -> Result<Self> {
        Ok(Images {
            client: Client::new(&opts)?,
            opts,
            insecure,
            patience,
            room: Semaphore::new(AT_ONCE),
            turns: Mutex::default(),
            held: Mutex::default(),
            feed,
            pulled: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// Fetches one image.
    ///
    /// Errors: the file cannot be read; the registry does not have the image, does not give it, or does
    /// not answer in time; what comes is not a component.
    pub async fn fetch(&self, image: &ImageSpec) -> Result<Fetched> {
        let fetched = match &image.image {
            Image::File(path) => {
                let (path, shown) = (path.clone(), image.image.to_string());
                let _permit = self.permit().await?;
                blocking(move || check(&shown, read(&path)?)).await?
            }
            Image::Reference(text) => self.fetch_reference(text, image).await?,
        };
        Ok(self.hold(fetched))
    }

    /// These bytes, or the same ones that somebody uses already.
    fn hold(&self, fetched: Fetched) -> Fetched {
        let mut held = self.held();
        held.retain(|_, bytes| bytes.strong_count() > 0);
        if let Some(bytes) = held.get(&fetched.digest).and_then(Weak::upgrade) {
            return Fetched { bytes, ..fetched };
        }
        held.insert(fetched.digest.clone(), Arc::downgrade(&fetched.bytes));
        fetched
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Weak<[u8]>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many images of registries were fetched, and how many could not be.
    pub fn counts(&self) -> (u64, u64) {
        (self.pulled.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    async fn fetch_reference(&self, text: &str, image: &ImageSpec) -> Result<Fetched> {
        // Held until the bytes are here: who comes next finds them.
        let turn = self.turn(text);
        let _turn = turn.lock().await;
        let _permit = self.permit().await?;
        let pulled = self.pull(text, image).await;
        let counter = if pulled.is_ok() { &self.pulled } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        let cannot = |error: Error, text: &str| error.wrap(format!("cannot get the image `{text}`"));
        let pulled = pulled.map_err(|error| cannot(error, text))?;
        let digest = pulled.layer_digest.to_string();
        if let Some(bytes) = self.held().get(&digest).and_then(Weak::upgrade) {
            return Ok(Fetched { bytes, digest });
        }
        let shown = text.to_string();
        blocking(move || {
            let bytes = pulled.bytes().map_err(|failure| cannot(failure.into(), &shown))?;
            check(&shown, bytes)
        })
        .await
    }

    async fn pull(&self, text: &str, image: &ImageSpec) -> Result<Pulled> {
        let reference = Reference::parse(text)?;
        let begun = Instant::now();
        let client = self.client_for(&reference, image)?;
        let freshness = match image.policy.for_reference(&reference) {
            PullPolicy::Always => Freshness::Check,
            _ => Freshness::Cached,
        };
        let pulling = client.pull(&reference, freshness, &self.feed);
        let pulled = tokio::time::timeout(self.patience, pulling).await.map_err(|_| {
            let seconds = self.patience.as_secs_f64();
            Error::failed(format!("cannot pull `{reference}`: it was not here within {seconds} seconds"))
                .hint("give it more time: --registry-pull-timeout 5m")
        })?;
        let pulled = pulled.map_err(|failure| {
            let error = Error::from(failure);
            match image.policy {
                PullPolicy::Never => error.hint("`imagePullPolicy: Never` uses only what was pulled before"),
                _ => error,
            }
        })?;
        self.feed.tell(Report::Pulled {
            image: reference.to_string(),
            digest: pulled.digest.to_string(),
            size: pulled.size,
            cached: pulled.cached,
            time: begun.elapsed(),
        });
        Ok(pulled)
    }

    fn client_for(&self, reference: &Reference, image: &ImageSpec) -> Result<Client> {
        let never = image.policy == PullPolicy::Never;
        if image.secret.is_none() && !never && !self.insecure {
            return Ok(self.client.clone());
        }
        let mut opts = self.opts.clone();
        opts.offline |= never;
        if self.insecure {
            opts.insecure.insert(reference.registry().to_string());
        }
        if let Some(PullSecret { username, password }) = image.secret.clone() {
            opts.credentials.give(
                reference.registry(),
                Credential::Password { username, password },
                "the workload's image pull secret",
            );
        }
        Ok(Client::new(&opts)?)
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        self.room.acquire().await.map_err(|_| Error::bug("no images are fetched any more"))
    }

    fn turn(&self, text: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(text).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(text.to_string(), Arc::downgrade(&turn));
        turn
    }
}

/// Large files and digests of them do not belong on the threads that answer.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::bug("reading an image ended in a panic").cause(error.to_string()))?
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read the image `{}`", path.display());
    let about = std::fs::metadata(path).context(cannot)?;
    if !about.is_file() {
        return Err(Error::failed(cannot()).cause("it is not a file"));
    }
    if about.len() > LARGEST {
        return Err(Error::failed(cannot()).cause(format!("it has {} bytes; at most {LARGEST} are read", about.len())));
    }
    std::fs::read(path).context(cannot)
}

fn check(image: &str, bytes: Vec<u8>) -> Result<Fetched> {
    let description = component::describe(&bytes)
        .map_err(|error| Error::failed(format!("the image `{image}` is no component")).cause(error.to_string()))?;
    if description.kind != component::Kind::Component {
        return Err(Error::failed(format!("the image `{image}` is a core module, not a component"))
            .hint("make a component of it: `wash build`, or `wasm-tools component new` with the WASI adapter"));
    }
    Ok(Fetched { digest: description.digest, bytes: bytes.into() })
}
