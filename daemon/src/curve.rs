//! Loss curves: kept a point a step, thinned, written as CSV, drawn.

mod draw;
mod file;
mod png;
mod svg;

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use protocol::LossPoint;

pub use draw::{Chart, chart};
pub use file::{Curve, CurveFile};

/// Chooses at most `most` places of a curve by its totals: the first, the last, and of each bucket between them the
/// smallest and the largest, so that a spike is never thinned away. All of them where there are no more.
#[must_use]
pub fn thin(totals: &[f64], most: usize) -> Vec<usize> {
    let Some(last) = totals.len().checked_sub(1).filter(|last| *last >= most) else {
        return (0..totals.len()).collect();
    };
    match most {
        0 => Vec::new(),
        1 => vec![last],
        2 | 3 => vec![0, last],
        _ => {
            let buckets = (most - 2) / 2;
            let edge = |bucket: usize| 1 + (last - 1) * bucket / buckets;
            let extremes = (0..buckets).flat_map(|bucket| extremes(totals, edge(bucket)..edge(bucket + 1)));
            std::iter::once(0).chain(extremes).chain([last]).collect()
        }
    }
}

/// Finds where a range's totals are smallest and largest, in order.
fn extremes(totals: &[f64], range: std::ops::Range<usize>) -> impl Iterator<Item = usize> {
    let by_total = |a: &usize, b: &usize| totals[*a].total_cmp(&totals[*b]);
    let least = range.clone().min_by(by_total);
    let most = range.max_by(by_total).filter(|most| Some(*most) != least);
    let (first, second) = if least < most { (least, most) } else { (most, least) };
    first.into_iter().chain(second)
}

/// Reads a curve for a drawing.
///
/// # Errors
/// Those of the file system.
pub fn drawn(path: &Path) -> io::Result<Vec<LossPoint>> {
    let Some(curve) = Curve::open(path)? else { return Ok(Vec::new()) };
    curve.points(&thin(&curve.totals()?, draw::MOST_POINTS))
}

/// Writes a table's line of names.
#[must_use]
pub fn csv_names(terms: &[String]) -> String {
    format!("step,seconds,{}\n", terms.join(","))
}

/// Writes a table's lines of some points, every number exact.
#[must_use]
pub fn csv_lines(terms: &[String], points: &[LossPoint]) -> String {
    let mut text = String::new();
    for point in points {
        let _ = write!(text, "{},{}", point.step, point.seconds);
        for term in terms {
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
    use protocol::{JobId, LossCurve};

    use super::*;

    pub(crate) fn point(step: u64, total: f64) -> LossPoint {
        let layers = BTreeMap::from([("relu1_1".to_owned(), total / 4.0), ("relu2_1".to_owned(), total / 8.0)]);
        LossPoint { step, seconds: step as f64 / 2.0, total, content: total / 2.0, style: total / 6.0, tv: 0.0, layers }
    }

    #[test]
    fn a_spike_is_never_thinned_away() {
        let totals: Vec<_> = (0..1000).map(|place| if place == 457 { 900.0 } else { 1.0 }).collect();
        let thinned = thin(&totals, 20);
        assert!(thinned.len() <= 20 && thinned.contains(&457), "{thinned:?}");
    }

    #[test]
    fn a_curve_that_is_short_enough_stays_whole() {
        assert_eq!(thin(&[1.0; 7], 7), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(thin(&[1.0; 7], 3), [0, 6]);
        assert_eq!(thin(&[1.0; 7], 1), [6]);
        assert_eq!((thin(&[1.0; 7], 0), thin(&[], 5)), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn thinning_keeps_order_ends_and_the_extremes(
            totals in proptest::collection::vec(0.0..10.0_f64, 5..400), most in 4..60_usize
        ) {
            let thinned = thin(&totals, most);
            prop_assert!(thinned.len() <= most.max(4));
            prop_assert!(thinned.is_sorted_by(|a, b| a < b));
            prop_assert_eq!((thinned.first(), thinned.last()), (Some(&0), Some(&(totals.len() - 1))));
            let range = |totals: &mut dyn Iterator<Item = f64>| {
                totals.fold((f64::MAX, f64::MIN), |(least, most), total| (least.min(total), most.max(total)))
            };
            let kept = range(&mut thinned.iter().map(|place| totals[*place]));
            prop_assert_eq!(kept, range(&mut totals.iter().copied()));
        }
    }

    #[test]
    fn a_table_has_a_line_a_point_and_loses_no_digit() {
        let job = JobId::new();
        let curve = LossCurve::new(job, vec![point(1, 0.1 + 0.2), point(2, 8.0)]);
        let text = csv_names(&curve.terms) + &csv_lines(&curve.terms, &curve.points);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "step,seconds,total,content,style,tv,relu1_1,relu2_1");
        assert_eq!(lines[2], "2,1,8,4,1.3333333333333333,0,2,1");
        let total: f64 = lines[1].split(',').nth(2).unwrap().parse().unwrap();
        assert_eq!(total.to_bits(), (0.1_f64 + 0.2).to_bits());
        assert_eq!(csv_names(&LossCurve::new(job, Vec::new()).terms), "step,seconds,total,content,style,tv\n");
    }
}
