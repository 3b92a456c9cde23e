//! From dots to cells.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::axis::{Scale, number};
use super::curve::{Axis, Curve};
use super::plot::{Dots, Frame, raw, smooth};
use crate::theme::{Charset, Theme, Tone};
use crate::words::seconds;

/// One line of a chart.
pub(crate) struct Line<'a> {
    /// Its run.
    pub(crate) curve: &'a Curve,
    /// Which term of it.
    pub(crate) term: &'a str,
    /// Its colour and its marker, by number.
    pub(crate) number: usize,
}

/// Signs that tell lines apart where colours can't.
pub(super) const MARKERS: [char; 6] = ['●', '■', '▲', '◆', '○', '✚'];
const LETTERS: [char; 6] = ['o', '#', '^', '*', '+', 'x'];

/// A chart of some lines.
pub(crate) struct Chart<'a> {
    /// The lines; the first lies on top.
    pub(crate) lines: Vec<Line<'a>>,
    /// What runs along the bottom.
    pub(crate) axis: Axis,
    /// The left and the right end of it.
    pub(crate) x: (f64, f64),
    /// Whether values go up by factors.
    pub(crate) logarithmic: bool,
    /// The points that the smoothed line is a mean of; one for the measured line alone.
    pub(crate) window: usize,
    /// A place along the bottom that is pointed at.
    pub(crate) cursor: Option<f64>,
}

/// Columns for the numbers on the left.
const MARGIN: u16 = 7;

impl Chart<'_> {
    /// Draws the chart.
    pub(crate) fn draw(&self, theme: Theme, area: Rect, buffer: &mut Buffer) {
        if area.width < MARGIN + 4 || area.height < 3 {
            return;
        }
        let plane = Rect { x: area.x + MARGIN, width: area.width - MARGIN, height: area.height - 1, ..area };
        let Some(scale) = self.scale(usize::from(plane.width)) else {
            let words = "nothing to draw yet";
            buffer.set_stringn(plane.x, plane.y, words, usize::from(plane.width), theme.style(Tone::Quiet));
            return;
        };
        self.edges(&scale, theme, area, plane, buffer);
        let (wide, high) = if theme.charset == Charset::Ascii { (1, 1) } else { (2, 4) };
        let frame = Frame {
            axis: self.axis,
            x: self.x,
            columns: usize::from(plane.width) * wide,
            rows: usize::from(plane.height) * high,
        };
        for line in self.lines.iter().rev() {
            let measured = raw(line.curve, line.term, &frame, &scale);
            if self.window > 1 {
                cells(&measured, Tone::Faint(line.number), theme, plane, buffer);
                let smoothed = smooth(line.curve, line.term, &frame, &scale, self.window);
                cells(&smoothed, Tone::Curve(line.number), theme, plane, buffer);
                self.mark(&smoothed, line.number, theme, plane, buffer);
            } else {
                cells(&measured, Tone::Curve(line.number), theme, plane, buffer);
                self.mark(&measured, line.number, theme, plane, buffer);
            }
        }
        if let Some(column) = self.cursor_column(plane) {
            for y in plane.y..plane.bottom() {
                let cell = &mut buffer[(column, y)];
                if matches!(cell.symbol(), " " | "\u{2800}") {
                    cell.set_char('┊').set_style(theme.style(Tone::Quiet));
                } else {
                    cell.modifier.insert(ratatui::style::Modifier::REVERSED);
                }
            }
        }
    }

    /// Finds the range of values that is shown: that of all lines, every spike included.
    fn scale(&self, columns: usize) -> Option<Scale> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for line in &self.lines {
            let Some(series) = line.curve.series(line.term) else { continue };
            let shown = line.curve.between(self.x.0, self.x.1.next_up(), self.axis);
            let bucket = series.over(shown.clone());
            high = high.max(bucket.max);
            if !self.logarithmic || bucket.min > 0.0 {
                low = low.min(bucket.min);
                continue;
            }
            // The smallest above zero, as well as the columns tell.
            let part = (shown.len() / columns.max(1)).max(1);
            let parts = shown.clone().step_by(part).map(|from| series.over(from..(from + part).min(shown.end)));
            low = parts.flat_map(|part| [part.min, part.max]).filter(|value| *value > 0.0).fold(low, f64::min);
        }
        Scale::new(low, high, self.logarithmic)
    }

    /// Writes the numbers on the left and along the bottom.
    fn edges(&self, scale: &Scale, theme: Theme, area: Rect, plane: Rect, buffer: &mut Buffer) {
        let quiet = theme.style(Tone::Quiet);
        let labels = (usize::from(plane.height) / 4 + 1).clamp(2, 6);
        for label in 0..labels {
            let place = label as f64 / (labels - 1) as f64;
            let y = plane.y + ((1.0 - place) * f64::from(plane.height - 1)).round() as u16;
            let text = number(scale.value(place));
            let x = area.x + MARGIN.saturating_sub(text.len() as u16 + 1);
            buffer.set_stringn(x, y, &text, usize::from(MARGIN), quiet);
        }
        for y in plane.y..plane.bottom() {
            buffer[(plane.x - 1, y)].set_char('│').set_style(quiet);
        }
        let write = |x: f64| match self.axis {
            Axis::Steps => format!("{x:.0}"),
            Axis::Clock => seconds(x),
        };
        let unit = if self.axis == Axis::Steps { "step " } else { "" };
        let y = area.bottom() - 1;
        let (left, right) = (format!("{unit}{}", write(self.x.0)), write(self.x.1));
        let middle = write(f64::midpoint(self.x.0, self.x.1));
        let width = usize::from(plane.width);
        buffer.set_stringn(plane.x, y, &left, width, quiet);
        if left.len() + middle.len() + right.len() + 8 < width {
            buffer.set_string(plane.x + (width - middle.len()) as u16 / 2, y, &middle, quiet);
        }
        if left.len() + right.len() + 2 < width {
            buffer.set_string(plane.right() - right.len() as u16, y, &right, quiet);
        }
    }

    /// Puts the line's sign onto it here and there, each line's at places of its own.
    fn mark(&self, dots: &Dots, line: usize, theme: Theme, plane: Rect, buffer: &mut Buffer) {
        const EVERY: u16 = 12;
        let alone = self.lines.len() == 1;
        let wide = if theme.charset == Charset::Ascii { 1 } else { 2 };
        let sign = sign(line, theme);
        let first = (line as u16 * EVERY) / MARKERS.len() as u16;
        // A line of a single dot could be overlooked.
        let is_dot = dots.len() == 1;
        for &(column, low, high) in dots {
            let x = (column / wide) as u16;
            let is_place = !alone && column % wide == 0 && x % EVERY == first;
            if !is_dot && !is_place {
                continue;
            }
            let high_row = row(usize::midpoint(low, high), theme, plane);
            buffer[(plane.x + x, high_row)].set_char(sign).set_style(theme.style(Tone::Curve(line)));
        }
    }

    fn cursor_column(&self, plane: Rect) -> Option<u16> {
        let share = (self.cursor? - self.x.0) / (self.x.1 - self.x.0).max(f64::MIN_POSITIVE);
        let column = (share * f64::from(plane.width)).floor().clamp(0.0, f64::from(plane.width - 1)) as u16;
        (0.0..=1.0).contains(&share).then_some(plane.x + column)
    }
}

