//! The devices, what is on each, and how busy each has been.

use protocol::{Device, Job, JobState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::table::{self, Column, Rows, column, rest};
use super::text::put;
use crate::app::App;
use crate::theme::{Theme, Tone};
use crate::words::{Cell, bytes, cell, maybe, plain, style, toned};

const COLUMNS: [Column; 7] = [
    column("NAME", 10, 0),
    column("STATE", 5, 1),
    column("LOAD", 5, 2),
    column("TEMP", 6, 5),
    column("MEMORY", 8, 4),
    column("THREADS", 7, 6),
    rest("MODEL", 7),
];

/// Eight heights of a bar.
const HEIGHTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws the view.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let devices = app.devices.all();
    let row = |index: usize| (cells(&devices[index]), false);
    let chosen = app.devices.cursor.index(&app.devices.rows());
    let list = Rect { height: (devices.len() as u16 + 1).max(3).min(area.height.div_ceil(2)), ..area };
    table::draw(&COLUMNS, &Rows { count: devices.len(), chosen, row: &row }, theme, list, buffer);
    let mut y = list.bottom() + u16::from(area.height > 8);
    for device in devices {
        for (text, tone) in work(app, device) {
            if y < area.bottom() {
                put(&text, tone, theme, Rect { x: area.x + 1, y, width: area.width - 1, height: 1 }, buffer);
            }
            y += 1;
        }
        if y < area.bottom() {
            history(app, device, theme, Rect { x: area.x + 1, y, width: area.width - 1, height: 1 }, buffer);
        }
        y += 1 + u16::from(area.height > 8);
    }
}

fn cells(device: &Device) -> Vec<Cell> {
    let (tone, state) = if device.busy { (Tone::Active, "busy") } else { (Tone::Quiet, "idle") };
    vec![
        cell(&device.name),
        toned(tone, state),
        maybe(device.utilisation.map(|share| format!("{:.0}%", share * 100.0))),
        maybe(device.temperature.map(|degrees| format!("{degrees:.0} °C"))),
        cell(bytes(device.memory_bytes)),
        maybe((device.threads > 0).then(|| device.threads.to_string())),
        maybe(device.model.as_deref()),
    ]
}

/// Says what a device works on: the photo in front, and what gives way to photos behind it.
fn work(app: &App, device: &Device) -> Vec<(String, Tone)> {
    let here = |job: &&Job| matches!(&job.state, JobState::Running { device: on, .. } if *on == device.name);
    let name = plain(&device.name);
    let mut lines: Vec<_> = app
        .jobs
        .all()
        .filter(here)
        .map(|job| {
            let JobState::Running { progress, .. } = &job.state else { return (String::new(), Tone::Plain) };
            let percent = progress.done.saturating_mul(100).checked_div(progress.total).unwrap_or(0);
            (format!("{name}  {}  {} {}  {percent}%", job.id.short(), job.kind(), style(job)), Tone::Active)
        })
        .collect();
    if lines.is_empty() {
        lines.push((format!("{name}  idle"), Tone::Quiet));
    }
    lines
}

/// Draws the last half hour as bars.
fn history(app: &App, device: &Device, theme: Theme, line: Rect, buffer: &mut Buffer) {
    let label = " busy, 30 min";
    let columns = usize::from(line.width).saturating_sub(label.len()).min(120);
    let bars = app.devices.history(&device.name, app.now, columns).into_iter().map(|share| match share {
        Some(share) if share > 0.0 => HEIGHTS[((share * 8.0).ceil() as usize).clamp(1, 8)],
        Some(_) => '▁',
        None => '·',
    });
    let text: String = bars.collect();
    put(&(text + label), Tone::Quiet, theme, line, buffer);
}
