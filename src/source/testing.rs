//! A server for tests that answers each path with the bytes it is told to, over TCP or TLS, and notes the requests.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Compression, write::GzEncoder};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Answers by path; a path without one is answered with 404.
pub(super) type Answers = HashMap<String, Vec<u8>>;

/// The header, in lower case, that requests for paths must have which begin so; else the answer.
#[derive(Clone, Default)]
pub(super) struct Guard {
    pub(super) path: String,
    pub(super) header: String,
    pub(super) refusal: Vec<u8>,
}

/// A server that ends with the test's runtime.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    guard: Arc<Mutex<Option<Guard>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) async fn start(tls: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let acceptor = tls.map(acceptor).transpose()?;
        let (answers, requests) = (Arc::<Mutex<Answers>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let guard = Arc::<Mutex<Option<Guard>>>::default();
        let shared = (Arc::clone(&answers), Arc::clone(&guard), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let ((answers, guard, requests), acceptor) = (shared.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => exchange(stream, &answers, &guard, &requests).await,
                        Some(acceptor) => exchange(acceptor.accept(stream).await?, &answers, &guard, &requests).await,
                    }
                });
            }
        });
        Ok(Self { address, answers, guard, requests })
    }

    /// Answers a path with a status line's rest, headers and a body, whose length is added.
    pub(super) fn answer(&self, path: &str, status: &str, headers: &str, body: &[u8]) {
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n", body.len());
        self.answer_raw(path, [head.as_bytes(), b"Connection: close\r\n\r\n", body].concat());
    }

    /// Asks for a header.
    pub(super) fn guard(&self, guard: Guard) {
        *self.guard.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
    }

    /// Answers a path with exactly these bytes.
    pub(super) fn answer_raw(&self, path: &str, bytes: Vec<u8>) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), bytes);
    }

    /// The heads of all requests so far, in lower case.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A chart archive of one file and some more bytes.
pub(super) fn archive(name: &str, padding: usize) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let chart = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
    let files = [("Chart.yaml", chart.as_bytes()), ("padding.txt", &vec![b'x'; padding])];
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{name}/{path}"), content)?;
    }
    let mut compressed = archive.into_inner()?;
    compressed.flush()?;
    compressed.finish()
}

fn acceptor(key: &rcgen::CertifiedKey<rcgen::KeyPair>) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: &Mutex<Answers>,
    guard: &Mutex<Option<Guard>>,
    requests: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let head = head.to_lowercase();
    let guard = guard.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
    let refused = path.starts_with(&guard.path) && !head.contains(&guard.header);
    requests.lock().unwrap_or_else(PoisonError::into_inner).push(head);
    if refused {
        stream.write_all(&guard.refusal).await?;
        return stream.shutdown().await;
    }
    let answer = answers.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
    let none = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    stream.write_all(&answer.unwrap_or(none)).await?;
    stream.shutdown().await
}
