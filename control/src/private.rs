//! Files that hold secrets: taken only when nobody else can read or change them.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why a file is not taken: one sentence, with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// It is a directory, a pipe, or something else.
    #[error("is no regular file")]
    NoFile,
    /// Others can read or change it.
    #[error("is open to others (mode {0:04o}); `chmod 600` it")]
    Open(u32),
    /// It belongs to somebody else.
    #[error("belongs to user {0}; it must be root's or that of the user whom anchord runs as")]
    Foreign(u32),
}

/// Opens a regular file that belongs to root or to us and is open to nobody else. What is opened is
/// what was looked at: a name could change hands in between.
///
/// # Errors
/// See [`Unusable`].
pub fn open(path: &Path) -> Result<File, Unusable> {
    let unreadable = |error: std::io::Error| Unusable::Unreadable(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let status = file.metadata().map_err(unreadable)?;
    if !status.is_file() {
        return Err(Unusable::NoFile);
    }
    if status.mode() & 0o077 != 0 {
        return Err(Unusable::Open(status.mode() & 0o7777));
    }
    let us = nix::unistd::geteuid().as_raw();
    if status.uid() != 0 && status.uid() != us {
        return Err(Unusable::Foreign(status.uid()));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_others_can_read_or_change_is_not_taken() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let with = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), mode).expect("set");
            open(file.path()).map(|_| ())
        };
        assert_eq!(with(0o600), Ok(()));
        assert_eq!(with(0o400), Ok(()));
        for mode in [0o640, 0o604, 0o620, 0o644, 0o601] {
            assert_eq!(with(mode), Err(Unusable::Open(mode)));
        }
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(open(directory.path()).map(|_| ()), Err(Unusable::NoFile));
        let missing = open(Path::new("/nonexistent/secret"));
        assert!(matches!(missing, Err(Unusable::Unreadable(_))));
    }
}
