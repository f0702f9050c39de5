//! One plain HTTP request to a server on loopback.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Gets a path from `host:port`.
///
/// # Errors
/// When nothing answers within five seconds.
pub fn get(address: &str, path: &str) -> Result<Answer> {
    ask(address, &format!("GET {path}"), "")
}

/// Posts JSON to a path of `host:port`.
///
/// # Errors
/// As [`get`].
pub fn post(address: &str, path: &str, body: &str) -> Result<Answer> {
    ask(address, &format!("POST {path}"), body)
}

fn ask(address: &str, what: &str, body: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let length = body.len();
    write!(
        stream,
        "{what} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
    let status = head.split_whitespace().nth(1).context("the answer has no status")?.parse()?;
    Ok(Answer { status, body: body.to_owned() })
}
