//! Where connections come from.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::time::{Instant, sleep};

use crate::config::Server;

/// How long a start waits for the address of an earlier daemon that is just ending, as it does for its data folder.
const PORT_PATIENCE: Duration = Duration::from_secs(3);

/// How many connections may wait to be accepted: one that finds no room is tried again by its system after a second.
const BACKLOG: u32 = 4096;

/// The open doors.
#[derive(Debug)]
pub struct Listeners {
    pub(super) tcp: TcpListener,
    pub(super) unix: Option<UnixDoor>,
}

/// A Unix socket.
#[derive(Debug)]
pub(super) struct UnixDoor {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
}

/// A socket's file; it goes when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed it before; nothing is lost either way.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listeners {
    /// Opens the TCP address and the Unix socket of the configuration.
    ///
    /// # Errors
    /// When one of them is in use or can't be had; the error names it.
    pub async fn bind(server: &Server) -> io::Result<Self> {
        let named = |door: String| move |error: io::Error| io::Error::new(error.kind(), format!("{door}: {error}"));
        let tcp = bind_tcp(server.listen).await.map_err(named(format!("server.listen = \"{}\"", server.listen)))?;
        let unix = match &server.unix_socket {
            Some(path) => {
                Some(bind_unix(path).await.map_err(named(format!("server.unix_socket = \"{}\"", path.display())))?)
            }
            None => None,
        };
        Ok(Self { tcp, unix })
    }

    /// Returns the TCP address that was got, which matters where port 0 was asked for.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Binds an address, with patience for one that is about to be free: a killed daemon keeps it until its memory is given
/// back.
async fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let deadline = Instant::now() + PORT_PATIENCE;
    loop {
        match listen(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                sleep(Duration::from_millis(50)).await;
            }
            bound => return bound,
        }
    }
}

/// Binds an address; so many may be in front of the door, as far as the system allows, before one is turned away.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A daemon that starts again must not wait for the last connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Binds beside the path and renames into it, so that the socket never exists with a wider mode than 0600. A socket
/// that a dead daemon left behind is replaced; a living one's is not.
async fn bind_unix(path: &Path) -> io::Result<UnixDoor> {
    if let Ok(old) = std::fs::symlink_metadata(path) {
        if !old.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name"));
        }
        if tokio::net::UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon listens there"));
        }
    }
    let staged = path.with_extension(format!("{}.new", std::process::id()));
    let listener = UnixListener::bind(&staged)?;
    std::fs::set_permissions(&staged, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&staged, path)?;
    Ok(UnixDoor { listener, file: SocketFile(path.to_path_buf()) })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_about_to_be_free_is_waited_for() {
        let ending = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = ending.local_addr().unwrap();
        let mut bound = Box::pin(bind_tcp(address));
        assert!(futures::poll!(&mut bound).is_pending(), "somebody has it");
        drop(ending);
        assert_eq!(bound.await.unwrap().local_addr().unwrap(), address);
    }

    #[tokio::test]
    async fn a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("atelier.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let door = bind_unix(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(bind_unix(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(door);
        assert!(!path.exists());
        std::fs::write(&path, "mine").unwrap();
        assert_eq!(bind_unix(&path).await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
