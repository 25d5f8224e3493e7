//! Content on its way from a guest.
//!
//! The value and its stream share the content: the guest may end the value while it still has the
//! stream, and drop either first.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::backend::{Backend, ObjectId, Upload};
use super::backends::spool::Spool;

/// How much the guest may write in one go, in bytes.
const PERMIT: usize = 64 << 10;
/// How much of collected content goes to its backend in one go, in bytes.
const PIECE: usize = 1 << 20;

/// The guest's `outgoing-value`. Dropped before it is finished, it leaves nothing.
#[derive(Default)]
pub struct OutgoingValue {
    /// What it will be.
    target: Option<Target>,
    body: Option<Arc<Body>>,
}

struct Target {
    object: ObjectId,
    backend: Arc<dyn Backend>,
    /// The largest object there, in bytes.
    max_object: Option<u64>,
}

impl OutgoingValue {
    /// Returns the stream to write to, the first time. The content goes to `backend` right away; with
    /// several, of which nobody knows yet which it will be, it is collected first.
    pub async fn write_body(
        &mut self,
        backend: Option<&Arc<dyn Backend>>,
    ) -> Result<Option<impl OutputStream + use<>>, String> {
        if self.body.is_some() {
            return Ok(None);
        }
        let place = match backend {
            Some(backend) => Place::Upload(backend.upload().await?),
            None => Place::Spool(Spool::default()),
        };
        let body = Arc::new(Body { state: Mutex::new(State::Idle(Begun { place, size: 0, most: None })) });
        if let Some(target) = &self.target {
            body.limit(target.max_object);
        }
        self.body = Some(body.clone());
        Ok(Some(Writer { body }))
    }

    /// Says which object it will be. Fails the second time.
    pub fn name(
        &mut self,
        object: ObjectId,
        backend: &Arc<dyn Backend>,
        max_object: Option<u64>,
    ) -> Result<(), String> {
        if let Some(Target { object: earlier, .. }) = &self.target {
            return Err(format!("the value has already been named: it will be the object `{}`", earlier.name));
        }
        if let Some(body) = &self.body {
            body.limit(max_object);
        }
        self.target = Some(Target { object, backend: backend.clone(), max_object });
        Ok(())
    }

    /// The container that it was named for.
    pub fn container(&self) -> Option<Arc<str>> {
        self.target.as_ref().map(|target| target.object.container.name.clone())
    }

    /// Makes an object of what was written.
    pub async fn finish(mut self) -> Result<(), String> {
        let target = self.target.take();
        let begun = match self.body.take() {
            Some(body) => Some(body.end().await?),
            None => None,
        };
        let Target { object, backend, max_object } =
            target.ok_or("the value has no name: call write-data before finish")?;
        let upload = match begun {
            Some(Begun { size, .. }) if fits(size, max_object).is_err() => return fits(size, max_object),
            Some(Begun { place: Place::Upload(upload), .. }) => upload,
            Some(Begun { place: Place::Spool(spool), .. }) => {
                let (mut content, mut upload) = (spool.read().await?, backend.upload().await?);
                loop {
                    let piece = content.next(PIECE).await?;
                    if piece.is_empty() {
                        break upload;
                    }
                    upload.write(piece).await?;
                }
            }
            None => backend.upload().await?,
        };
        upload.commit(object).await
    }
}

/// Fails when an object is larger than the operator wants it.
pub fn fits(size: u64, most: Option<u64>) -> Result<(), String> {
    match most {
        Some(most) if size > most => Err(format!("an object may have at most {} MiB here", most >> 20)),
        _ => Ok(()),
    }
}

impl Drop for OutgoingValue {
    fn drop(&mut self) {
        if let Some(body) = &self.body {
            *body.lock() = State::Closed;
        }
    }
}

struct Body {
    state: Mutex<State>,
}

