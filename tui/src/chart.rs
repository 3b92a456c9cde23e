//! Curves drawn with Braille dots: two columns and four rows of dots a character.

use std::fmt::Write as _;

/// Dots a character is wide and high.
const DOTS: (usize, usize) = (2, 4);
/// The blank Braille pattern.
const BLANK: u32 = 0x2800;
/// The bit of each dot, by row and column.
const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// A sheet of characters to draw dots on.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    columns: usize,
    patterns: Vec<u32>,
}

impl Sheet {
    /// Takes a blank sheet of so many characters.
    pub(crate) fn blank(columns: usize, rows: usize) -> Self {
        Self { columns, patterns: vec![BLANK; columns * rows] }
    }

    /// Draws a line between two dots, counted from the top left; what lies outside is left out.
    pub(crate) fn line(&mut self, from: (i64, i64), to: (i64, i64)) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).max(1);
        for step in 0..=steps {
            let between = |a: i64, b: i64| a + ((b - a) * step + (b - a).signum() * steps / 2) / steps;
            self.dot(between(from.0, to.0), between(from.1, to.1));
        }
    }

    fn dot(&mut self, x: i64, y: i64) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        let (column, row) = (x / DOTS.0, y / DOTS.1);
        if column < self.columns
            && let Some(pattern) = self.patterns.get_mut(row * self.columns + column)
        {
            *pattern |= BITS[y % DOTS.1][x % DOTS.0];
        }
    }

    /// Returns the rows as text, each of the sheet's width.
    pub(crate) fn rows(&self) -> impl Iterator<Item = String> + '_ {
        let character = |pattern: &u32| char::from_u32(*pattern).unwrap_or(' ');
        self.patterns.chunks(self.columns).map(move |row| row.iter().map(character).collect())
    }
}

/// Draws a curve with a frame of so many characters, its values on a logarithmic scale where all are above 0.
pub(crate) fn plot(points: &[(f64, f64)], columns: usize, rows: usize) -> String {
    let finite: Vec<_> = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let (Some(first), Some(last)) = (finite.first(), finite.last()) else { return "no points yet\n".to_owned() };
    let is_logarithmic = finite.iter().all(|(_, y)| *y > 0.0);
    let height = |y: f64| if is_logarithmic { y.ln() } else { y };
    let (least, most) = finite.iter().fold((f64::MAX, f64::MIN), |(least, most), (_, y)| (least.min(*y), most.max(*y)));
    let labels = [label(most), label(least)];
    let margin = labels.iter().map(String::len).max().unwrap_or(0);
    let (columns, rows) = (columns.saturating_sub(margin + 2).max(8), rows.saturating_sub(2).max(2));
    let mut sheet = Sheet::blank(columns, rows);
    let share = |value: f64, from: f64, to: f64| if to > from { (value - from) / (to - from) } else { 0.5 };
    let place = |(x, y): (f64, f64)| {
        let right = share(x, first.0, last.0) * (columns * DOTS.0 - 1) as f64;
        let up = share(height(y), height(least), height(most));
        (right.round() as i64, ((1.0 - up) * (rows * DOTS.1 - 1) as f64).round() as i64)
    };
    for pair in finite.windows(2) {
        sheet.line(place(pair[0]), place(pair[1]));
    }
    sheet.line(place(*last), place(*last));
    let mut text = String::new();
    for (number, row) in sheet.rows().enumerate() {
        let label = match number {
            0 => labels[0].as_str(),
            _ if number == rows - 1 => labels[1].as_str(),
            _ => "",
        };
        let _ = writeln!(text, "{label:>margin$} │{row}");
    }
    let _ = writeln!(text, "{:>margin$} └{}", "", "─".repeat(columns));
    let (left, right) = (first.0.to_string(), last.0.to_string());
    let _ = writeln!(text, "{:>margin$}  {left}{right:>width$}", "", width = columns.saturating_sub(left.len()));
    text
}

/// Writes a value in few digits.
fn label(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        0.01..1000.0 => format!("{value:.2}"),
        1000.0..1e6 => format!("{value:.0}"),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_touches_both_ends_and_stays_on_the_sheet() {
        let mut sheet = Sheet::blank(2, 1);
        sheet.line((0, 0), (3, 3));
        assert_eq!(sheet.rows().collect::<Vec<_>>(), ["⠑⢄"]);
        sheet.line((-100, 2), (100, 2));
        assert_eq!(sheet.rows().collect::<Vec<_>>(), ["⠵⢤"]);
    }

    #[test]
    fn a_falling_loss_falls() {
        let points: Vec<_> = (1..=100).map(|step| (f64::from(step), 10.0 / f64::from(step))).collect();
        insta::assert_snapshot!(plot(&points, 60, 12));
    }

    #[test]
    fn a_curve_of_one_point_or_one_value_is_drawn_too() {
        insta::assert_snapshot!(plot(&[(1.0, 0.0), (2.0, 0.0)], 30, 5));
        assert_eq!(plot(&[(1.0, 7.0)], 30, 5).lines().count(), 5);
        assert_eq!(plot(&[], 30, 5), "no points yet\n");
        assert_eq!(plot(&[(1.0, f64::NAN)], 30, 5), "no points yet\n");
    }
}
