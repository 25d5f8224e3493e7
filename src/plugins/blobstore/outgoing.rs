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

/// How much the guest may write in one go, in bytes.
const PERMIT: usize = 64 << 10;

/// The guest's `outgoing-value`. Dropped before it is finished, it leaves nothing.
#[derive(Default)]
pub struct OutgoingValue {
    /// What it will be.
    target: Option<ObjectId>,
    body: Option<Arc<Body>>,
}

impl OutgoingValue {
    /// Returns the stream to write to, the first time.
    pub async fn write_body(&mut self, backend: &dyn Backend) -> Result<Option<impl OutputStream + use<>>, String> {
        if self.body.is_some() {
            return Ok(None);
        }
        let body = Arc::new(Body { state: Mutex::new(State::Idle(backend.upload().await?)) });
        self.body = Some(body.clone());
        Ok(Some(Writer { body }))
    }

    /// Says which object it will be. Fails the second time.
    pub fn name(&mut self, object: ObjectId) -> Result<(), String> {
        if let Some(earlier) = &self.target {
            return Err(format!("the value has already been named: it will be the object `{}`", earlier.name));
        }
        self.target = Some(object);
        Ok(())
    }

    /// Makes an object of what was written.
    pub async fn finish(mut self, backend: &dyn Backend) -> Result<(), String> {
        let target = self.target.take();
        let upload = match self.body.take() {
            Some(body) => body.end().await?,
            None => backend.upload().await?,
        };
        let target = target.ok_or("the value has no name: call write-data before finish")?;
        upload.commit(target).await
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
    Idle(Box<dyn Upload>),
    /// A write is under way; whoever waits for the stream drives it.
    Writing(BoxFuture<'static, (Box<dyn Upload>, Result<(), String>)>),
    /// A write failed, for good. The guest's stream has been told of it or not.
    Failed { message: String, told: bool },
    /// The value was finished or dropped.
    Closed,
}

impl Body {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives the write that is under way.
    fn poll_write(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if let State::Writing(writing) = &mut *state {
            match std::task::ready!(writing.poll_unpin(cx)) {
                (upload, Ok(())) => *state = State::Idle(upload),
                (_, Err(message)) => *state = State::Failed { message, told: false },
            }
        }
        Poll::Ready(())
    }

    /// Ends the content and returns it, when all of it has arrived.
    async fn end(&self) -> Result<Box<dyn Upload>, String> {
        poll_fn(|cx| self.poll_write(cx)).await;
        match std::mem::replace(&mut *self.lock(), State::Closed) {
            State::Idle(upload) => Ok(upload),
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
            State::Idle(mut upload) => {
                let writing = async move {
                    let written = upload.write(bytes).await;
                    (upload, written)
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
            vec![Arc::new(Memory::new(1 << 20)), Folder::open(folder.path()).unwrap()];
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
            let mut stream = value.write_body(&*backend).await.unwrap().unwrap();
            write(&mut stream, b"hello ").await.unwrap();
            value.name(object("o")).unwrap();
            write(&mut stream, b"world").await.unwrap();
            assert_eq!(content(&*backend, "o").await, None);
            value.finish(&*backend).await.unwrap();
            assert_eq!(content(&*backend, "o").await.unwrap(), b"hello world");
            assert!(matches!(write(&mut stream, b"late").await, Err(StreamError::Closed)));
        }
    }

    #[tokio::test]
    async fn a_value_without_a_body_is_an_empty_object() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            value.name(object("o")).unwrap();
            value.finish(&*backend).await.unwrap();
            assert_eq!(content(&*backend, "o").await.unwrap(), b"");
        }
    }

    #[tokio::test]
    async fn a_value_that_is_dropped_leaves_nothing_and_closes_its_stream() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            let mut stream = value.write_body(&*backend).await.unwrap().unwrap();
            write(&mut stream, b"hello").await.unwrap();
            value.name(object("o")).unwrap();
            drop(value);
            assert_eq!(content(&*backend, "o").await, None);
            assert!(matches!(stream.check_write(), Err(StreamError::Closed)));
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_dropped_first_loses_nothing() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            let mut stream = value.write_body(&*backend).await.unwrap().unwrap();
            let many = vec![7; 64 << 10];
            for _ in 0..16 {
                stream.write_ready().await.unwrap();
                stream.write(Bytes::from(many.clone())).unwrap();
            }
            drop(stream);
            value.name(object("o")).unwrap();
            value.finish(&*backend).await.unwrap();
            assert!(content(&*backend, "o").await.unwrap() == vec![7; 1 << 20]);
        }
    }

    #[tokio::test]
    async fn a_body_is_given_out_once_and_a_value_named_once() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            assert!(value.write_body(&*backend).await.unwrap().is_some());
            assert!(value.write_body(&*backend).await.unwrap().is_none());
            value.name(object("o")).unwrap();
            let error = value.name(object("p")).unwrap_err();
            assert_eq!(error, "the value has already been named: it will be the object `o`");
        }
    }

    #[tokio::test]
    async fn a_value_without_a_name_cannot_be_finished() {
        for backend in backends().await.1 {
            let error = OutgoingValue::default().finish(&*backend).await.unwrap_err();
            assert_eq!(error, "the value has no name: call write-data before finish");
        }
    }

    #[tokio::test]
    async fn too_much_for_memory_fails_the_stream_and_the_value() {
        let memory = Memory::new(10);
        memory.create_container(&object("o").container).await.unwrap();
        let mut value = OutgoingValue::default();
        let mut stream = value.write_body(&memory).await.unwrap().unwrap();
        write(&mut stream, b"0123456789").await.unwrap();
        let Err(StreamError::LastOperationFailed(error)) = write(&mut stream, b"x").await else { panic!() };
        assert_eq!(error.to_string(), "an object in memory has at most 10 bytes");
        assert!(matches!(stream.check_write(), Err(StreamError::Closed)));
        value.name(object("o")).unwrap();
        assert_eq!(value.finish(&memory).await.unwrap_err(), "an object in memory has at most 10 bytes");
        assert_eq!(content(&memory, "o").await, None);
    }

    #[tokio::test]
    async fn a_name_in_a_container_that_has_gone_fails_the_value() {
        for backend in backends().await.1 {
            let mut value = OutgoingValue::default();
            value.name(object("o")).unwrap();
            backend.delete_container(&object("o").container).await.unwrap();
            assert_eq!(value.finish(&*backend).await.unwrap_err(), "the container `c` does not exist");
        }
    }

    #[tokio::test]
    async fn writing_more_than_allowed_ends_the_guest() {
        let (_folder, backends) = backends().await;
        let mut value = OutgoingValue::default();
        let mut stream = value.write_body(&*backends[0]).await.unwrap().unwrap();
        assert!(matches!(stream.write(Bytes::from(vec![0; PERMIT + 1])), Err(StreamError::Trap(_))));
    }
}
