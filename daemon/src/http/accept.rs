//! The accept loops.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Listeners;
use super::connection::{Settings, converse};
use super::room::Room;
use crate::access::Peer;

/// Accepts connections until `closing`, then waits for the open ones, at most as long as patience allows.
pub(super) async fn accept(listeners: Listeners, router: Router, settings: Settings, closing: CancellationToken) {
    let door = Door { router, settings, closing };
    let Listeners { tcp, unix } = listeners;
    let unix = async {
        if let Some(unix) = unix {
            door.run(&unix.listener).await;
        }
    };
    tokio::join!(door.run(&tcp), unix);
}

struct Door {
    router: Router,
    settings: Settings,
    closing: CancellationToken,
}

impl Door {
    /// Serves one listener. Each has its own room, so that a crowd on the network leaves the Unix socket free.
    async fn run<L: Listener>(&self, listener: &L) {
        let room = Room::new(self.settings.intake.follow_config());
        let mut open = JoinSet::new();
        loop {
            let next = async {
                let place = room.enter().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = self.closing.cancelled() => break,
                next = next => next,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (router, settings, closing) =
                        (self.router.clone(), self.settings.clone(), self.closing.clone());
                    open.spawn(async move {
                        converse(stream, peer, router, settings, closing).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others are about to be closed.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            while open.try_join_next().is_some() {}
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
