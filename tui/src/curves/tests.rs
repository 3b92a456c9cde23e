//! The chart on curves of every kind.

use std::collections::BTreeMap;
use std::time::Instant;

use protocol::LossPoint;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::draw::MARKERS;
use super::*;
use crate::theme::{Charset, Depth, Ground, Theme};

const THEME: Theme = Theme { depth: Depth::None, ground: Ground::Dark, charset: Charset::Unicode };

fn point(step: u64, total: f64) -> LossPoint {
    let layers = BTreeMap::new();
    LossPoint { step, seconds: step as f64 * 0.5, total, content: total / 2.0, style: total / 4.0, tv: 0.0, layers }
}

fn curve(values: impl IntoIterator<Item = f64>) -> Curve {
    let mut curve = Curve::default();
    values.into_iter().zip(1..).for_each(|(value, step)| curve.push(&point(step, value)));
    curve
}

fn chart(curve: &Curve) -> Chart<'_> {
    let x = curve.span(Axis::Steps).unwrap_or((0.0, 1.0));
    let lines = vec![Line { curve, term: "total", number: 0 }];
    Chart { lines, axis: Axis::Steps, x, logarithmic: false, window: 1, cursor: None }
}

fn drawn(chart: &Chart<'_>, theme: Theme, width: u16, height: u16) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    chart.draw(theme, area, &mut buffer);
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>().trim_end().to_owned();
    (0..height).map(|y| line(y) + "\n").collect()
}

/// A loss that falls, with some noise.
fn falling(count: u32) -> impl Iterator<Item = f64> {
    (0..count).map(|step| 900.0 * (-f64::from(step) / 60.0).exp() + 40.0 + f64::from(step * 37 % 23))
}

#[test]
fn a_falling_loss_falls() {
    insta::assert_snapshot!(drawn(&chart(&curve(falling(400))), THEME, 70, 14));
}

#[test]
fn smoothed_on_a_logarithmic_scale() {
    let curve = curve(falling(400));
    let chart = Chart { logarithmic: true, window: 20, cursor: Some(200.0), ..chart(&curve) };
    insta::assert_snapshot!(drawn(&chart, THEME, 70, 14));
}

#[test]
fn in_ascii() {
    let curve = curve(falling(400));
    let ascii = Theme { charset: Charset::Ascii, ..THEME };
    let picture = drawn(&Chart { window: 20, ..chart(&curve) }, ascii, 50, 10);
    insta::assert_snapshot!(picture);
}

#[test]
fn runs_are_told_apart_by_their_signs() {
    let (one, other) = (curve(falling(400)), curve(falling(250).map(|value| value * 0.7)));
    let lines = [&one, &other].into_iter().enumerate();
    let lines = lines.map(|(number, curve)| Line { curve, term: "total", number }).collect();
    let picture = drawn(&Chart { lines, ..chart(&one) }, THEME, 70, 14);
    assert!(picture.contains(MARKERS[0]) && picture.contains(MARKERS[1]), "{picture}");
    insta::assert_snapshot!(picture);
}

#[test]
fn a_few_points_are_joined() {
    insta::assert_snapshot!(drawn(&chart(&curve([9.0, 1.0, 5.0, 5.0])), THEME, 40, 8));
}

#[test]
fn one_point_is_seen() {
    let picture = drawn(&chart(&curve([3.5])), THEME, 40, 8);
    assert!(picture.contains(MARKERS[0]), "{picture}");
}

#[test]
fn no_points_no_terms_and_no_room_are_no_trouble() {
    let empty = Curve::default();
    assert!(drawn(&chart(&empty), THEME, 40, 8).contains("nothing to draw"));
    let some = curve([1.0, 2.0]);
    let unknown = Chart { lines: vec![Line { curve: &some, term: "gram", number: 0 }], ..chart(&some) };
    assert!(drawn(&unknown, THEME, 40, 8).contains("nothing to draw"));
    for (width, height) in [(1, 1), (10, 2), (11, 3), (12, 3), (500, 200)] {
        for logarithmic in [false, true] {
            drawn(&Chart { logarithmic, ..chart(&some) }, THEME, width, height);
        }
    }
}

