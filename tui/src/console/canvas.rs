//! The screen and how things look on it.

use std::io;

use ratatui::crossterm::event::KeyEvent;
use ratatui::crossterm::terminal::window_size;

use super::{Looks, job_control};
use crate::app::App;
use crate::ask::{self, Heard, Pictures};
use crate::graphics::Graphics;
use crate::term::Screen;
use crate::theme::{Charset, Depth, Theme};
use crate::view;

/// What the console draws on.
pub(super) struct Canvas {
    screen: Screen,
    theme: Theme,
    /// How pictures are drawn where the terminal knows more than blocks.
    graphics: Option<Graphics>,
}

impl Canvas {
    /// Takes the terminal over and asks it what it can show. Returns the keys that were pressed meanwhile, too.
    ///
    /// # Errors
    /// When the terminal is none, or is gone.
    pub(super) fn open(looks: Looks) -> io::Result<(Self, Vec<KeyEvent>)> {
        let screen = Screen::open()?;
        let heard = ask::ask()?;
        let variable = |name: &str| std::env::var(name).ok();
        let theme = Theme::detect(looks.charset, looks.ground.or(heard.ground), variable);
        let graphics = graphics(looks, theme, &heard);
        Ok((Self { screen, theme, graphics }, ask::keys(&heard.typed)))
    }

    /// Returns its columns and rows.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.screen.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Draws what has changed.
    pub(super) fn draw(&mut self, app: &App) -> io::Result<()> {
        self.screen.terminal.draw(|frame| {
            let shown = view::draw(app, self.theme, frame.area(), frame.buffer_mut());
            if let Some(graphics) = &mut self.graphics {
                graphics.draw(shown, frame.buffer_mut());
            }
        })?;
        Ok(())
    }

    /// Forgets what is on the screen: everything is drawn anew next time.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        if let Some(graphics) = &mut self.graphics {
            graphics.forget();
        }
        self.screen.forget()
    }

    /// Gives the terminal to the shell until that calls us back.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        self.screen.suspend();
        job_control::stop()?;
        self.resume()
    }

    /// Takes the terminal over again.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.screen.resume()?;
        self.forget()
    }

    /// Says whether a panic has given the terminal back.
    pub(super) fn is_lost(&self) -> bool {
        self.screen.is_lost()
    }
}

/// Finds out how pictures are drawn.
fn graphics(looks: Looks, theme: Theme, heard: &Heard) -> Option<Graphics> {
    let is_plain = theme.charset == Charset::Ascii || theme.depth == Depth::None;
    let how = match looks.pictures {
        Some(how) => how,
        None if is_plain => Pictures::Blocks,
        None => ask::pictures(heard, |name| std::env::var(name).ok()),
    };
    if how == Pictures::Blocks {
        return None;
    }
    let cell_px = heard.cell_px.or_else(|| {
        let size = window_size().ok()?;
        Some((size.width.checked_div(size.columns)?, size.height.checked_div(size.rows)?))
    });
    let (wide, high) = cell_px.filter(|(wide, high)| *wide > 0 && *high > 0)?;
    Some(Graphics::new(how, (wide, high)))
}
