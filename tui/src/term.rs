//! The terminal: taken over, and given back whatever happens.

use std::io::{self, Stdout, Write as _};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::crossterm::{cursor, execute, queue};
use ratatui::layout::{Position, Rect};

/// The screen, ours until this is dropped.
pub struct Screen {
    /// What is drawn to. Never dropped: it would complain on stderr, and panic where that is gone too.
    pub(crate) terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    /// Set by a panic that has given the terminal back.
    is_lost: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal over. A panic on this thread gives it back before it says anything, also one that is caught
    /// later; one on another thread says nothing, since it would say it across the screen.
    ///
    /// # Errors
    /// When the terminal is none, or is gone.
    pub fn open() -> io::Result<Self> {
        let is_lost = Arc::new(AtomicBool::new(false));
        let (before, here, lost) = (std::panic::take_hook(), std::thread::current().id(), Arc::clone(&is_lost));
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == here {
                leave();
                lost.store(true, Ordering::Relaxed);
                before(panic);
            }
        }));
        // Made first: it asks for the size, which fails where there is no terminal.
        let terminal = ManuallyDrop::new(Terminal::new(CrosstermBackend::new(io::stdout()))?);
        let screen = Self { terminal, is_lost };
        enter()?;
        Ok(screen)
    }

    /// Says whether a panic has given the terminal back.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Gives the terminal back for a while.
    #[expect(clippy::unused_self, reason = "only who has the screen can give it back")]
    pub(crate) fn suspend(&mut self) {
        leave();
    }

    /// Takes the terminal over again, and draws everything anew next time.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        // Whoever had the terminal meanwhile may have changed its modes.
        let _ = disable_raw_mode();
        enter()?;
        self.forget()
    }

    /// Clears the screen and forgets what is on it, so that everything is drawn anew next time.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        // Not `Terminal::clear`: that asks the terminal where its cursor is, and its answer would be read as keys.
        let area = Rect::from((Position::ORIGIN, self.terminal.size()?));
        self.terminal.resize(area)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
}

/// Undoes [`enter`], each part for itself: a terminal that is half gone gets back what can be given.
fn leave() {
    let mut stdout = io::stdout();
    let _ = queue!(stdout, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = stdout.flush();
    let _ = disable_raw_mode();
}
