//! Content on its way from a server.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use crate::plugins::blobstore::backend::Chunks;

/// How many pieces are read ahead of the guest.
const AHEAD: usize = 2;
/// How long the server may take for one piece.
const PIECE: Duration = Duration::from_secs(15);

/// Splits a stream in two: chunks for the guest, and the work that moves them there, which belongs on
/// the runtime of the connection. The work ends when the guest has stopped to read.
pub fn pump(content: impl Stream<Item = Result<Bytes, String>> + Send + 'static) -> (Chunks, BoxFuture<'static, ()>) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let work = async move {
        let mut content = std::pin::pin!(content);
        // Room first: what the guest does not want yet is not asked for.
        while let Ok(room) = sender.reserve().await {
            let chunk = match tokio::time::timeout(PIECE, content.next()).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return,
                Err(_) => Err(format!("the content did not go on within {} seconds", PIECE.as_secs())),
            };
            let failed = chunk.is_err();
            room.send(chunk);
            if failed {
                return;
            }
        }
    };
    let chunks = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    (chunks.boxed(), Box::pin(work))
}
