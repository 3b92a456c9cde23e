//! A job's losses: as a table for people, for spreadsheets, or drawn.

use std::fmt::Write as _;

use protocol::{LossCurve, LossPoint};

use super::args;
use super::printer::Printer;
use super::{CliError, view};
use crate::chart;
use crate::conn::Connection;

/// Points of a table that is read rather than computed with.
const ROWS: u32 = 20;

/// A drawing's size in characters where there is no terminal to fill.
const DRAWING: (usize, usize) = (80, 20);

/// Shows a job's losses.
pub(super) async fn run(connection: &Connection, order: args::Losses, printer: &Printer) -> Result<(), CliError> {
    let is_table = !(order.plot || order.csv || printer.is_json());
    let max = order.max.or(is_table.then_some(ROWS));
    let curve = connection.losses(order.job.id, max).await?;
    if order.csv && !printer.is_json() {
        return printer.text(&csv(&curve));
    }
    if order.plot && !curve.points.is_empty() && !curve.terms.contains(&order.term) {
        let known = curve.terms.join(", ");
        return Err(CliError::Usage(format!("the losses have no term \"{}\"; there are {known}", order.term)));
    }
    printer.value(&curve, |look| {
        if order.plot {
            let rows = crossterm::terminal::size().map_or(DRAWING.1, |(_, rows)| usize::from(rows).clamp(8, 30) - 2);
            return drawing(&curve, &order.term, (look.columns.unwrap_or(DRAWING.0), rows));
        }
        view::losses(&curve, look)
    })
}

/// Draws one term over the steps, with its latest value.
fn drawing(curve: &LossCurve, term: &str, (columns, rows): (usize, usize)) -> String {
    let value = |point: &LossPoint| Some((point.step as f64, point.term(term)?));
    let points: Vec<_> = curve.points.iter().filter_map(value).collect();
    let newest =
        curve.points.last().and_then(|point| Some(format!("{term} {:.4} at step {}", point.term(term)?, point.step)));
    format!("{}\n{}", newest.as_deref().unwrap_or(term), chart::plot(&points, columns, rows))
}

/// Writes a line of names, then a line a point, every number exact.
fn csv(curve: &LossCurve) -> String {
    let mut text = format!("step,seconds,{}\n", curve.terms.join(","));
    for point in &curve.points {
        let _ = write!(text, "{},{}", point.step, point.seconds);
        for term in &curve.terms {
            let _ = write!(text, ",{}", point.term(term).map_or_else(String::new, |value| value.to_string()));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use protocol::JobId;

    use super::*;

    #[test]
    fn a_table_loses_no_digit_and_a_drawing_says_where_it_stands() {
        let point = |step: u64, total: f64| {
            let layers = BTreeMap::from([("relu1_1".to_owned(), 0.5)]);
            LossPoint { step, seconds: 0.5, total, content: 1.0, style: 2.0, tv: 0.0, layers }
        };
        let curve = LossCurve::new(JobId::new(), vec![point(1, 0.1 + 0.2), point(2, 0.25)]);
        assert_eq!(
            csv(&curve),
            "step,seconds,total,content,style,tv,relu1_1\n1,0.5,0.30000000000000004,1,2,0,0.5\n2,0.5,0.25,1,2,0,0.5\n"
        );
        assert!(drawing(&curve, "relu1_1", (40, 8)).starts_with("relu1_1 0.5000 at step 2\n"));
        let empty = LossCurve::new(JobId::new(), Vec::new());
        assert_eq!(drawing(&empty, "total", (40, 8)), "total\nno points yet\n");
    }
}
