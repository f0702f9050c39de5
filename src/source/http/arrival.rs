//! A body that is read while it arrives, by what waits for files and for the processor.
//!
//! The reader has a thread of its own as long as the body lasts. Those of the runtime's pool are few, renders and records
//! need them, and a server that begins an answer and goes no further would keep one until its time is over.

use std::io::{self, Read};
use std::thread;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::oneshot;

use crate::source::SourceError;
use crate::source::address::shown;
use crate::source::transport::Incoming;

/// Parts that wait to be read.
const WAITING: usize = 8;

/// A body, as it arrives.
pub(super) struct Arriving {
    parts: Receiver<io::Result<Bytes>>,
    part: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.part = part?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.part.len());
        self.part.split_to(length).copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Passes a body on to a reader that runs beside; gives what that has made of it.
///
/// # Errors
/// The body does not arrive whole, or there is no thread for the reader.
pub(super) async fn pass<T: Send + 'static>(
    mut incoming: Incoming<'_>,
    read: impl FnOnce(Arriving) -> T + Send + 'static,
) -> Result<T, SourceError> {
    let (sender, parts) = channel(WAITING);
    let (made, reading) = oneshot::channel();
    // Where nobody waits for it any more, what was read is dropped.
    let work = move || drop(made.send(read(Arriving { parts, part: Bytes::new() })));
    // Without a thread the work is dropped, and the reading is interrupted.
    let _ = thread::Builder::new().name("arrival".to_owned()).spawn(work);
    let passed = loop {
        match incoming.chunk().await {
            Ok(None) => break Ok(()),
            // Who reads no more says why.
            Ok(Some(part)) => {
                if sender.send(Ok(part)).await.is_err() {
                    break Ok(());
                }
            }
            Err(error) => {
                let _ = sender.send(Err(io::ErrorKind::BrokenPipe.into())).await;
                break Err(error);
            }
        }
    };
    drop(sender);
    let url = || shown(&incoming.answer.url);
    let made = reading.await.map_err(|_| SourceError::Interrupted { url: url() })?;
    passed.map(|()| made)
}
