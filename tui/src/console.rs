//! The loop of the console: what comes in goes to the state, the state goes to the screen.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::crossterm::event::{Event, EventStream, KeyEventKind};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

mod carry;
mod job_control;
mod link;
mod local;
mod signals;

use crate::app::{App, Effect, Input, update};
use crate::conn::{CallError, Server, Token};
use crate::term::Screen;
use crate::theme::{Charset, Ground, Theme};
use crate::view;

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// How the console should look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looks {
    /// Which characters it may use.
    pub(crate) charset: Charset,
    /// What the terminal writes on; looked up where absent.
    pub(crate) ground: Option<Ground>,
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
    let variable = |name: &str| std::env::var(name).ok();
    let theme = Theme::detect(looks.charset, looks.ground, variable);
    // Before the screen: a signal that comes between the two must find a handler.
    let mut signals = signals::Signals::listen()?;
    let mut app = App::new(server.to_string(), Timestamp::now(), TimeZone::system());
    let mut screen = Screen::open()?;
    let (inputs, mut heard) = mpsc::channel(256);
    let mut link = link::Link::new(server, token, inputs.clone());
    let mut events = EventStream::new();
    let mut tick = interval(Duration::from_millis(250));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let size = screen.terminal.size()?;
    app.size = (size.width, size.height);
    let (mut next_frame, mut is_stale) = (Instant::now(), true);
    loop {
        let input = tokio::select! {
            biased;
            signal = signals.next() => match signal {
                signals::Signal::End(number) => return Ok(Ended::Signal(number)),
                signals::Signal::Stop => {
                    suspend(&mut screen)?;
                    is_stale = true;
                    continue;
                }
                signals::Signal::Continue => {
                    screen.resume()?;
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
                screen.terminal.draw(|frame| view::draw(&app, theme, frame))?;
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
                Effect::Suspend if job_control::has_shell() => suspend(&mut screen)?,
                Effect::Suspend => app.tell(crate::theme::Tone::Waiting, "no shell to go back to; q leaves"),
                Effect::Repaint => screen.forget()?,
                Effect::Reconnect => link.hurry(),
                other => carry::out(other, link.connection(), &inputs),
            }
        }
        if screen.is_lost() {
            return Err(ConsoleError::Crashed);
        }
        if let Some(error) = link.refusal() {
            return Err(error.into());
        }
    }
}

fn suspend(screen: &mut Screen) -> io::Result<()> {
    screen.suspend();
    job_control::stop()?;
    screen.resume()
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
