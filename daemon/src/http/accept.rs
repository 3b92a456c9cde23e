//! The accept loops.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::Listeners;
use super::connection::{Settings, converse};
use super::crowd::Crowd;
use crate::access::Peer;

/// Accepts connections until `closing`, then waits for the open ones, at most as long as patience allows.
pub(super) async fn accept(listeners: Listeners, router: Router, settings: Settings) {
    let door = Door { router, settings };
    let Listeners { tcp, unix } = listeners;
    let unix = async {
        if let Some(unix) = unix {
            door.run(&unix.listener).await;
        }
    };
    tokio::join!(door.run(&tcp), unix);
}

/// How long no connection is accepted after the system had no room for one.
const AFTER_TROUBLE: Duration = Duration::from_millis(20);

struct Door {
    router: Router,
    settings: Settings,
}

impl Door {
    /// Serves one listener. Each has its own crowd, so that a crowd on the network leaves the Unix socket free.
    async fn run<L: Listener>(&self, listener: &L) {
        let crowd = Crowd::new(self.settings.intake.follow_config());
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.settings.closing.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(guest) = crowd.enter() {
                        open.spawn(converse(guest, stream, peer, self.router.clone(), self.settings.clone()));
                    } else {
                        tracing::debug!("a connection was closed: limits.connections is reached");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    // Out of file descriptors, most likely.
                    crowd.make_room();
                    tokio::time::sleep(AFTER_TROUBLE).await;
                }
            }
            while open.try_join_next().is_some() {}
            // However many stand at the door, those inside have a turn between any two of them.
            tokio::task::yield_now().await;
        }
        let all_closed = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(self.settings.patience.drain, all_closed).await.is_err() {
            tracing::debug!(connections = open.len(), "connections are cut off");
        }
        open.shutdown().await;
    }
}

trait Listener {
    type Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static;

    async fn accept(&self) -> io::Result<(Self::Stream, Peer)>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, address) = TcpListener::accept(self).await?;
        // Events are small and shall not wait for each other.
        stream.set_nodelay(true)?;
        Ok((stream, Peer::Tcp(address)))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = UnixListener::accept(self).await?;
        Ok((stream, Peer::Unix))
    }
}
