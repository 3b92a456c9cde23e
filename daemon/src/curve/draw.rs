//! A drawn curve as plain shapes, for whoever puts them on paper.

use protocol::LossPoint;

use super::{png, svg};

/// Size of the drawing in pixels.
const SIZE: (f64, f64) = (960.0, 540.0);

/// Where the plot lies in it: left, top, right, bottom.
const PLOT: [f64; 4] = [78.0, 52.0, 936.0, 484.0];

/// Points that a drawing has at most; more would fall onto the same pixels.
pub(super) const MOST_POINTS: usize = 1600;

/// A span of values whose ends lie further apart than this is drawn on a logarithmic scale.
const WIDE: f64 = 8.0;

/// The terms that are drawn, each with its colour.
const SERIES: [(&str, Ink); 4] = [
    ("total", Ink(0x22, 0x22, 0x22)),
    ("content", Ink(0x2a, 0x6f, 0xbb)),
    ("style", Ink(0xc0, 0x39, 0x2b)),
    ("tv", Ink(0x2e, 0x8b, 0x57)),
];

const WORDS: Ink = Ink(0x44, 0x44, 0x44);
const GRID: Ink = Ink(0xe4, 0xe4, 0xe4);
const FRAME: Ink = Ink(0x99, 0x99, 0x99);

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ink(pub(super) u8, pub(super) u8, pub(super) u8);

/// Where a text lies from the point that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// To its right.
    Start,
    /// Around it.
    Middle,
    /// To its left.
    End,
}

/// A part of a drawing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A connected line.
    Line { points: Vec<(f64, f64)>, ink: Ink, width: f64 },
    /// A text, vertically centred on its point.
    Words { at: (f64, f64), text: String, anchor: Anchor, ink: Ink },
}

/// A drawn loss curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    shapes: Vec<Shape>,
}

impl Chart {
    /// Writes the drawing as SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::write(SIZE, &self.shapes)
    }

    /// Draws it as PNG; no font of the system is needed.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        png::write(SIZE, &self.shapes)
    }
}

/// Draws a curve: total, content and style, and the total variation where it counts, over the steps.
#[must_use]
pub fn chart(title: &str, points: &[LossPoint]) -> Chart {
    let [left, top, right, bottom] = PLOT;
    let mut shapes = vec![words((left, 22.0), title, Anchor::Start)];
    let is_drawn = |term: &str| points.iter().any(|point| point.term(term).is_some_and(|value| value > 0.0));
    let drawn: Vec<_> = SERIES.into_iter().filter(|(term, _)| is_drawn(term)).collect();
    if drawn.is_empty() {
        shapes.push(words((f64::midpoint(left, right), f64::midpoint(top, bottom)), "no steps yet", Anchor::Middle));
        return Chart { shapes };
    }
    let values = drawn.iter().flat_map(|(term, _)| points.iter().filter_map(|point| point.term(term)));
    let rows = Scale::of(values.filter(|value| *value > 0.0), (bottom, top));
    let steps = points.iter().map(|point| point.step as f64);
    let columns = Scale::linear(steps.clone().fold(f64::MAX, f64::min), steps.fold(f64::MIN, f64::max), (left, right));
    for (value, y) in rows.ticks() {
        shapes.push(line(vec![(left, y), (right, y)], GRID, 1.0));
        shapes.push(words((left - 8.0, y), &label(value), Anchor::End));
    }
    for (value, x) in columns.ticks().into_iter().filter(|(value, _)| value.fract() == 0.0) {
        shapes.push(line(vec![(x, bottom), (x, bottom + 5.0)], FRAME, 1.0));
        shapes.push(words((x, bottom + 18.0), &label(value), Anchor::Middle));
    }
    shapes.push(line(vec![(left, top), (left, bottom), (right, bottom)], FRAME, 1.0));
    shapes.push(words((f64::midpoint(left, right), bottom + 42.0), "step", Anchor::Middle));
    for (at, (term, ink)) in drawn.iter().enumerate() {
        let path =
            points.iter().filter_map(|point| Some((columns.place(point.step as f64), rows.place(point.term(term)?))));
        let mut path: Vec<_> = path.collect();
        if let [only] = path[..] {
            path.push((only.0 + 1.0, only.1));
        }
        shapes.push(line(path, *ink, 1.6));
        let place = right - 110.0 * (drawn.len() - at) as f64;
        shapes.push(line(vec![(place, 22.0), (place + 22.0, 22.0)], *ink, 3.0));
        shapes.push(words((place + 29.0, 22.0), term, Anchor::Start));
    }
    Chart { shapes }
}

fn words(at: (f64, f64), text: &str, anchor: Anchor) -> Shape {
    Shape::Words { at, text: text.to_owned(), anchor, ink: WORDS }
}