enum State {
    /// Ready for the next write.
    Idle(Begun),
    /// A write is under way; whoever waits for the stream drives it.
    Writing(BoxFuture<'static, (Begun, Result<(), String>)>),
    /// A write failed, for good. The guest's stream has been told of it or not.
    Failed { message: String, told: bool },
    /// The value was finished or dropped.
    Closed,
}

/// Content that was begun.
struct Begun {
    place: Place,
    size: u64,
    /// How large it may be, once that is known.
    most: Option<u64>,
}

/// Where content goes.
enum Place {
    Upload(Box<dyn Upload>),
    Spool(Spool),
}

impl Begun {
    async fn write(&mut self, bytes: Bytes) -> Result<(), String> {
        self.size += bytes.len() as u64;
        fits(self.size, self.most)?;
        match &mut self.place {
            Place::Upload(upload) => upload.write(bytes).await,
            Place::Spool(spool) => spool.write(bytes).await,
        }
    }
}

impl Body {
    /// Bounds what is written from now on. A write that is under way is looked at in the end.
    fn limit(&self, most: Option<u64>) {
        if let State::Idle(begun) = &mut *self.lock() {
            begun.most = most;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives the write that is under way.
    fn poll_write(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if let State::Writing(writing) = &mut *state {
            match std::task::ready!(writing.poll_unpin(cx)) {
                (begun, Ok(())) => *state = State::Idle(begun),
                (_, Err(message)) => *state = State::Failed { message, told: false },
            }
        }
        Poll::Ready(())
    }

    /// Ends the content and returns it, when all of it has arrived.
    async fn end(&self) -> Result<Begun, String> {
        poll_fn(|cx| self.poll_write(cx)).await;
        match std::mem::replace(&mut *self.lock(), State::Closed) {
            State::Idle(begun) => Ok(begun),
            State::Failed { message, .. } => Err(message),
            State::Writing(_) | State::Closed => Err("the value was ended twice".into()),
        }
    }
}

struct Writer {
    body: Arc<Body>,
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        poll_fn(|cx| self.body.poll_write(cx)).await;
    }
}

#[async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > self.check_write()? {
            return Err(StreamError::trap("more was written to the value than check-write allowed"));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let mut state = self.body.lock();
        match std::mem::replace(&mut *state, State::Closed) {
            State::Idle(mut begun) => {
                let writing = async move {
                    let written = begun.write(bytes).await;
                    (begun, written)
                };
                *state = State::Writing(writing.boxed());
            }
            other => *state = other,
        }
        drop(state);
        // Content that need not wait is written now.
        self.ready().now_or_never();
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // Nothing is held back here. Content is safe when the value is finished, and not before.
        self.check_write().map(|_| ())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.ready().now_or_never();
        match &mut *self.body.lock() {
            State::Idle(_) => Ok(PERMIT),
            State::Writing(_) => Ok(0),
            State::Failed { message, told: told @ false } => {
                *told = true;
                Err(StreamError::LastOperationFailed(wasmtime::Error::msg(message.clone())))
            }
            State::Failed { .. } | State::Closed => Err(StreamError::Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::backend::{ContainerId, Range};
    use super::super::backends::{file::Folder, memory::Memory};
    use super::super::incoming::IncomingValue;
    use super::*;

    fn object(name: &str) -> ObjectId {
        let workload = crate::plugins::tests::workload("default", "hello").id();
        ObjectId::new(ContainerId::new(workload, "c").unwrap(), name.into()).unwrap()
    }

    async fn backends() -> (tempfile::TempDir, Vec<Arc<dyn Backend>>) {
        let folder = tempfile::tempdir().unwrap();
        let backends: Vec<Arc<dyn Backend>> =
            vec![Arc::new(Memory::new(16 << 20)), Folder::open(folder.path()).unwrap()];
        for backend in &backends {
            backend.create_container(&object("o").container).await.unwrap();
        }
        (folder, backends)
    }

    async fn content(backend: &dyn Backend, name: &str) -> Option<Vec<u8>> {
        let content = backend.read(&object(name), Range { first: 0, last: u64::MAX }).await.ok()?;
        Some(IncomingValue::new(content).bytes().await.unwrap())
    }

    async fn write(stream: &mut impl OutputStream, bytes: &[u8]) -> StreamResult<()> {
        stream.blocking_write_and_flush(Bytes::copy_from_slice(bytes)).await
    }

    #[tokio::test]
    async fn the_object_appears_when_the_value_is_finished_with_the_stream_still_open() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            let mut stream = value.write_body(Some(&backend)).await.unwrap().unwrap();
            write(&mut stream, b"hello ").await.unwrap();
            value.name(object("o"), &backend, None).unwrap();
            write(&mut stream, b"world").await.unwrap();
            assert_eq!(content(&*backend, "o").await, None);
            value.finish().await.unwrap();
            assert_eq!(content(&*backend, "o").await.unwrap(), b"hello world");
            assert!(matches!(write(&mut stream, b"late").await, Err(StreamError::Closed)));
        }
    }

