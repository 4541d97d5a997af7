//! Secrets in files: read only from files that nobody else can read, never printed.

use crate::private;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// Octets that a secret may have; RADIUS servers take no longer ones either.
const LONGEST: usize = 256;

/// A secret shared with a peer. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a file gives no secret: one sentence, with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Somebody else can read it, or nobody.
    #[error(transparent)]
    File(#[from] private::Unusable),
    /// There is nothing in it, or too much.
    #[error("holds no secret; write 1 to 256 octets in one line")]
    Content,
}

impl Secret {
    /// A secret of these octets.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// Reads a secret: the first line of a regular file that belongs to root or to us and is open to
    /// nobody else.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub fn read(path: &Path) -> Result<Self, Unusable> {
        let mut file = private::open(path)?;
        let mut octets = Vec::new();
        let most = LONGEST as u64 + 2;
        file.by_ref()
            .take(most)
            .read_to_end(&mut octets)
            .map_err(|error| private::Unusable::Unreadable(error.to_string()))?;
        while octets.last().is_some_and(|last| b"\r\n".contains(last)) {
            octets.pop();
        }
        let one_line = !octets.contains(&b'\n');
        match (1..=LONGEST).contains(&octets.len()) && one_line {
            true => Ok(Self(octets)),
            false => Err(Unusable::Content),
        }
    }

    /// The octets, for what computes with them.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(content: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("written");
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(file.path(), mode).expect("set");
        file
    }

    #[test]
    fn the_line_of_a_private_file_is_the_secret() {
        let secret = Secret::read(file("quite secret\n", 0o600).path());
        assert_eq!(secret, Ok(Secret::new("quite secret")));
        assert_eq!(format!("{:?}", secret.expect("read")), "Secret(..)");
    }

    #[test]
    fn what_others_can_read_is_no_secret() {
        let read = Secret::read(file("secret\n", 0o640).path());
        let open = private::Unusable::Open(0o640);
        assert_eq!(read, Err(Unusable::File(open)));
        let long = "x".repeat(257);
        for content in ["", "\n", "two\nlines\n", &long] {
            assert_eq!(
                Secret::read(file(content, 0o600).path()),
                Err(Unusable::Content)
            );
        }
        let missing = Secret::read(Path::new("/nonexistent/secret"));
        assert!(matches!(missing, Err(Unusable::File(_))));
    }
}