fn line(points: Vec<(f64, f64)>, ink: Ink, width: f64) -> Shape {
    Shape::Line { points, ink, width }
}

/// Writes a tick's value as short as it can be told.
fn label(value: f64) -> String {
    let text = if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) {
        format!("{value:.0e}")
    } else {
        format!("{value:.6}")
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Maps values onto pixels.
#[derive(Clone, Copy, Debug)]
struct Scale {
    low: f64,
    high: f64,
    pixels: (f64, f64),
    is_logarithmic: bool,
}

impl Scale {
    /// Takes in all values: from zero, or logarithmically where they lie far apart.
    fn of(values: impl Iterator<Item = f64> + Clone, pixels: (f64, f64)) -> Self {
        let least = values.clone().fold(f64::MAX, f64::min);
        let most = values.fold(f64::MIN, f64::max);
        if most / least > WIDE {
            return Self { low: least / 1.1, high: most * 1.1, pixels, is_logarithmic: true };
        }
        Self::linear(0.0, most * 1.05, pixels)
    }

    fn linear(low: f64, high: f64, pixels: (f64, f64)) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { low, high, pixels, is_logarithmic: false }
    }

    fn place(&self, value: f64) -> f64 {
        let (from, to) = self.pixels;
        let share = if self.is_logarithmic {
            // As differences: the quotient of a common number and the least ones that there are is none.
            (value.max(self.low).ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        from + share.clamp(0.0, 1.0) * (to - from)
    }

    /// Returns round values in the span and where they lie.
    fn ticks(&self) -> Vec<(f64, f64)> {
        let values = if self.is_logarithmic { self.logarithmic_ticks() } else { self.linear_ticks() };
        values.into_iter().map(|value| (value, self.place(value))).collect()
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 6.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|count| count as f64 * step).collect()
    }

    fn logarithmic_ticks(&self) -> Vec<f64> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let factors: &[f64] = match decades.clone().count() {
            0..=4 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let all = decades.flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        all.filter(|value| (self.low..=self.high).contains(value)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use models::picture::{Limits, decode};

    use super::super::tests::point;
    use super::*;

    fn falling(steps: u64) -> Vec<LossPoint> {
        (1..=steps).map(|step| point(step, 40.0 / step as f64 + (step % 7) as f64 / 20.0)).collect()
    }

    #[test]
    fn every_line_stays_within_the_plot() {
        let [left, top, right, bottom] = PLOT;
        let extremes = vec![point(1, f64::MIN_POSITIVE / 9e15), point(2, 1.0)];
        for points in [falling(1), falling(2), falling(300), vec![point(7, 0.0), point(8, 3.0)], extremes] {
            for shape in chart("t", &points).shapes {
                let Shape::Line { points, ink, .. } = shape else { continue };
                let is_curve = SERIES.iter().any(|(_, of)| *of == ink) && points[0].1 > 30.0;
                for (x, y) in points.iter().filter(|_| is_curve) {
                    assert!((left..=right + 1.0).contains(x) && (top..=bottom).contains(y), "{x} {y}");
                }
            }
        }
    }

    #[test]
    fn a_wide_span_is_drawn_logarithmically_with_ticks_that_people_can_read() {
        let scale = Scale::of([0.3, 4.0, 70.0].into_iter(), (0.0, 1.0));
        let ticks: Vec<_> = scale.ticks().into_iter().map(|(value, _)| label(value)).collect();
        assert_eq!(ticks, ["0.5", "1", "2", "5", "10", "20", "50"]);
        let scale = Scale::of([0.3, 0.9].into_iter(), (0.0, 1.0));
        let ticks: Vec<_> = scale.ticks().into_iter().map(|(value, _)| label(value)).collect();
        assert_eq!(ticks, ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!([label(2e-7), label(3e7), label(400.0)], ["2e-7", "3e7", "400"]);
    }

    #[test]
    fn a_drawn_curve_is_a_picture_and_a_text() {
        let chart = chart("great-wave <1> & more", &falling(300));
        let svg = chart.svg();
        assert!(svg.contains("great-wave &lt;1&gt; &amp; more") && svg.ends_with("</svg>\n"), "{svg}");
        let (_, picture) = decode(&chart.png(), Limits { pixels: 1 << 20 }).unwrap();
        assert_eq!((picture.width(), picture.height()), (960, 540));
        let inked = picture.rgb().chunks_exact(3).filter(|pixel| pixel[0] > 60 + pixel[2].min(190)).count();
        assert!(inked > 500, "the style's line is there: {inked} pixels");
    }

    #[test]
    fn a_curve_without_steps_says_so() {
        let chart = chart("t", &[]);
        assert!(chart.svg().contains("no steps yet"));
        assert!(!chart.png().is_empty());
    }
}
