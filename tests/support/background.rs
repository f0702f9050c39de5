//! A server of a test on a thread of its own, on the loopback address.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running server; ends on drop.
#[derive(Debug)]
pub struct Background {
    address: SocketAddr,
    /// Dropping it ends the server's thread.
    _running: oneshot::Sender<()>,
}

impl Background {
    /// Serves at a port, or with 0 at any that is free.
    ///
    /// # Errors
    /// When it cannot be listened on.
    pub fn start<F: Future>(port: u16, serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("cannot listen")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (running, ended) = oneshot::channel();
        std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = serve(listener) => {}
                    _ = ended => {}
                }
            });
            // Not waiting for answers that are slow on purpose.
            runtime.shutdown_background();
        });
        Ok(Self { address, _running: running })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
