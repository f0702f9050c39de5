//! Paths as Go's `path/filepath` has them in messages: absolute and without `.` and `..`.

use std::path::{Component, Path, PathBuf};

/// The absolute form of a path, `.` and `..` resolved by text alone.
pub(super) fn absolute(path: &str) -> PathBuf {
    let joined = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    clean(&joined)
}

/// The path without `.` and `..`.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match cleaned.components().next_back() {
                Some(Component::Normal(_)) => drop(cleaned.pop()),
                Some(Component::RootDir) => {}
                _ => cleaned.push(".."),
            },
            other => cleaned.push(other),
        }
    }
    if cleaned.as_os_str().is_empty() { PathBuf::from(".") } else { cleaned }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_by_text() {
        for (path, expected) in [("/a/./b/../c/", "/a/c"), ("/../a", "/a"), ("a/..", "."), ("../a//b", "../a/b")] {
            assert_eq!(clean(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
