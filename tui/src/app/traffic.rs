//! What goes into the state, and what comes out of it.

use std::path::PathBuf;

use protocol::convert::Refused;
use protocol::{
    CheckpointList, Device, Event, Job, JobId, JobPage, LossCurve, Mail, PaintOrder, Priority, Style, StyleName,
    TrainOrder, Wishes,
};
use ratatui::crossterm::event::KeyEvent;

use super::files::Entry;
use super::form::Form;
use super::link::LinkNews;
use crate::conn;
use crate::picture::Picture;

/// Something that comes in.
#[derive(Debug)]
pub(crate) enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// A text was pasted.
    Paste(String),
    /// The terminal has this size now.
    Size(u16, u16),
    /// Time has passed.
    Tick,
    /// The connection came or went.
    Link(LinkNews),
    /// Something happened in the daemon.
    Event(Box<Event>),
    /// An effect has an answer.
    Answer(Answer),
}

/// What an effect brought.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A page of older jobs.
    Older(JobPage),
    /// The jobs that wait, and where in the queue.
    Queue(Vec<Job>),
    /// The outbox.
    Mail(Vec<Mail>),
    /// The devices as they are now.
    Devices(Vec<Device>),
    /// A style's preview.
    StylePreview(StyleName, Option<Picture>),
    /// A finished job's painting.
    Painting(JobId, Option<Picture>),
    /// A run's curve.
    Losses(LossCurve),
    /// A run's newest preview, and the step after which it was asked for.
    Preview(JobId, Option<u64>, Option<Picture>),
    /// A run's checkpoints.
    Checkpoints(CheckpointList),
    /// A job after a change.
    Changed(Change, Box<Job>),
    /// A file was written.
    Saved(String),
    /// A style was deleted.
    Deleted(StyleName),
    /// A job was accepted.
    Accepted(Box<Job>),
    /// A style was imported.
    Imported(Box<Style>),
    /// A folder's whole path and what is in it.
    Folder(PathBuf, Vec<Entry>),
    /// A folder that can't be read, and why.
    NoFolder(String),
    /// What a file looks like, or why it can't be shown.
    Photo(PathBuf, Result<Picture, String>),
    /// Something did not work: what of what, and why.
    Failed(String, Failed),
    /// A form that was sent and not accepted, with the reason in it.
    Returned(Box<Form>),
}

/// Why something did not work.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The daemon refuses.
    Refused(Refused),
    /// Everything else, in words.
    Other(String),
}

impl Failed {
    /// Returns why, in words.
    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Refused(refused) => &refused.detail,
            Self::Other(words) => words,
        }
    }
}

/// A change of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Stop it.
    Cancel,
    /// End it now and keep what there is.
    Keep,
    /// Hold it back.
    Pause,
    /// Let it go on.
    Resume,
    /// Queue it again.
    Retry,
    /// Forget it.
    Forget,
    /// Put it into another class.
    Priority(Priority),
}

impl Change {
    /// Returns what has been done when it is done.
    pub(crate) const fn done(self) -> &'static str {
        match self {
            Self::Cancel => "cancelled",
            Self::Keep => "finishes now",
            Self::Pause => "paused",
            Self::Resume | Self::Retry => "queued",
            Self::Forget => "forgotten",
            Self::Priority(Priority::Interactive) => "interactive",
            Self::Priority(Priority::Batch) => "batch",
        }
    }
}

/// What must be done outside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Change jobs, each as well as it can be.
    Change(Change, Vec<JobId>),
    /// Fetch the jobs before this cursor, or the newest.
    Older(Option<String>),
    /// Fetch the jobs that wait, to learn their places in the queue.
    Queue,
    /// Fetch the outbox.
    Mail,
    /// Fetch the devices.
    Devices,
    /// Fetch a style's preview.
    StylePreview(StyleName),
    /// Fetch a job's painting to look at it.
    Painting(JobId),
    /// Fetch a run's curve.
    Losses(JobId),
    /// Fetch a run's newest preview: the one after this step, where an event has told it.
    Preview(JobId, Option<u64>),
    /// Fetch the list of a run's checkpoints.
    Checkpoints(JobId),
    /// Write a job's result into a file of this name, in the folder where the console was started.
    Save(JobId, String),
    /// Delete a style.
    Delete(StyleName),
    /// Read a folder of this machine.
    List(PathBuf),
    /// Read a picture file to look at it.
    Photo(PathBuf),
    /// Carry out what a form asks for; it comes back when something of that is not accepted.
    Send(Box<Form>, Vec<Effect>),
    /// Send a photo to be painted.
    Submit(PathBuf, Box<conn::Order>),
    /// Send a photo to be painted after artworks.
    Paint(PathBuf, Vec<PathBuf>, Box<PaintOrder>, Wishes),
    /// Send an artwork to be learned.
    Train(PathBuf, Box<TrainOrder>, Wishes),
    /// Send a package, a weight file or a folder of one.
    Import(PathBuf, StyleName),
    /// Try to connect now.
    Reconnect,
    /// Draw everything anew.
    Repaint,
    /// Stop until `fg`.
    Suspend,
    /// Leave.
    Detach,
}
