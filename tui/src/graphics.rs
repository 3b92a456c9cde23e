//! Pictures made of pixels, where the terminal shows them.

use image::DynamicImage;
use image::imageops::FilterType;
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Size;
use ratatui::widgets::Widget as _;
use ratatui_image::Image;
use ratatui_image::protocol::iterm2::Iterm2;
use ratatui_image::protocol::kitty::Kitty;
use ratatui_image::protocol::sixel::Sixel;

use crate::ask::Pictures;
use crate::picture::Shown;

/// Sends pictures to a terminal that shows them.
pub(crate) struct Graphics {
    how: Pictures,
    /// A cell's width and height.
    cell_px: (u16, u16),
    /// What is on the screen, and how it was sent.
    last: Option<(Shown, Option<ratatui_image::protocol::Protocol>)>,
}

impl Graphics {
    /// Shows pictures in this way, on a terminal with cells of this size.
    pub(crate) fn new(how: Pictures, cell_px: (u16, u16)) -> Self {
        Self { how, cell_px, last: None }
    }

    /// Forgets what is on the screen: it is sent anew next time.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// Puts a picture into its place, over the blocks that stand for it, and takes away the one before.
    pub(crate) fn draw(&mut self, shown: Option<Shown>, buffer: &mut Buffer) {
        let known = self.last.take();
        let is_known = known.as_ref().map(|(known, _)| known) == shown.as_ref();
        if let Some((before, _)) = known.as_ref().filter(|_| !is_known) {
            // Nothing else tells the terminal to write text over pixels.
            for position in before.place.intersection(buffer.area).positions() {
                buffer[position].set_diff_option(CellDiffOption::AlwaysUpdate);
            }
        }
        self.last = if is_known { known } else { shown.map(|shown| (shown.clone(), self.encode(&shown))) };
        if let Some((shown, Some(encoded))) = &self.last {
            Image::new(encoded).render(shown.place, buffer);
        }
    }

    /// Makes what is sent of a picture; none where it can't be, and the blocks stay.
    fn encode(&self, shown: &Shown) -> Option<ratatui_image::protocol::Protocol> {
        use ratatui_image::protocol::Protocol as Encoded;
        if shown.place.is_empty() {
            return None;
        }
        let (wide, high) = (u32::from(self.cell_px.0), u32::from(self.cell_px.1));
        let room = (u32::from(shown.place.width) * wide, u32::from(shown.place.height) * high);
        let picture = DynamicImage::from(shown.picture.image()?).resize(room.0, room.1, FilterType::Triangle);
        let size = Size::new(picture.width().div_ceil(wide) as u16, picture.height().div_ceil(high) as u16);
        // One number for all of them: a new picture takes the place of the one before in the terminal's memory too.
        let id = std::process::id();
        match self.how {
            Pictures::Blocks => None,
            Pictures::Kitty => Kitty::new(picture, size, id, false, false).ok().map(Encoded::Kitty),
            Pictures::Sixel => Sixel::new(picture, size, false).ok().map(Encoded::Sixel),
            Pictures::Iterm2 => Iterm2::new(picture, size, false).ok().map(Encoded::ITerm2),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use ratatui::layout::Rect;

    use super::*;
    use crate::picture::Picture;

    fn shown(seed: u8, width: u16) -> Shown {
        let picture = Picture::new(64, 64, (0..64 * 64 * 3).map(|at| (at as u8).wrapping_mul(seed)).collect()).unwrap();
        Shown { picture, place: Rect::new(2, 1, width, width / 2) }
    }

    /// Draws one frame after another and returns what is written for the last.
    fn written(how: Pictures, frames: &[Option<Shown>]) -> String {
        let mut graphics = Graphics::new(how, (8, 16));
        let area = Rect::new(0, 0, 30, 12);
        let (mut before, mut text) = (Buffer::empty(area), String::new());
        for frame in frames {
            let mut buffer = Buffer::empty(area);
            graphics.draw(frame.clone(), &mut buffer);
            text = before.diff_iter(&buffer).map(|(_, _, cell)| cell.symbol()).collect();
            before = buffer;
        }
        text
    }

    #[test]
    fn a_picture_is_sent_once_in_the_terminal_s_own_way() {
        for (how, begin) in [
            (Pictures::Kitty, "\x1b_Gq=2,i="),
            (Pictures::Sixel, "\x1bP"),
            (Pictures::Iterm2, "\x1b]1337;File=inline=1"),
        ] {
            let sent = |frames: &[Option<Shown>]| written(how, frames).contains(begin);
            let (one, other) = (Some(shown(3, 8)), Some(shown(5, 8)));
            assert!(sent(std::slice::from_ref(&one)), "{how:?}");
            assert!(!sent(&[one.clone(), one.clone()]), "{how:?}: not again");
            assert!(sent(&[one.clone(), other]), "{how:?}: another one");
            assert!(sent(&[one, Some(shown(3, 12))]), "{how:?}: in another size");
        }
    }

    #[test]
    fn a_picture_that_goes_is_written_over() {
        let cells = |frames: &[Option<Shown>]| written(Pictures::Sixel, frames).len();
        assert_eq!(cells(&[Some(shown(3, 8)), None]), 8 * 4);
        assert_eq!(cells(&[Some(shown(3, 8)), None, None, None]), 0, "and that is it");
    }

    #[test]
    fn no_room_is_no_trouble() {
        let nowhere = Shown { place: Rect::new(2, 1, 0, 0), ..shown(3, 8) };
        assert_eq!(written(Pictures::Kitty, &[Some(nowhere)]), "");
        let outside = Shown { place: Rect::new(25, 9, 20, 10), ..shown(3, 8) };
        written(Pictures::Kitty, &[Some(outside), None]);
    }
}