/// Returns the sign of a line.
pub(crate) fn sign(line: usize, theme: Theme) -> char {
    let signs = if theme.charset == Charset::Ascii { LETTERS } else { MARKERS };
    signs[line % signs.len()]
}

/// Returns the cell's row of a dot's row.
fn row(dot: usize, theme: Theme, plane: Rect) -> u16 {
    let high = if theme.charset == Charset::Ascii { 1 } else { 4 };
    (plane.bottom() - 1).saturating_sub((dot / high) as u16).max(plane.y)
}

/// Sets dots in the cells, over what is there: what lies on top gives the cell its colour.
fn cells(dots: &Dots, tone: Tone, theme: Theme, plane: Rect, buffer: &mut Buffer) {
    /// Which bit of a braille character a dot is, by column and by row from the bottom.
    const BITS: [[u32; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];
    let style = theme.style(tone);
    for &(column, low, high) in dots {
        if theme.charset == Charset::Ascii {
            let sign = if matches!(tone, Tone::Faint(_)) { '.' } else { ':' };
            for dot in low..=high {
                buffer[(plane.x + column as u16, row(dot, theme, plane))].set_char(sign).set_style(style);
            }
            continue;
        }
        let x = plane.x + (column / 2) as u16;
        for dot in low..=high {
            let cell = &mut buffer[(x, row(dot, theme, plane))];
            let before = cell.symbol().chars().next().map_or(0, u32::from);
            let bits = if (0x2800..0x2900).contains(&before) { before - 0x2800 } else { 0 };
            let with = 0x2800 + (bits | BITS[column % 2][dot % 4]);
            cell.set_char(char::from_u32(with).unwrap_or(' ')).set_style(style);
        }
    }
}
