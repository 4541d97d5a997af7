//! The file under an embedded store: whose it is, and what it means to be durable.

use super::{Durability, StoreError};
use redb::StorageBackend;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The only modes that let nobody else in.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A file that a database is in.
#[derive(Debug)]
pub(super) struct Backing {
    file: File,
    durability: Durability,
}

impl Backing {
    /// Opens the file for this process alone, or makes an empty one. Its directory is made too, if only
    /// that is missing.
    pub(super) fn open(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let failed = |error| StoreError::Io {
            path: path.to_owned(),
            error,
        };
        if let Some(directory) = path.parent() {
            let failed = |error| StoreError::Io {
                path: directory.to_owned(),
                error,
            };
            match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(error));
                }
                _ => {}
            }
            let found = std::fs::metadata(directory).map_err(failed)?;
            closed_to_others(directory, found.mode(), DIRECTORY_MODE)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            // Not through a link that somebody has put there.
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
            .open(path)
            .map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        closed_to_others(path, found.mode(), FILE_MODE)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, durability }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Whether a mode lets only the owner in.
fn closed_to_others(path: &Path, mode: u32, wanted: u32) -> Result<(), StoreError> {
    let mode = mode & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(StoreError::Open {
        path: path.to_owned(),
        mode,
        wanted,
    })
}

impl StorageBackend for Backing {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    /// What was written is the kernel's, and stays when the process ends. Only a loss of power needs the
    /// disk to have it.
    fn sync_data(&self) -> io::Result<()> {
        match self.durability {
            Durability::Process => Ok(()),
            Durability::PowerLoss => self.file.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
}
