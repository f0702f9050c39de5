//! A body that is read while it arrives, by what waits for files and for the processor.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::{Receiver, channel};

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
pub(super) async fn pass<T: Send + 'static>(
    mut incoming: Incoming<'_>,
    read: impl FnOnce(Arriving) -> T + Send + 'static,
) -> Result<T, SourceError> {
    let (sender, parts) = channel(WAITING);
    let reading = tokio::task::spawn_blocking(move || read(Arriving { parts, part: Bytes::new() }));
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
