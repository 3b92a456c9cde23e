//! Pictures as half blocks, or as letters where there are no colours.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::picture::{Picture, Shown};
use crate::theme::{Charset, Depth, Theme};

/// From dark to light, for eyes that see letters.
const LETTERS: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];
const BLOCKS: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// Draws a picture as large as the area allows, in its own proportions, and says where it is.
pub(super) fn draw(picture: &Picture, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Shown> {
    let part = place(picture, area);
    if part.is_empty() {
        return None;
    }
    let pixels = picture.scaled(u32::from(part.width), u32::from(part.height) * 2);
    for (row, y) in (part.y..part.bottom()).enumerate() {
        for (column, x) in (part.x..part.right()).enumerate() {
            let (upper, lower) = (pixels[row * 2][column], pixels[row * 2 + 1][column]);
            let cell = &mut buffer[(x, y)];
            if theme.depth >= Depth::Indexed && theme.charset == Charset::Unicode {
                cell.set_char('▀').set_style(Style::new().fg(theme.colour(upper)).bg(theme.colour(lower)));
            } else {
                let ramp: &[char] = if theme.charset == Charset::Ascii { &LETTERS } else { &BLOCKS };
                let light = f64::midpoint(luma(upper), luma(lower));
                let light = if theme.ground == crate::theme::Ground::Light { 1.0 - light } else { light };
                cell.set_char(ramp[((light * ramp.len() as f64) as usize).min(ramp.len() - 1)]);
            }
        }
    }
    Some(Shown { picture: picture.clone(), place: part })
}

/// Finds the largest part of an area with the picture's proportions; a cell is twice as high as it is wide.
fn place(picture: &Picture, area: Rect) -> Rect {
    let aspect = picture.aspect() * 2.0;
    let (width, height) = (f64::from(area.width), f64::from(area.height));
    let (width, height) = if width > height * aspect { (height * aspect, height) } else { (width, width / aspect) };
    let (width, height) = ((width.round() as u16).max(1), (height.round() as u16).max(1));
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { width, height, ..area }
}

/// Returns how light a colour is, from 0 to 1 (BT.601).
fn luma((r, g, b): (u8, u8, u8)) -> f64 {
    (0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)) / 255.0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::theme::Ground;

    #[test]
    fn a_picture_keeps_its_proportions() {
        let picture = |width, height| Picture::new(width, height, vec![9; (width * height * 3) as usize]).unwrap();
        let area = Rect::new(3, 4, 40, 10);
        assert_eq!(place(&picture(30, 30), area), Rect::new(3, 4, 20, 10));
        assert_eq!(place(&picture(80, 10), area), Rect::new(3, 4, 40, 3));
        assert_eq!(place(&picture(1, 300), area), Rect::new(3, 4, 1, 10));
        assert!(place(&picture(1, 1), Rect::ZERO).is_empty());
    }

    #[test]
    fn each_half_of_a_cell_is_a_pixel() {
        let picture = Picture::new(1, 2, vec![255, 0, 0, 0, 0, 255]).unwrap();
        let area = Rect::new(0, 0, 1, 1);
        let draw_with = |depth, charset| {
            let mut buffer = Buffer::empty(area);
            draw(&picture, Theme { depth, ground: Ground::Dark, charset }, area, &mut buffer);
            buffer[(0, 0)].clone()
        };
        let cell = draw_with(Depth::True, Charset::Unicode);
        let colours = [(255, 0, 0), (0, 0, 255)].map(|(r, g, b)| ratatui::style::Color::Rgb(r, g, b));
        assert_eq!(([cell.fg, cell.bg], cell.symbol()), (colours, "▀"));
        assert_eq!(draw_with(Depth::None, Charset::Unicode).symbol(), "░");
        assert_eq!(draw_with(Depth::True, Charset::Ascii).symbol(), ":");
    }
}