    #[tokio::test]
    async fn a_value_without_a_body_is_an_empty_object() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            value.name(object("o"), &backend, None).unwrap();
            value.finish().await.unwrap();
            assert_eq!(content(&*backend, "o").await.unwrap(), b"");
        }
    }

    #[tokio::test]
    async fn a_value_that_is_dropped_leaves_nothing_and_closes_its_stream() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            let mut stream = value.write_body(Some(&backend)).await.unwrap().unwrap();
            write(&mut stream, b"hello").await.unwrap();
            value.name(object("o"), &backend, None).unwrap();
            drop(value);
            assert_eq!(content(&*backend, "o").await, None);
            assert!(matches!(stream.check_write(), Err(StreamError::Closed)));
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_dropped_first_loses_nothing() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            let mut stream = value.write_body(Some(&backend)).await.unwrap().unwrap();
            let many = vec![7; 64 << 10];
            for _ in 0..16 {
                stream.write_ready().await.unwrap();
                stream.write(Bytes::from(many.clone())).unwrap();
            }
            drop(stream);
            value.name(object("o"), &backend, None).unwrap();
            value.finish().await.unwrap();
            assert!(content(&*backend, "o").await.unwrap() == vec![7; 1 << 20]);
        }
    }

    #[tokio::test]
    async fn a_body_is_given_out_once_and_a_value_named_once() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            assert!(value.write_body(Some(&backend)).await.unwrap().is_some());
            assert!(value.write_body(Some(&backend)).await.unwrap().is_none());
            value.name(object("o"), &backend, None).unwrap();
            let error = value.name(object("p"), &backend, None).unwrap_err();
            assert_eq!(error, "the value has already been named: it will be the object `o`");
        }
    }

    #[tokio::test]
    async fn a_value_without_a_name_cannot_be_finished() {
        let error = OutgoingValue::default().finish().await.unwrap_err();
        assert_eq!(error, "the value has no name: call write-data before finish");
    }

    #[tokio::test]
    async fn too_much_for_memory_fails_the_stream_and_the_value() {
        let backend: Arc<dyn Backend> = Arc::new(Memory::new(10));
        backend.create_container(&object("o").container).await.unwrap();
        let mut value = OutgoingValue::default();
        let mut stream = value.write_body(Some(&backend)).await.unwrap().unwrap();
        write(&mut stream, b"0123456789").await.unwrap();
        let Err(StreamError::LastOperationFailed(error)) = write(&mut stream, b"x").await else { panic!() };
        assert_eq!(error.to_string(), "an object in memory has at most 10 bytes");
        assert!(matches!(stream.check_write(), Err(StreamError::Closed)));
        value.name(object("o"), &backend, None).unwrap();
        assert_eq!(value.finish().await.unwrap_err(), "an object in memory has at most 10 bytes");
        assert_eq!(content(&*backend, "o").await, None);
    }

    #[tokio::test]
    async fn content_whose_backend_is_not_known_yet_is_collected_for_it() {
        for backend in backends().await.1 {
            for size in [5, 3 << 20] {
                let mut value = OutgoingValue::default();
                let mut stream = value.write_body(None).await.unwrap().unwrap();
                let all: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
                for piece in all.chunks(PERMIT) {
                    stream.write_ready().await.unwrap();
                    stream.write(Bytes::copy_from_slice(piece)).unwrap();
                }
                value.name(object("o"), &backend, None).unwrap();
                value.finish().await.unwrap();
                assert!(content(&*backend, "o").await.unwrap() == all);
            }
        }
    }

    #[tokio::test]
    async fn an_object_is_no_larger_than_the_operator_wants_it_whenever_it_is_named() {
        for backend in backends().await.1 {
            let large = vec![0; 48 << 10];
            for named_first in [true, false] {
                let mut value = OutgoingValue::default();
                if named_first {
                    value.name(object("o"), &backend, Some(1 << 20)).unwrap();
                }
                let mut stream = value.write_body(Some(&backend)).await.unwrap().unwrap();
                let mut refused = false;
                for _ in 0..25 {
                    refused |= write(&mut stream, &large).await.is_err();
                }
                assert_eq!(refused, named_first);
                if !named_first {
                    value.name(object("o"), &backend, Some(1 << 20)).unwrap();
                }
                assert_eq!(value.finish().await.unwrap_err(), "an object may have at most 1 MiB here");
                assert_eq!(content(&*backend, "o").await, None);
            }
        }
    }

    #[tokio::test]
    async fn a_name_in_a_container_that_has_gone_fails_the_value() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            value.name(object("o"), &backend, None).unwrap();
            backend.delete_container(&object("o").container).await.unwrap();
            assert_eq!(value.finish().await.unwrap_err(), "the container `c` does not exist");
        }
    }

    #[tokio::test]
    async fn writing_more_than_allowed_ends_the_guest() {
        let (_folder, backends) = backends().await;
        let mut value = OutgoingValue::default();
        let mut stream = value.write_body(Some(&backends[0])).await.unwrap().unwrap();
        assert!(matches!(stream.write(Bytes::from(vec![0; PERMIT + 1])), Err(StreamError::Trap(_))));
    }
}
