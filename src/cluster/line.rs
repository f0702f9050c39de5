//! A line to another cluster: its credentials may be replaced while requests and watches go on. What is sent from then
//! on goes by the new ones; a watch that is open stays until it ends, and is resumed by the new ones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::{Client, Config};

use super::client::{Cluster, ConnectError};
use super::layer;

/// The way that requests to a cluster take at present.
#[derive(Clone)]
pub struct Line {
    present: Arc<Mutex<Client>>,
}

impl Line {
    /// A handle on the API server that `config` names, and the line to it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The configuration gives no client.
    pub fn connect(config: Config, request_timeout: Duration) -> Result<(Cluster, Self), ConnectError> {
        let client = client(config)?;
        let line = Self { present: Arc::new(Mutex::new(client.clone())) };
        let present = line.clone();
        let switched = layer::over(client, move |_, request| {
            let client = present.present();
            async move { client.send(request).await }
        });
        Ok((Cluster::over(switched, request_timeout), line))
    }

    /// Sends by another configuration from now on, for the same API server.
    ///
    /// # Errors
    /// The configuration gives no client; everything stays as it is.
    pub fn replace(&self, config: Config) -> Result<(), ConnectError> {
        *self.present.lock().unwrap_or_else(PoisonError::into_inner) = client(config)?;
        Ok(())
    }

    fn present(&self) -> Client {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn client(mut config: Config) -> Result<Client, ConnectError> {
    // It would also repeat a create whose outcome is unknown.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| ConnectError::Configuration(Box::new(error)))
}
