//! The loop of the console: what comes in goes to the state, the state goes to the screen.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::crossterm::event::{Event, EventStream, KeyEventKind};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

mod canvas;
mod carry;
mod job_control;
mod link;
mod local;
mod signals;

use crate::app::{App, Effect, Input, update};
use crate::ask::Pictures;
use crate::conn::{CallError, Server, Token};
use crate::theme::{Charset, Ground, Tone};
use canvas::Canvas;

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// How the console should look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looks {
    /// Which characters it may use.
    pub(crate) charset: Charset,
    /// What the terminal writes on; the terminal is asked where absent.
    pub(crate) ground: Option<Ground>,
    /// How pictures are shown; the terminal is asked where absent.
    pub(crate) pictures: Option<Pictures>,
}

/// How the console ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A person left.
    Left,
    /// A person left before any daemon had answered.
    NeverConnected(CallError),
    /// A signal asked for it.
    Signal(u8),
}

/// Why the console can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConsoleError {
    /// The terminal is gone, or none.
    #[error("the terminal fails: {0}")]
    Terminal(#[from] io::Error),
    /// A part of the console panicked; what it said stands on the screen already.
    #[error("the console has crashed")]
    Crashed,
    /// The daemon refuses.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Says whether there is a terminal to show the console on.
pub(crate) fn has_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Runs the console until somebody leaves.
///
/// # Errors
/// When the terminal fails, and when the daemon refuses from the beginning.
pub(crate) async fn run(server: Server, token: Option<Token>, looks: Looks) -> Result<Ended, ConsoleError> {
    // Before the screen: a signal that comes between the two must find a handler.
    let mut signals = signals::Signals::listen()?;
    let mut app = App::new(server.to_string(), Timestamp::now(), TimeZone::system());
    let (mut canvas, typed) = Canvas::open(looks)?;
    app.size = canvas.size()?;
    let (inputs, mut heard) = mpsc::channel(256);
    for key in typed {
        // More than fit have not been typed in a moment.
        let _ = inputs.try_send(Input::Key(key));
    }
    let mut link = link::Link::new(server, token, inputs.clone());
    let photos = local::Photos::new(inputs.clone());
    let mut events = EventStream::new();
    let mut tick = interval(Duration::from_millis(250));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut next_frame, mut is_stale) = (Instant::now(), true);
    loop {
        let input = tokio::select! {
            biased;
            signal = signals.next() => match signal {
                signals::Signal::End(number) => return Ok(Ended::Signal(number)),
                signals::Signal::Stop => {
                    canvas.suspend()?;
                    is_stale = true;
                    continue;
                }
                signals::Signal::Continue => {
                    canvas.resume()?;
                    is_stale = true;
                    continue;
                }
            },
            event = events.next() => match event {
                Some(Ok(event)) => translate(event),
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(Ended::Left),
            },
            () = sleep_until(next_frame), if is_stale => {
                canvas.draw(&app)?;
                (next_frame, is_stale) = (Instant::now() + FRAME, false);
                continue;
            }
            input = heard.recv() => input,
            _ = tick.tick() => Some(Input::Tick),
        };
        let Some(input) = input else { continue };
        let now = Timestamp::now();
        // Time alone changes what is shown once a second, and the banner's count of tenths more often.
        let is_quiet = matches!(input, Input::Tick) && app.is_connected() && now.as_second() == app.now.as_second();
        is_stale |= !is_quiet;
        for effect in update(&mut app, now, input) {
            match effect {
                Effect::Detach => return Ok(link.leave()),
                Effect::Suspend if job_control::has_shell() => canvas.suspend()?,
                Effect::Suspend => app.tell(Tone::Waiting, "no shell to go back to; q leaves"),
                Effect::Repaint => canvas.forget()?,
                Effect::Reconnect => link.hurry(),
                Effect::Photo(path) => photos.want(path),
                other => carry::out(other, link.connection(), &inputs),
            }
        }
        if canvas.is_lost() {
            return Err(ConsoleError::Crashed);
        }
        if let Some(error) = link.refusal() {
            return Err(error.into());
        }
    }
}

fn translate(event: Event) -> Option<Input> {
    match event {
        // Terminals that tell about releases would double every key.
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Input::Key(key)),
        Event::Paste(text) => Some(Input::Paste(text)),
        Event::Resize(columns, rows) => Some(Input::Size(columns, rows)),
        _ => None,
    }
}
