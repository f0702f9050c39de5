//! Release records: what Helm stores of every revision, so that its command line and we read each other's releases.
//!
//! A [`Record`] is Helm v4.3.1's release JSON (`pkg/release/v1`). It is stored gzipped and base64-encoded under one key
//! of a Secret ([`encode`], [`decode`], [`secret`]). A record is written as pending before the first object is touched
//! and then moves through its life by the transitions in [`Record`]; with the runs of its hooks it is the journal from
//! which an interrupted operation resumes. Which revisions of a release to keep, and which of them is deployed, is
//! decided from their numbers and statuses alone ([`Revision`]).

mod chart;
mod comparison;
mod encoding;
mod history;
mod hook;
mod lifecycle;
mod memo;
mod record;
pub mod secret;
mod status;
mod time;

pub use chart::StoredChart;
pub use comparison::Documents;
pub use encoding::{DecodeError, EncodeError, Omitted, Packed, decode, decode_json, encode, pack, unpack};
pub use history::{Revision, current, deployed, last, surplus};
pub use hook::{Execution, Hook, Phase, Progress};
pub use lifecycle::Content;
pub use record::{ApplyMethod, Info, Record};
pub use status::Status;
