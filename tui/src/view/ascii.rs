//! The screen in ASCII alone.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Replaces every character of an area that is not ASCII.
pub(super) fn translate(buffer: &mut Buffer, area: Rect) {
    for position in area.positions() {
        let cell = &mut buffer[position];
        if let Some(c) = cell.symbol().chars().next().filter(|c| !c.is_ascii()) {
            cell.set_char(nearest(c));
        }
    }
}

/// Returns the ASCII character that comes nearest.
const fn nearest(c: char) -> char {
    match c {
        '─' | '━' | '–' | '—' | '╌' => '-',
        '│' | '┃' | '┊' | '▏' | '▎' | '┆' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╭' | '╮' | '╰' | '╯' => '+',
        '█' | '▉' | '▊' | '▋' | '▓' => '#',
        '▌' | '▍' | '▒' | '▄' | '▅' | '▆' | '▇' => '=',
        '·' | '░' | '▁' | '▂' | '▃' => '.',
        '●' | '▲' | '✓' | '◆' | '■' => '*',
        '○' => 'o',
        '▸' | '→' | '❯' => '>',
        '←' => '<',
        '↑' => '^',
        '↓' => 'v',
        '×' | '✗' => 'x',
        '…' => '~',
        '°' | '‘' | '’' => '\'',
        '“' | '”' => '"',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn nothing_but_ascii_is_left_and_columns_stay() {
        let area = Rect::new(0, 0, 12, 1);
        let mut buffer = Buffer::empty(area);
        buffer.set_string(0, 0, "a─█…漢字ü", Style::new());
        translate(&mut buffer, area);
        let line: String = area.positions().map(|position| buffer[position].symbol().to_owned()).collect();
        assert_eq!(line, "a-#~? ? ?   ");
    }
}
