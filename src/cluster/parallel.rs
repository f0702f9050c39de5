//! Sending several requests of one operation at the same time.

use futures::future::BoxFuture;
use futures::{StreamExt, stream};

/// How many requests of one operation are underway at the same time.
const PARALLEL: usize = 8;

/// Runs futures, a bounded number at a time, and gives their results in order. They are boxed because the compiler
/// cannot prove a stream of borrowing, unboxed ones `Send` (<https://github.com/rust-lang/rust/issues/102211>).
pub(super) async fn in_parallel<'a, T: 'a>(futures: impl IntoIterator<Item = BoxFuture<'a, T>>) -> Vec<T> {
    let futures: Vec<_> = futures.into_iter().collect();
    stream::iter(futures).buffered(PARALLEL).collect().await
}
