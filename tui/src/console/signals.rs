//! Signals that a program on a terminal must answer.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// To end; the number is the signal's.
    End(u8),
    /// To stop for a while.
    Stop,
    /// To go on, after a stop that nobody announced.
    Continue,
}

/// The signals, as they come.
pub(super) struct Signals {
    terminate: Stream,
    hang_up: Stream,
    interrupt: Stream,
    stop: Stream,
    proceed: Stream,
}

/// The number of SIGTSTP and of SIGCONT, which tokio has no names for.
const TSTP: i32 = rustix::process::Signal::TSTP.as_raw();
const CONT: i32 = rustix::process::Signal::CONT.as_raw();

impl Signals {
    /// Begins to listen.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(TSTP))?,
            proceed: signal(SignalKind::from_raw(CONT))?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End(15),
            _ = self.hang_up.recv() => Signal::End(1),
            _ = self.interrupt.recv() => Signal::End(2),
            _ = self.stop.recv() => Signal::Stop,
            _ = self.proceed.recv() => Signal::Continue,
        }
    }
}
