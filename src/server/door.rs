//! The door of the API, which strangers may knock at: so many connections at a time, and none that is given no answer for
//! long, whether it says nothing or says it a byte at a time, so that they cannot take the operator's own connections
//! away.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Connections at a time; those above wait until one ends.
const CONNECTIONS: usize = 256;
/// How long a connection may be given nothing. A chart that is downloaded for an answer takes its time.
const SILENCE: Duration = Duration::from_secs(120);

/// A listener that lets so many in.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    room: Arc<Semaphore>,
    silence: Duration,
}

/// A connection that was let in.
pub(super) struct Visitor {
    stream: TcpStream,
    silence: Duration,
    patience: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Door {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self::with(listener, CONNECTIONS, SILENCE)
    }

    fn with(listener: TcpListener, connections: usize, silence: Duration) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(connections)), silence }
    }
}

impl Listener for Door {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        // Nobody closes it, so there always is a permit in the end.
        let permit = Arc::clone(&self.room).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let patience = Box::pin(tokio::time::sleep(self.silence));
        (Visitor { stream, silence: self.silence, patience, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Visitor {
    /// What came of a try to pass something, as long as there is patience.
    fn timed<T>(&mut self, context: &mut Context<'_>, tried: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if tried.is_ready() {
            return tried;
        }
        ready!(self.patience.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Visitor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.timed(context, tried)
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write(context, bytes);
        if tried.is_ready() {
            let until = Instant::now() + self.silence;
            self.patience.as_mut().reset(until);
        }
        self.timed(context, tried)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// What a visitor and the one before are given where room is for one and the one before never asks whole: it says
    /// nothing more, or a byte at a time.
    async fn after(is_talking: bool) -> anyhow::Result<(String, Vec<u8>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let door = Door::with(listener, 1, Duration::from_millis(300));
        let routes = Router::new().route("/", get(|| async { "come in" }));
        tokio::spawn(axum::serve(door, routes).into_future());

        let (mut read, mut write) = TcpStream::connect(address).await?.into_split();
        write.write_all(b"GET / HTTP/1.1\r\nX: ").await?;
        let talk = async move {
            while is_talking && write.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            write
        };
        let talk = tokio::spawn(talk);
        let mut next = TcpStream::connect(address).await?;
        next.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(30), next.read_to_string(&mut answer)).await??;
        let mut rest = Vec::new();
        let _ = read.read_to_end(&mut rest).await;
        talk.abort();
        Ok((answer, rest))
    }

    #[tokio::test]
    async fn who_never_asks_whole_makes_room_for_the_next() -> anyhow::Result<()> {
        for is_talking in [false, true] {
            let (answer, rest) = after(is_talking).await?;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("come in"), "{answer}");
            assert!(!rest.starts_with(b"HTTP/1.1 200"), "it never asked whole");
        }
        Ok(())
    }
}
