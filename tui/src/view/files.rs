//! The list of files, and what the chosen one looks like.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget as _};

use super::pixels;
use super::table::{self, Column, Rows, column, rest};
use super::text::{pieces, put, wrap};
use crate::app::files::Files;
use crate::picture::Shown;
use crate::theme::{Theme, Tone};
use crate::words::{Cell, bytes, cell, plain, toned};

const COLUMNS: [Column; 2] = [rest("NAME", 0), column("SIZE", 9, 1)];

/// Draws the choice over everything.
pub(super) fn draw(files: &Files, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Shown> {
    Clear.render(area, buffer);
    let folder = files.folder.as_ref().map(|folder| folder.display().to_string()).unwrap_or_default();
    let marked = match files.marks.len() {
        0 => String::new(),
        marks => format!("  {marks} marked"),
    };
    let mut heading = vec![(format!(" {}", files.title()), Tone::Heading), (marked, Tone::Waiting)];
    heading.push((format!("  {}", plain(&folder)), Tone::Quiet));
    if files.is_typing || !files.filter.is_empty() {
        let end = if files.is_typing { "▏" } else { "" };
        heading.insert(1, (format!("  /{}{end}", plain(&files.filter)), Tone::Key));
    }
    pieces(&heading, theme, Rect { height: 1, ..area }, buffer);
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if let Some(problem) = &files.problem {
        let line = Rect { height: body.height.min(1), ..body };
        put(&format!(" {}", plain(problem)), Tone::Bad, theme, line, buffer);
        return None;
    }
    let list = if body.width >= 60 { Rect { width: body.width / 2, ..body } } else { body };
    let shown = files.shown();
    let row = |index: usize| {
        let entry = shown[index];
        let path = files.folder.as_ref().map(|folder| folder.join(&entry.name));
        let cells: Vec<Cell> = if entry.is_folder {
            vec![toned(Tone::Active, format!("{}/", entry.name)), toned(Tone::Quiet, "")]
        } else {
            vec![cell(&entry.name), toned(Tone::Quiet, bytes(entry.bytes))]
        };
        (cells, path.is_some_and(|path| files.marks.contains(&path)))
    };
    table::draw(&COLUMNS, &Rows { count: shown.len(), chosen: files.index(), row: &row }, theme, list, buffer);
    let beside = Rect { x: list.right() + 1, width: body.right().saturating_sub(list.right() + 1), ..body };
    let chosen = files.chosen().map(|(_, path)| path);
    let (_, preview) = files.preview.as_ref().filter(|(path, _)| Some(path) == chosen.as_ref())?;
    match preview {
        Ok(picture) if !beside.is_empty() => {
            let (width, height) = picture.full_size();
            put(&format!("{width}×{height}"), Tone::Quiet, theme, Rect { height: 1, ..beside }, buffer);
            let place = Rect { y: beside.y + 1, height: beside.height - 1, ..beside };
            pixels::draw(picture, theme, place, buffer)
        }
        Ok(_) => None,
        Err(problem) => {
            let lines = wrap(&plain(problem), usize::from(beside.width.max(1)));
            for (y, line) in (beside.y..beside.bottom()).zip(lines) {
                put(&line, Tone::Quiet, theme, Rect { y, height: 1, ..beside }, buffer);
            }
            None
        }
    }
}
