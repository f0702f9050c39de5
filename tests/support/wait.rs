//! Waiting with a limit. Every wait in the tests goes through here, so none can hang.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The pause after the first question, and the longest: a question is mostly a program that is started, and tests that
/// ask without pause take the processor from what they wait for.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// Asks until there is an answer, soon and then less often; blocks the thread. `what` completes "gave up waiting for
/// …".
///
/// # Errors
/// When the limit has passed, or at once when `ask` fails.
pub fn until<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    let (mut pause, longest) = PAUSES;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("gave up waiting for {what} after {limit:?}");
        }
        sleep(pause);
        pause = longest.min(pause * 3 / 2);
    }
}

/// The same for asynchronous tests: asks every 50 ms, each question bounded by what is left of the limit.
///
/// # Errors
/// When the limit has passed, or at once when `ask` fails.
pub async fn until_async<T, Answer>(limit: Duration, what: &str, mut ask: impl FnMut() -> Answer) -> Result<T>
where
    Answer: Future<Output = Result<Option<T>>>,
{
    let asking = async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(limit, asking).await {
        Ok(answer) => answer,
        Err(_) => bail!("gave up waiting for {what} after {limit:?}"),
    }
}