#[test]
fn what_is_not_finite_is_a_gap_and_spoils_nothing() {
    let good = [5.0, 4.0, 3.0, 2.0, 1.0];
    let with = [5.0, f64::NAN, 3.0, f64::INFINITY, 1.0];
    let (good, with) = (curve(good), curve(with));
    let labels =
        |picture: &str| -> Vec<_> { picture.lines().map(|line| line.chars().take(7).collect::<String>()).collect() };
    let (plain, gapped) = (drawn(&chart(&good), THEME, 40, 8), drawn(&chart(&with), THEME, 40, 8));
    assert_eq!(labels(&plain), labels(&gapped), "the scale is that of what is finite");
    assert_ne!(plain, gapped);
    assert_eq!((with.lost("total"), good.lost("total")), (2, 0));
    let none = curve([f64::NAN, f64::NEG_INFINITY, f64::INFINITY]);
    assert!(drawn(&chart(&none), THEME, 40, 8).contains("nothing to draw"));
    let zero = curve([1.0, 0.0, -3.0, 2.0]);
    drawn(&Chart { logarithmic: true, window: 3, ..chart(&zero) }, THEME, 40, 8);
    let huge = curve([f64::MAX, -f64::MAX, 1.0, f64::MIN_POSITIVE]);
    for logarithmic in [false, true] {
        drawn(&Chart { logarithmic, ..chart(&huge) }, THEME, 40, 8);
    }
}

#[test]
fn a_run_that_went_back_shows_its_second_try() {
    let mut curve = curve([9.0, 8.0, 7.0, 6.0, 5.0]);
    curve.push(&point(3, 70.0));
    assert_eq!((curve.len(), curve.value("total", 2), curve.step(2)), (3, Some(70.0), Some(3)));
    let mut kept = self::curve([9.0, 8.0]);
    kept.extend_from(&curve);
    assert_eq!((kept.len(), kept.value("total", 2)), (3, Some(70.0)));
}

#[test]
fn the_clock_and_the_steps_lead_to_the_same_point() {
    let curve = curve(falling(100));
    assert_eq!(curve.at(50.0, Axis::Steps), Some(49));
    assert_eq!(curve.at(25.1, Axis::Clock), Some(49));
    assert_eq!(curve.at(0.0, Axis::Steps), None);
    assert_eq!(curve.at(1e9, Axis::Clock), Some(99));
    assert!(curve.pace(20).is_some_and(|pace| (pace - 2.0).abs() < 1e-9));
}

/// Ten million points, with a spike of one step among them; says at which.
fn ten_million() -> (Curve, u64) {
    let spike = 7_654_321;
    let mut curve = Curve::default();
    let mut next = point(1, 1.0);
    for step in 1..=10_000_000_u64 {
        next.step = step;
        next.total = if step == spike { 90.0 } else { 1.0 + (step % 7) as f64 * 0.01 };
        curve.push(&next);
    }
    (curve, spike)
}

#[test]
fn a_spike_among_ten_million_points_stays_visible() {
    let (curve, spike) = ten_million();
    let picture = drawn(&chart(&curve), THEME, 200, 50);
    let column = 7 + (193.0 * spike as f64 / 1e7) as usize;
    let tops: Vec<_> = picture.lines().take(40).map(|line| line.chars().nth(column).unwrap_or(' ')).collect();
    let reaches = tops.iter().all(|c| ('\u{2801}'..='\u{28ff}').contains(c));
    assert!(reaches, "from top to bottom: {tops:?}");
}

/// Measured, not tested: `cargo test --release -p tui ten_million -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, for the optimised program"]
fn ten_million_points_in_a_frame() {
    let (curve, _) = ten_million();
    let whole = chart(&curve);
    let smoothed = Chart { window: 256, logarithmic: true, cursor: Some(5e6), ..chart(&curve) };
    let area = Rect::new(0, 0, 500, 200);
    let mut buffer = Buffer::empty(area);
    for (name, chart) in [("measured", whole), ("smoothed, logarithmic", smoothed)] {
        let mut times: Vec<_> = (0..101)
            .map(|_| {
                let begun = Instant::now();
                chart.draw(THEME, area, &mut buffer);
                begun.elapsed()
            })
            .collect();
        times.sort();
        eprintln!("{name}, 10^7 points on 500x200: median {:?}, longest {:?}", times[50], times[100]);
    }
}
