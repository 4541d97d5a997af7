//! The socket in the file system: taken over from a daemon that died, never from one that lives.

use nix::unistd::{Gid, Group};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{chown, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Who may use the socket: its owner and its group.
const MODE: u32 = 0o660;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// The control socket, claimed. Connections wait until [`Server::on`](super::Server::on) takes it.
/// Dropping it ends them and removes the socket.
#[derive(Debug)]
pub struct ControlSocket {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
}

impl ControlSocket {
    /// Claims `path` with mode 0660, for `group` if one is named. Whoever starts a gateway does this
    /// first: a second gateway of the same configuration then ends before it touches a port.
    ///
    /// # Errors
    /// The path is taken by a living daemon or by something that is no socket, or the file system
    /// refuses. The text says what to do.
    pub fn claim(path: &Path, group: Option<&str>) -> io::Result<Self> {
        let (listener, file) = listen(path, group)?;
        Ok(Self { listener, file })
    }
}

/// A socket's file. Dropping it removes the file, if it is still the same one.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode));
        if ours {
            // Nothing can be done about a file that will not go: the next start takes it over.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`, for the owner and for `group` alone. Nobody can connect before the
/// permissions stand: the socket does not listen until then.
fn listen(path: &Path, group: Option<&str>) -> io::Result<(UnixListener, SocketFile)> {
    let say = |what: &str, error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {what}: {error}", path.display()))
    };
    let group = group.map(find_group).transpose()?;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|error| say("cannot make its directory", error))?;
    }
    clear(path)?;
    let unmade = |error| say("cannot make the control socket", error);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(unmade)?;
    SockAddr::unix(path)
        .and_then(|address| socket.bind(&address))
        .map_err(unmade)?;
    let file = std::fs::symlink_metadata(path).map_err(unmade)?;
    let file = SocketFile {
        path: path.to_owned(),
        device: file.dev(),
        inode: file.ino(),
    };
    if let Some(group) = group {
        chown(path, None, Some(group.as_raw()))
            .map_err(|error| say("cannot give the control socket to its group", error))?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(MODE))
        .map_err(|error| say("cannot set the permissions of the control socket", error))?;
    socket.listen(BACKLOG).map_err(unmade)?;
    socket.set_nonblocking(true).map_err(unmade)?;
    Ok((std::os::fd::OwnedFd::from(socket).into(), file))
}

/// Removes what a daemon that died has left at `path`.
fn clear(path: &Path) -> io::Result<()> {
    let taken = |text: String| Err(io::Error::new(ErrorKind::AddrInUse, text));
    let shown = path.display();
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("{shown}: {error}"))),
        Ok(file) if !file.file_type().is_socket() => taken(format!(
            "{shown} is there and is not a socket; name another path for the control socket"
        )),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io::Error::new(error.kind(), format!("{shown}: {error}"))),
            Ok(_) => taken(format!(
                "another anchord answers at {shown}; stop it, or give this one a socket of its own"
            )),
        },
    }
}

/// A group by name or number.
fn find_group(name: &str) -> io::Result<Gid> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let group = Group::from_name(name).map_err(io::Error::from)?;
    group.map(|group| group.gid).ok_or_else(|| {
        let text = format!(
            "there is no group `{name}` for the control socket; create it or change socket_group"
        );
        io::Error::new(ErrorKind::NotFound, text)
    })
}
