//! Free ports on the loopback address.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

/// Below the ports that the kernel hands to outgoing connections. Among those, a client that keeps knocking while a
/// server restarts can be given the server's own port and talk to itself.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A port that nobody listens on and that this process has not handed out before.
///
/// # Errors
/// When there is none.
pub fn free() -> Result<u16> {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let given = given.get_or_insert_with(HashSet::new);
    // Processes that start together begin at different places.
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos();
    let offset = (nanoseconds / 1_000) ^ std::process::id().wrapping_mul(7_919);
    let size = u32::from(RANGE.end - RANGE.start);
    for step in 0..size {
        let port = RANGE.start + u16::try_from(offset.wrapping_add(step) % size)?;
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no port is free between {} and {}", RANGE.start, RANGE.end)
}
