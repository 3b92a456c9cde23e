//! The porch: where newcomers of the network are asked what they want, on a thread of its own.
//!
//! Who asks for health is answered there, however much the rest of the daemon has to do at once: thousands who come, or
//! hang up, in one moment. Everybody else is shown in.

use std::io;
use std::thread;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;
use tokio_util::sync::DropGuard;

use super::accept::{Counted, Entrance, Visitor, host};
use super::connection::{Purpose, Settings, converse};
use super::crowd::Crowd;
use crate::access::guard::PROBES;

/// How a request for health may begin that is answered on the porch.
const METHOD: &[u8] = b"GET ";

/// The way from the porch into the house; without it, the porch is closed.
pub(super) struct Porch {
    // As many as there are guests at most.
    shown_in: UnboundedReceiver<Visitor<std::net::TcpStream>>,
    _open: DropGuard,
}

impl Porch {
    /// Opens it: `listener`'s newcomers come there from now on.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub(super) fn open(listener: TcpListener, router: Router, settings: &Settings) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = listener.into_std()?;
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let closing = settings.closing.child_token();
        let settings = Settings { closing: closing.clone(), ..settings.clone() };
        let (inside, shown_in) = unbounded_channel();
        let mut comers = Counted { listener, crowd: Crowd::new(settings.intake.follow_config()) };
        let serve = async move {
            let ask = |visitor| ask(visitor, inside.clone(), router.clone(), settings.clone());
            host(&settings, &mut comers, ask).await;
        };
        thread::Builder::new().name("porch".to_owned()).spawn(move || runtime.block_on(serve))?;
        Ok(Self { shown_in, _open: closing.drop_guard() })
    }

    /// Waits, once it closes, until everybody has left it.
    pub(super) async fn closed(mut self) {
        while self.shown_in.recv().await.is_some() {}
    }
}

impl Entrance for Porch {
    type Stream = TcpStream;

    async fn next(&mut self) -> Option<Visitor<TcpStream>> {
        loop {
            let Visitor { guest, stream, peer } = self.shown_in.recv().await?;
            match TcpStream::from_std(stream) {
                Ok(stream) => return Some(Visitor { guest, stream, peer }),
                Err(error) => tracing::warn!(%error, "a connection could not be shown in"),
            }
        }
    }
}

/// Waits until a newcomer says something, and answers it or shows it in.
async fn ask(
    visitor: Visitor<TcpStream>,
    inside: UnboundedSender<Visitor<std::net::TcpStream>>,
    router: Router,
    settings: Settings,
) {
    let wants_health = tokio::select! {
        wants = wants_health(&visitor.stream) => wants,
        // Others wait for its place, or it has had time enough.
        () = visitor.guest.dismissed() => return,
        () = settings.closing.cancelled() => return,
        () = sleep(settings.patience.head) => return,
    };
    match wants_health {
        Ok(true) => converse(visitor, router, settings, Purpose::Health).await,
        Ok(false) => {
            let Visitor { guest, stream, peer } = visitor;
            // A connection that can't be taken along is closed; and so are all once the house is.
            if let Ok(stream) = stream.into_std() {
                let _ = inside.send(Visitor { guest, stream, peer });
            }
        }
        Err(error) => tracing::debug!(%error, "a connection ended before it said anything"),
    }
}

/// Looks at the first bytes, which stay where they are. Who says so little that it can't be told is none that asks for
/// health.
async fn wants_health(stream: &TcpStream) -> io::Result<bool> {
    let mut head = [0; 32];
    let read = stream.peek(&mut head).await?;
    let path = head[..read].strip_prefix(METHOD);
    Ok(path.is_some_and(|path| PROBES.iter().any(|probe| path.starts_with(probe.as_bytes()))))
}
