//! What happened, line by line.

use std::collections::VecDeque;

use jiff::Timestamp;
use protocol::{Event, EventBody, Job};

use crate::theme::Tone;
use crate::words::{count, outcome, plain, style};

/// How many lines are kept.
const LINES: usize = 5_000;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// When.
    pub(crate) at: Timestamp,
    /// What it is about, in a word.
    pub(crate) topic: &'static str,
    /// What happened.
    pub(crate) text: String,
    /// What it means.
    pub(crate) tone: Tone,
}

/// The daemon's events as lines, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    lines: VecDeque<Line>,
    /// How many lines have been dropped: lines keep their numbers.
    dropped: usize,
    /// The line in view's middle while nobody follows.
    at: Option<usize>,
    /// What is searched.
    pub(crate) search: String,
}

impl Log {
    /// Takes note of an event.
    pub(crate) fn hear(&mut self, event: &Event) {
        if let Some((topic, text, tone)) = describe(&event.body) {
            self.say(event.at, topic, text, tone);
        }
    }

    /// Adds a line of our own.
    pub(crate) fn say(&mut self, at: Timestamp, topic: &'static str, text: String, tone: Tone) {
        self.lines.push_back(Line { at, topic, text, tone });
        if self.lines.len() > LINES {
            self.lines.pop_front();
            self.dropped += 1;
        }
    }

    /// Returns the lines.
    pub(crate) fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// Says whether the newest line is always shown.
    pub(crate) fn follows(&self) -> bool {
        self.at.is_none()
    }

    /// Returns the index of the chosen line.
    pub(crate) fn chosen(&self) -> usize {
        let last = self.lines.len().saturating_sub(1);
        self.at.map_or(last, |at| at.saturating_sub(self.dropped).min(last))
    }

    /// Follows, or stays.
    pub(crate) fn toggle_follow(&mut self) {
        self.at = if self.at.is_some() { None } else { Some(self.dropped + self.chosen()) };
    }

    /// Moves to a line; the last one is followed.
    pub(crate) fn go(&mut self, wanted: isize) {
        let last = self.lines.len().saturating_sub(1);
        let wanted = usize::try_from(wanted).unwrap_or(0);
        self.at = (wanted < last).then_some(self.dropped + wanted);
    }

    /// Says whether a line has what is searched.
    pub(crate) fn matches(&self, line: &Line) -> bool {
        !self.search.is_empty() && {
            let search = self.search.to_lowercase();
            line.text.to_lowercase().contains(&search) || line.topic.contains(&search)
        }
    }

    /// Moves to the next match, or the one before. Returns whether there is one.
    pub(crate) fn find(&mut self, forward: bool) -> bool {
        let from = self.chosen();
        let hit = |index: &usize| self.matches(&self.lines[*index]);
        let found = if forward {
            (from + 1..self.lines.len()).find(hit).or_else(|| (0..=from).find(hit))
        } else {
            (0..from).rev().find(hit).or_else(|| (from..self.lines.len()).rev().find(hit))
        };
        if let Some(index) = found {
            self.at = Some(self.dropped + index);
        }
        found.is_some()
    }
}

fn describe(body: &EventBody) -> Option<(&'static str, String, Tone)> {
    Some(match body {
        EventBody::Snapshot(snapshot) => {
            let [jobs, styles, devices] = [
                count(snapshot.jobs.len(), "job"),
                count(snapshot.styles.len(), "style"),
                count(snapshot.devices.len(), "device"),
            ];
            let text = format!("{jobs}, {styles}, {devices}");
            ("daemon", text, Tone::Quiet)
        }
        EventBody::State(job) => ("job", state(job), job.state.name().into()),
        EventBody::Style { name, style } => {
            let problem = style.as_ref().and_then(|style| style.problem.as_ref());
            let text = match (style, problem) {
                (None, _) => format!("{name}  removed"),
                (Some(style), Some(problem)) => format!("{name}  {}: {}", style.state, plain(&problem.detail)),
                (Some(style), None) => format!("{name}  {}", style.state),
            };
            let tone = if problem.is_some() {
                Tone::Bad
            } else {
                style.as_ref().map_or(Tone::Quiet, |style| style.state.into())
            };
            ("style", text, tone)
        }
        EventBody::Device(device) => {
            let name = plain(&device.name);
            match device.job {
                Some(job) => ("device", format!("{name}  works on {}", job.short()), Tone::Active),
                None => ("device", format!("{name}  idle"), Tone::Quiet),
            }
        }
        EventBody::Mail(mail) => {
            let answer = mail.last_answer.as_deref().map_or(String::new(), |answer| format!(": {}", plain(answer)));
            let text = format!("{}  to {}  {}{answer}", mail.job.short(), plain(&mail.recipient), mail.state);
            ("mail", text, mail.state.into())
        }
        EventBody::Forgotten { job } => ("job", format!("{}  forgotten", job.short()), Tone::Quiet),
        EventBody::Progress { .. } | EventBody::Loss { .. } | EventBody::Preview { .. } | EventBody::End { .. } => {
            return None;
        }
    })
}

fn state(job: &Job) -> String {
    format!("{}  {} {}  {}{}", job.id.short(), job.kind(), style(job), job.state.name(), outcome(job))
}
