//! The outbox.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::table::{self, Column, Rows, column, rest};
use super::text::put;
use crate::app::App;
use crate::theme::{Theme, Tone};
use crate::words::{Cell, cell, maybe, span, toned};

const COLUMNS: [Column; 6] = [
    column("JOB", 8, 2),
    column("STATE", 7, 0),
    rest("RECIPIENT", 1),
    column("TRIES", 5, 4),
    column("NEXT TRY", 10, 3),
    column("LAST ANSWER", 30, 5),
];

/// Draws the view.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let mails = app.mail.shown();
    if mails.is_empty() {
        return put(" no mail", Tone::Quiet, theme, Rect { height: 1, ..area }, buffer);
    }
    let row = |index: usize| {
        let mail = mails[index];
        let next = mail.next_try.map(|at| {
            let left = at.duration_since(app.now).as_secs_f64();
            if left > 0.0 { format!("in {}", span(left)) } else { "now".to_owned() }
        });
        let answer = mail.last_answer.as_deref().map(|answer| if answer.is_empty() { "-" } else { answer });
        let cells: Vec<Cell> = vec![
            cell(mail.job.short().to_string()),
            toned(mail.state, mail.state.as_str()),
            cell(&mail.recipient),
            cell(mail.attempts.to_string()),
            maybe(next),
            maybe(answer),
        ];
        (cells, false)
    };
    let chosen = app.mail.cursor.index(&app.mail.rows());
    let answer = app.mail.chosen().and_then(|mail| mail.last_answer.as_deref()).filter(|_| area.height >= 8);
    let list = Rect { height: area.height - if answer.is_some() { 2 } else { 0 }, ..area };
    table::draw(&COLUMNS, &Rows { count: mails.len(), chosen, row: &row }, theme, list, buffer);
    if let Some(answer) = answer {
        let (text, tone) = toned(Tone::Quiet, format!("last answer: {answer}"));
        put(&text, tone, theme, Rect { x: area.x + 1, y: area.bottom() - 1, width: area.width - 1, height: 1 }, buffer);
    }
}
