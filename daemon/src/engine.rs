//! The one seam of the house: what a device can do. The daemon runs [`Engine`]s without knowing what is behind
//! them; tests bring scripted ones that stop or fail at named points.

mod local;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use models::losses::LossTerms;
use models::package::Package;
use models::picture::{Limits, Picture};
use protocol::{DeviceKind, LossPoint, PaintParameters, TrainParameters};

pub use local::{DeviceError, LossEyes, engines};

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name: `cpu`, `cpu:0`, `cuda:0`.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// What its maker calls it, where known.
    pub model: Option<String>,
    /// Its share of the machine's cores; 0 for a card.
    pub threads: u32,
    /// Memory it can use, in bytes.
    pub memory_bytes: u64,
}

/// One device at work. It belongs to one thread.
pub trait Engine: Send {
    /// Says what the device is.
    fn profile(&self) -> Profile;

    /// Paints a photo within `memory_bytes`. The painting has the photo's size. `watch` is told the share that is done, from 0 to 1, at
    /// least ten times a second, and stops the work by breaking.
    ///
    /// # Errors
    /// By what the person can do about it.
    fn paint(
        &mut self,
        style: &Arc<Package>,
        photo: &Picture,
        memory_bytes: u64,
        watch: Watch<'_>,
    ) -> Result<Painted, EngineError>;

    /// Begins to learn a style, or takes it up from a checkpoint.
    fn train(&mut self, lesson: TrainLesson) -> Box<dyn Opening>;

    /// Begins to paint a photo by optimising its pixels, or takes it up from a checkpoint.
    fn paint_pixels(&mut self, commission: PixelCommission) -> Box<dyn Opening>;
}

/// A course that is being made ready, piece by piece: what is read and looked at before the first step takes seconds, and
/// a photo must not wait for all of it. It belongs to the thread of the engine that made it.
pub trait Opening {
    /// Does the next piece, none of which takes much longer than a step. Returns the course once it is ready, and is not
    /// called again then.
    ///
    /// # Errors
    /// By what the person can do about it; [`EngineError::Checkpoint`] when only beginning anew helps.
    fn advance(&mut self) -> Result<Option<Box<dyn Course>>, EngineError>;
}

impl<F: FnMut() -> Result<Option<Box<dyn Course>>, EngineError>> Opening for F {
    fn advance(&mut self) -> Result<Option<Box<dyn Course>>, EngineError> {
        self()
    }
}

/// Training or painting under way: a step a call, and nothing happens between two calls. It belongs to the thread of
/// the engine that made it.
pub trait Course {
    /// Takes one step; `None` once all are done.
    ///
    /// # Errors
    /// By what the person can do about it.
    fn step(&mut self) -> Result<Option<Step>, EngineError>;

    /// Returns all that going on from here needs.
    fn checkpoint(&self) -> Vec<u8>;

    /// Shows how far it has come.
    ///
    /// # Errors
    /// By what the person can do about it.
    fn preview(&mut self) -> Result<Picture, EngineError>;

    /// Returns what has been made so far, finished or not. `last` is the loss at the last step.
    ///
    /// # Errors
    /// By what the person can do about it.
    fn finish(&mut self, last: Option<&LossPoint>) -> Result<Product, EngineError>;

    /// Lists the files of the data set that were passed over so far, each with the reason.
    fn skipped(&self) -> Vec<String>;
}

/// What is to be learned.
#[derive(Debug)]
pub struct TrainLesson {
    /// How.
    pub parameters: TrainParameters,
    /// From what.
    pub artwork: Picture,
    /// The folder of the photos to practise on; the program's own where absent.
    pub dataset: Option<PathBuf>,
    /// How large the photos may be.
    pub limits: Limits,
    /// What it starts from.
    pub start: Start,
    /// What it goes on from.
    pub checkpoint: Option<Vec<u8>>,
}

/// What is to be painted by optimising its pixels.
#[derive(Debug)]
pub struct PixelCommission {
    /// How.
    pub parameters: PaintParameters,
    /// The photo, in the size of the painting.
    pub photo: Picture,
    /// The artworks to paint it after, in the order of their weights.
    pub artworks: Vec<Picture>,
    /// What it goes on from.
    pub checkpoint: Option<Vec<u8>>,
}

/// What a training starts from.
#[derive(Clone, Debug)]
pub enum Start {
    /// Chance.
    Chance,
    /// A style.
    Style(Arc<Package>),
    /// The nearest of these, or chance where none fits.
    Nearest(Vec<Arc<Package>>),
}

/// A step as it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its number, from 1. After a roll-back it is lower than before.
    pub number: u64,
    /// The losses.
    pub terms: LossTerms,
}

/// What training and painting make.
#[derive(Debug)]
pub enum Product {
    /// A style.
    Style(Box<Package>),
    /// A painting of the photo's size.
    Painting(Picture),
}

/// Hears of progress, and decides whether to go on.
pub type Watch<'a> = &'a mut (dyn FnMut(f64) -> ControlFlow<()> + Send);

/// How painting ended.
#[derive(Debug, PartialEq)]
pub enum Painted {
    /// With a painting.
    Finished(Picture),
    /// Stopped by `watch`; being interrupted is an outcome, not an error.
    Interrupted,
}

/// Why a device's work failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The network produced NaN or infinity, or the losses never settle.
    #[error("{0}")]
    NotFinite(String),
    /// The device failed.
    #[error("{0}")]
    Device(String),
    /// Nothing can be learned from the artwork.
    #[error("{0}")]
    Artwork(String),
    /// There is nothing to practise on.
    #[error("{0}")]
    Dataset(String),
    /// The parameters don't go together, such as a style to start from that has another network.
    #[error("{0}")]
    Parameters(String),
    /// The checkpoint is of another lesson or version.
    #[error("{0}")]
    Checkpoint(String),
}
