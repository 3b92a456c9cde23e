//! Loss curves: kept a point a step, thinned, written as CSV, drawn.

mod draw;
mod file;
mod png;
mod svg;

use std::fmt::Write as _;

use protocol::{LossCurve, LossPoint};

pub use draw::{Chart, chart};
pub use file::{CurveFile, read};

/// Leaves at most `most` points: the first, the last, and of each bucket between them the smallest and the largest
/// total, so that a spike is never thinned away.
#[must_use]
pub fn thin(points: Vec<LossPoint>, most: usize) -> Vec<LossPoint> {
    if points.len() <= most {
        return points;
    }
    let last = points.len() - 1;
    let kept: Vec<usize> = match most {
        0 => Vec::new(),
        1 => vec![last],
        2 | 3 => vec![0, last],
        _ => {
            let buckets = (most - 2) / 2;
            let edge = |bucket: usize| 1 + (last - 1) * bucket / buckets;
            let extremes = (0..buckets).flat_map(|bucket| extremes(&points, edge(bucket)..edge(bucket + 1)));
            std::iter::once(0).chain(extremes).chain([last]).collect()
        }
    };
    let mut kept = kept.into_iter().peekable();
    let numbered = points.into_iter().enumerate();
    numbered.filter(|(at, _)| kept.next_if_eq(at).is_some()).map(|(_, point)| point).collect()
}

/// Finds where a range's totals are smallest and largest, in order.
fn extremes(points: &[LossPoint], range: std::ops::Range<usize>) -> impl Iterator<Item = usize> {
    let by_total = |a: &usize, b: &usize| points[*a].total.total_cmp(&points[*b].total);
    let least = range.clone().min_by(by_total);
    let most = range.max_by(by_total).filter(|most| Some(*most) != least);
    let (first, second) = if least < most { (least, most) } else { (most, least) };
    first.into_iter().chain(second)
}

/// Writes a curve as a table: a line of names, then a line a point, every number exact.
#[must_use]
pub fn csv(curve: &LossCurve) -> String {
    let mut text = format!("step,seconds,{}\n", curve.terms.join(","));
    for point in &curve.points {
        let _ = write!(text, "{},{}", point.step, point.seconds);
        for term in &curve.terms {
            let _ = match point.term(term) {
                Some(value) => write!(text, ",{value}"),
                None => write!(text, ","),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use protocol::JobId;

    use super::*;

    pub(crate) fn point(step: u64, total: f64) -> LossPoint {
        let layers = BTreeMap::from([("relu1_1".to_owned(), total / 4.0), ("relu2_1".to_owned(), total / 8.0)]);
        LossPoint { step, seconds: step as f64 / 2.0, total, content: total / 2.0, style: total / 6.0, tv: 0.0, layers }
    }

    fn steps(points: &[LossPoint]) -> Vec<u64> {
        points.iter().map(|point| point.step).collect()
    }

    #[test]
    fn a_spike_is_never_thinned_away() {
        let points = (1..=1000).map(|step| point(step, if step == 457 { 900.0 } else { 1.0 })).collect();
        let thinned = thin(points, 20);
        assert!(thinned.len() <= 20);
        assert!(thinned.iter().any(|point| point.step == 457));
    }

    #[test]
    fn a_curve_that_is_short_enough_stays_whole() {
        let points: Vec<_> = (1..=7).map(|step| point(step, 1.0)).collect();
        assert_eq!(thin(points.clone(), 7), points);
        assert_eq!(steps(&thin(points.clone(), 3)), [1, 7]);
        assert_eq!(steps(&thin(points.clone(), 1)), [7]);
        assert!(thin(points, 0).is_empty());
    }

    proptest! {
        #[test]
        fn thinning_keeps_order_ends_and_the_extremes(
            totals in proptest::collection::vec(0.0..10.0_f64, 5..400), most in 4..60_usize
        ) {
            let points: Vec<_> = (1..).zip(&totals).map(|(step, total)| point(step, *total)).collect();
            let thinned = thin(points.clone(), most);
            prop_assert!(thinned.len() <= most.max(4));
            prop_assert!(steps(&thinned).is_sorted_by(|a, b| a < b));
            prop_assert_eq!(thinned.first(), points.first());
            prop_assert_eq!(thinned.last(), points.last());
            let range = |points: &[LossPoint]| {
                let totals = points.iter().map(|point| point.total);
                (totals.clone().fold(f64::MAX, f64::min), totals.fold(f64::MIN, f64::max))
            };
            prop_assert_eq!(range(&thinned), range(&points));
        }
    }

    #[test]
    fn a_table_has_a_line_a_point_and_loses_no_digit() {
        let job = JobId::new();
        let curve = LossCurve::new(job, vec![point(1, 0.1 + 0.2), point(2, 8.0)]);
        let text = csv(&curve);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "step,seconds,total,content,style,tv,relu1_1,relu2_1");
        assert_eq!(lines[2], "2,1,8,4,1.3333333333333333,0,2,1");
        let total: f64 = lines[1].split(',').nth(2).unwrap().parse().unwrap();
        assert_eq!(total.to_bits(), (0.1_f64 + 0.2).to_bits());
        assert_eq!(csv(&LossCurve::new(job, Vec::new())), "step,seconds,total,content,style,tv\n");
    }
}
