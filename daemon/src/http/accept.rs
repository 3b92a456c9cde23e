//! The accept loops.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::Listeners;
use super::connection::{Purpose, Settings, Socket, converse};
use super::crowd::{Crowd, Guest};
use super::listen::UnixDoor;
use super::porch::Porch;
use crate::access::Peer;

/// How long no connection is accepted after the system had no room for one.
const AFTER_TROUBLE: Duration = Duration::from_millis(20);

/// Accepts connections until `closing`, then waits for the open ones, at most as long as patience allows.
pub(super) async fn accept(listeners: Listeners, router: Router, settings: Settings) {
    let Listeners { tcp, unix } = listeners;
    let mut porch = match Porch::open(tcp, router.clone(), &settings) {
        Ok(porch) => porch,
        Err(error) => return tracing::error!(%error, "nobody can be let in"),
    };
    let unix = async {
        if let Some(UnixDoor { listener, file: _file }) = unix {
            let crowd = Crowd::new(settings.intake.follow_config());
            serve(&settings, &router, &mut Counted { listener, crowd }).await;
        }
    };
    tokio::join!(serve(&settings, &router, &mut porch), unix);
    porch.closed().await;
}

/// Serves all who come, whatever they ask for.
async fn serve(settings: &Settings, router: &Router, entrance: &mut impl Entrance) {
    let receive = |visitor| converse(visitor, router.clone(), settings.clone(), Purpose::Anything);
    host(settings, entrance, receive).await;
}

/// A connection that was let in.
pub(super) struct Visitor<S> {
    pub(super) guest: Arc<Guest>,
    pub(super) stream: S,
    pub(super) peer: Peer,
}

/// Where connections come from.
pub(super) trait Entrance {
    type Stream: Socket;

    /// Waits for the next one; none when no more will come.
    async fn next(&mut self) -> Option<Visitor<Self::Stream>>;
}

/// Receives all who come until `closing`, then waits for those who are there.
pub(super) async fn host<E: Entrance, F: Future<Output = ()> + Send + 'static>(
    settings: &Settings,
    entrance: &mut E,
    receive: impl Fn(Visitor<E::Stream>) -> F,
) {
    let mut open = JoinSet::new();
    loop {
        let visitor = tokio::select! {
            biased;
            () = settings.closing.cancelled() => break,
            visitor = entrance.next() => visitor,
        };
        let Some(visitor) = visitor else { break };
        open.spawn(receive(visitor));
        while open.try_join_next().is_some() {}
        // However many stand at the door, those inside have a turn between any two of them.
        tokio::task::yield_now().await;
    }
    let all_closed = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.patience.drain, all_closed).await.is_err() {
        tracing::debug!(connections = open.len(), "connections are cut off");
    }
    open.shutdown().await;
}

/// A listener whose visitors are counted. Each has its own crowd, so that a crowd on the network leaves the Unix socket
/// free.
pub(super) struct Counted<L> {
    pub(super) listener: L,
    pub(super) crowd: Crowd,
}

impl<L: Listener> Entrance for Counted<L> {
    type Stream = L::Stream;

    async fn next(&mut self) -> Option<Visitor<L::Stream>> {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Some(guest) = self.crowd.enter() {
                        return Some(Visitor { guest, stream, peer });
                    }
                    tracing::debug!("a connection was closed: limits.connections is reached");
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    // Out of file descriptors, most likely.
                    self.crowd.make_room();
                    tokio::time::sleep(AFTER_TROUBLE).await;
                }
            }
        }
    }
}

pub(super) trait Listener {
    type Stream: Socket;

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
