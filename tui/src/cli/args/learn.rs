//! What can be said about training, painting and their losses.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueHint};
use protocol::job::paint::{Optimizer, PaintInit};
use protocol::job::train::{Norm, Recipe, TrainInit, Upsample};
use protocol::{JobRef, OutputFormat, PaintOrder, Priority, StyleName, TrainOrder, Wishes};

use super::{One, word};

/// What every job may carry.
#[derive(Clone, Debug, Args)]
pub(crate) struct About {
    /// Which jobs go first
    #[arg(long, value_parser = word(Priority::ALL, Priority::as_str))]
    priority: Option<Priority>,
    /// Mail the result to this address
    #[arg(long, value_hint = ValueHint::EmailAddress, value_name = "ADDRESS")]
    email: Option<String>,
    /// Your own words about the job
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Print the job's id and don't wait for its end
    #[arg(long)]
    pub(crate) no_wait: bool,
}

impl About {
    /// Returns what is said to the daemon.
    pub(crate) fn wishes(&self) -> Wishes {
        Wishes { priority: self.priority, email: self.email.clone(), note: self.note.clone() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// The artwork
    #[arg(value_hint = ValueHint::FilePath, value_name = "FILE")]
    pub(crate) artwork: PathBuf,
    /// The new style's name
    #[arg(long)]
    name: StyleName,
    /// The photos to learn on: a name from the daemon's configuration
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Replace a style of that name
    #[arg(long)]
    replace: bool,
    /// The losses, and the defaults of what follows
    #[arg(long, value_parser = word(Recipe::ALL, Recipe::as_str))]
    recipe: Option<Recipe>,
    /// Steps of the optimiser
    #[arg(long)]
    steps: Option<u32>,
    /// Photos a step
    #[arg(long)]
    batch: Option<u32>,
    /// Side of the photos' crops, a multiple of 4
    #[arg(long, value_name = "PX")]
    size: Option<u32>,
    /// Shorter side at which the artwork is looked at
    #[arg(long, value_name = "PX")]
    art_size: Option<u32>,
    /// Where chance begins
    #[arg(long)]
    seed: Option<u64>,
    /// Rate of the optimiser at its height
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Factor of the content loss
    #[arg(long, value_name = "FACTOR")]
    content_weight: Option<f64>,
    /// Factor of the style loss
    #[arg(long, value_name = "FACTOR")]
    style_weight: Option<f64>,
    /// Factor of the total variation
    #[arg(long, value_name = "FACTOR")]
    tv_weight: Option<f64>,
    /// What normalises the network's features
    #[arg(long, value_parser = word(Norm::ALL, Norm::as_str))]
    norm: Option<Norm>,
    /// How the network enlarges
    #[arg(long, value_parser = word(Upsample::ALL, Upsample::as_str))]
    upsample: Option<Upsample>,
    /// Channels of the network's first layer
    #[arg(long, value_name = "CHANNELS")]
    width: Option<u32>,
    /// Residual blocks of the network
    #[arg(long, value_name = "BLOCKS")]
    residuals: Option<u32>,
    /// Start from "auto" (the nearest style at hand), "none", or a style
    #[arg(long, value_name = "STYLE")]
    init: Option<TrainInit>,
    /// End when the loss falls no further
    #[arg(long)]
    early_stop: bool,
    /// Steps from one checkpoint to the next
    #[arg(long, value_name = "STEPS")]
    checkpoint_every: Option<u32>,
    /// Steps from one preview to the next
    #[arg(long, value_name = "STEPS")]
    preview_every: Option<u32>,
    #[command(flatten)]
    pub(crate) about: About,
}

impl Train {
    /// Returns the order as the daemon takes it.
    pub(crate) fn order(&self) -> TrainOrder {
        TrainOrder {
            name: self.name.clone(),
            dataset: self.dataset.clone(),
            replace: self.replace,
            recipe: self.recipe,
            steps: self.steps,
            batch: self.batch,
            size: self.size,
            art_size: self.art_size,
            seed: self.seed,
            learning_rate: self.learning_rate,
            content_weight: self.content_weight,
            style_weight: self.style_weight,
            tv_weight: self.tv_weight,
            norm: self.norm,
            upsample: self.upsample,
            width: self.width,
            residuals: self.residuals,
            init: self.init.clone(),
            early_stop: self.early_stop,
            checkpoint_every: self.checkpoint_every,
            preview_every: self.preview_every,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Paint {
    /// The photo
    #[arg(value_hint = ValueHint::FilePath, value_name = "FILE")]
    pub(crate) photo: PathBuf,
    /// An artwork to paint it after, and how much it counts among several
    #[arg(long, required = true, value_hint = ValueHint::FilePath, value_name = "FILE[:WEIGHT]")]
    pub(crate) artwork: Vec<Artwork>,
    /// Where the painting goes: a file, a folder, or "-" for stdout
    #[arg(long, short, value_hint = ValueHint::AnyPath, value_name = "PATH", conflicts_with = "no_wait")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite a file that exists
    #[arg(long, short, conflicts_with = "no_wait")]
    pub(crate) force: bool,
    /// Steps of the optimiser
    #[arg(long)]
    steps: Option<u32>,
    /// Which optimiser
    #[arg(long, value_parser = word(Optimizer::ALL, Optimizer::as_str))]
    optimizer: Option<Optimizer>,
    /// Start from the photo or from noise
    #[arg(long, value_parser = word(PaintInit::ALL, PaintInit::as_str))]
    init: Option<PaintInit>,
    /// Where chance begins
    #[arg(long)]
    seed: Option<u64>,
    /// Factor of the content loss
    #[arg(long, value_name = "FACTOR")]
    content_weight: Option<f64>,
    /// Factor of the style loss
    #[arg(long, value_name = "FACTOR")]
    style_weight: Option<f64>,
    /// Factor of the total variation
    #[arg(long, value_name = "FACTOR")]
    tv_weight: Option<f64>,
    /// Longest side of the painting in pixels
    #[arg(long, value_name = "PX")]
    size: Option<u32>,
    /// Keep the photo's colours
    #[arg(long)]
    preserve_color: bool,
    /// The painting's format; the photo's own where absent
    #[arg(long, value_parser = word(OutputFormat::ALL, OutputFormat::as_str))]
    pub(crate) format: Option<OutputFormat>,
    /// Steps from one preview to the next
    #[arg(long, value_name = "STEPS")]
    preview_every: Option<u32>,
    #[command(flatten)]
    pub(crate) about: About,
}

impl Paint {
    /// Returns the order as the daemon takes it.
    pub(crate) fn order(&self) -> PaintOrder {
        PaintOrder {
            artwork_weights: self.artwork.iter().map(|artwork| artwork.weight).collect(),
            steps: self.steps,
            optimizer: self.optimizer,
            init: self.init,
            seed: self.seed,
            content_weight: self.content_weight,
            style_weight: self.style_weight,
            tv_weight: self.tv_weight,
            size: self.size,
            preserve_color: self.preserve_color,
            format: self.format,
            preview_every: self.preview_every,
        }
    }
}

/// An artwork's file and how much it counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Artwork {
    pub(crate) path: PathBuf,
    pub(crate) weight: f64,
}

impl FromStr for Artwork {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A file that is called like one with a weight is that file.
        let weighed = text.rsplit_once(':').and_then(|(path, weight)| Some((path, weight.parse().ok()?)));
        Ok(match weighed.filter(|_| !Path::new(text).exists()) {
            Some((path, weight)) => Self { path: path.into(), weight },
            None => Self { path: text.into(), weight: 1.0 },
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Losses {
    #[command(flatten)]
    pub(crate) job: One,
    /// Draw the curve
    #[arg(long, conflicts_with = "csv")]
    pub(crate) plot: bool,
    /// What to draw: total, content, style, tv, or a layer
    #[arg(long, requires = "plot", default_value = "total", value_name = "TERM")]
    pub(crate) term: String,
    /// Print a table for spreadsheets, every number exact
    #[arg(long)]
    pub(crate) csv: bool,
    /// At most so many points: the smallest and largest of each part
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "POINTS")]
    pub(crate) max: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The jobs' ids, or the last eight digits of each
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<JobRef>,
    /// Keep what a training or painting has so far as its result
    #[arg(long)]
    pub(crate) keep: bool,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_weight_is_a_number_behind_the_last_colon() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("wave:2");
        std::fs::write(&odd, "").unwrap();
        let check = |text: &str, path: &str, weight: f64| {
            let artwork: Artwork = text.parse().unwrap();
            assert_eq!(artwork, Artwork { path: path.into(), weight }, "{text}");
        };
        check("wave.jpg", "wave.jpg", 1.0);
        check("wave.jpg:0.5", "wave.jpg", 0.5);
        check("C:wave.jpg", "C:wave.jpg", 1.0);
        check("a:b.jpg:2", "a:b.jpg", 2.0);
        check(&odd.display().to_string(), &odd.display().to_string(), 1.0);
    }
}
