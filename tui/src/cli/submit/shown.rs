//! How waiting looks: a bar for each job on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use protocol::{Job, JobState, StateName};

use crate::words::{plain, seconds};

/// More photos than this don't all get a bar from the start: only what runs is shown.
const BARS: usize = 8;

/// Progress without a terminal is told in steps of so many percent.
const STEP: u64 = 25;

/// What people see while they wait.
#[derive(Debug)]
pub(super) enum Shown {
    /// Bars, on a terminal.
    Bars { bars: MultiProgress, whole: ProgressBar, many: bool },
    /// Lines, elsewhere.
    Lines,
}

impl Shown {
    /// Begins to show so many photos.
    pub(super) fn new(photos: usize) -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bars = MultiProgress::new();
        let whole = if photos > 1 { bars.add(ProgressBar::new(photos as u64)) } else { ProgressBar::hidden() };
        whole.set_style(style("{prefix:>28} {bar:32} {pos}/{len} painted, {elapsed}"));
        whole.set_prefix("all");
        Self::Bars { bars, whole, many: photos > BARS }
    }

    /// Begins to show one photo.
    pub(super) fn row(&self, label: &str) -> Row<'_> {
        Row { shown: self, label: plain(label).into_owned(), bar: None, told: None }
    }

    /// Prints something else without tearing the bars.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match self {
            Self::Bars { bars, .. } => bars.suspend(print),
            Self::Lines => print(),
        }
    }

    /// Takes everything off the screen.
    pub(super) fn clear(&self) {
        if let Self::Bars { bars, whole, .. } = self {
            whole.finish_and_clear();
            // Fails only when the terminal is gone.
            let _ = bars.clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the template is a constant that a test has drawn");
    style.progress_chars("━╸─")
}

/// One photo on the screen.
#[derive(Debug)]
pub(super) struct Row<'a> {
    shown: &'a Shown,
    label: String,
    bar: Option<ProgressBar>,
    told: Option<(StateName, u64)>,
}

impl Row<'_> {
    /// The photo is on its way.
    pub(super) fn sending(&mut self) {
        if let Shown::Bars { many: false, .. } = self.shown {
            self.bar().set_message("sending");
        }
    }

    /// The job is like this now.
    pub(super) fn state(&mut self, job: &Job) {
        match self.shown {
            Shown::Lines => self.line(job),
            Shown::Bars { many, .. } => {
                let running = matches!(job.state, JobState::Running { .. });
                if *many && !running {
                    self.remove();
                    return;
                }
                let (message, share) = (words(job), share(job));
                let bar = self.bar();
                bar.set_position(share);
                bar.set_message(message);
            }
        }
    }

    /// The painting is on its way back.
    pub(super) fn fetching(&mut self) {
        if let Some(bar) = &self.bar {
            bar.set_position(100);
            bar.set_message("fetching");
        }
    }

    /// There is nothing more to show of it.
    pub(super) fn done(mut self) {
        self.remove();
        if let Shown::Bars { whole, .. } = self.shown {
            whole.inc(1);
        }
    }

    fn remove(&mut self) {
        if let (Some(bar), Shown::Bars { bars, .. }) = (self.bar.take(), self.shown) {
            bar.finish_and_clear();
            bars.remove(&bar);
        }
    }

    fn bar(&mut self) -> &ProgressBar {
        self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(100);
            let bar = match self.shown {
                Shown::Bars { bars, whole, .. } if !whole.is_hidden() => bars.insert_before(whole, bar),
                Shown::Bars { bars, .. } => bars.add(bar),
                Shown::Lines => bar,
            };
            bar.set_style(style("{prefix:>28} {bar:32} {percent:>3}%  {msg}"));
            bar.set_prefix(tail(&self.label, 28));
            bar
        })
    }

    fn line(&mut self, job: &Job) {
        let now = (job.state.name(), share(job) / STEP);
        if self.told.replace(now) != Some(now) {
            let done = matches!(job.state, JobState::Running { .. }).then(|| format!("{}% ", share(job)));
            // Nobody may be there to read it, which is no error.
            let _ = writeln!(io::stderr().lock(), "{}: {}{}", self.label, done.unwrap_or_default(), words(job));
        }
    }
}

/// Says what a job does now.
fn words(job: &Job) -> String {
    let id = job.id.short();
    match &job.state {
        JobState::Queued { .. } => match job.queue_position {
            Some(before) if before > 0 => format!("waiting as {id}, {before} before it"),
            _ => format!("waiting as {id}"),
        },
        JobState::Running { device, progress, .. } => {
            let left = progress.eta_seconds().map_or(String::new(), |left| format!(", {} left", seconds(left)));
            format!("on {}{left}", plain(device))
        }
        JobState::Paused { .. } => format!("paused; `atelier resume {id}` lets it go on"),
        _ => job.state.name().to_string(),
    }
}

fn share(job: &Job) -> u64 {
    match &job.state {
        JobState::Running { progress, .. } => {
            progress.done.saturating_mul(100).checked_div(progress.total).unwrap_or(0).min(100)
        }
        _ => 0,
    }
}

/// Keeps the end of a long name, which tells files of one folder apart.
fn tail(label: &str, most: usize) -> String {
    let length = label.chars().count();
    if length <= most {
        return label.to_owned();
    }
    let kept: String = label.chars().skip(length - most + 1).collect();
    format!("…{kept}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_drawn() {
        style("{prefix:>28} {bar:32} {pos}/{len} painted, {elapsed}");
        style("{prefix:>28} {bar:32} {percent:>3}%  {msg}");
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(tail("holiday/cat.jpg", 28), "holiday/cat.jpg");
        assert_eq!(tail("holiday/cat.jpg", 8), "…cat.jpg");
    }
}
