//! Compressed lists of files, remembered as long as a chart in memory has them.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::chart::Files;
use super::encoding::{gzip, json};
use crate::chart::File;

/// A list and its gzip member.
type Remembered = (Weak<[File]>, Arc<[u8]>);

/// The list's JSON as a gzip member.
pub(super) fn compressed(files: &Arc<[File]>) -> io::Result<Arc<[u8]>> {
    static MEMO: Mutex<Vec<Remembered>> = Mutex::new(Vec::new());
    let lock = || MEMO.lock().unwrap_or_else(PoisonError::into_inner);
    let this = Arc::downgrade(files);
    if let Some((_, member)) = lock().iter().find(|(list, _)| list.ptr_eq(&this)) {
        return Ok(Arc::clone(member));
    }
    let member: Arc<[u8]> = gzip(&json(&Files(files))?)?.into();
    let mut memo = lock();
    memo.retain(|(list, _)| list.strong_count() > 0);
    memo.push((this, Arc::clone(&member)));
    Ok(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Arc<[File]> {
        Arc::new([File { name: "README.md".to_owned(), data: b"read me".to_vec().into(), modified: None }])
    }

    #[test]
    fn a_list_is_compressed_once_and_an_equal_one_on_its_own() -> io::Result<()> {
        let (first, second) = (files(), files());
        let member = compressed(&first)?;
        assert!(Arc::ptr_eq(&member, &compressed(&Arc::clone(&first))?));
        assert!(!Arc::ptr_eq(&member, &compressed(&second)?));
        Ok(())
    }
}
