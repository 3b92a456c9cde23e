//! Measuring how near a style comes: photos are painted and looked at, one after another, beside the devices.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use models::compute::Compute;
use models::package::Package;
use models::picture::{self, Limits, Picture};
use models::quality::{self, Gauge};
use models::stylize::{Outcome, Stylizer};
use models::training::check_artwork;
use models::vgg::Vgg;
use protocol::{Distances, ErrorCode, Measurement, StyleName};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use super::photo::picture_refusal;
use super::train::train_refusal;
use super::{Intake, Receiving, blocking};
use crate::access::{Caller, Role};
use crate::refusal::Refusal;
use crate::spool::{Draft, storage_refusal};

/// The least side of an artwork, in pixels: what is smaller has no style to speak of.
const LEAST_ARTWORK_PX: u32 = 32;

/// The most photos of one measurement.
const MOST_PHOTOS: usize = 10_000;

/// A measurement under way: it takes photos one at a time, so that however many there are, few are at hand.
pub struct Measuring {
    style: StyleName,
    photos: mpsc::Sender<Draft>,
    sent: usize,
    work: JoinHandle<Result<Vec<Distances>, Refusal>>,
}

impl Intake {
    /// Begins to receive an artwork or photo to measure with.
    ///
    /// # Errors
    /// `forbidden`, `draining`, `storage_full`, `storage_failed`.
    pub fn receive_measured(&self, caller: &Caller) -> Result<Receiving, Refusal> {
        caller.require(Role::Submit)?;
        self.accepts()?;
        Receiving::begin(&self.0.spool, self.config().limits.upload_bytes)
    }

    /// Begins to measure a style against an artwork. One measurement runs at a time, on half of the cores.
    ///
    /// # Errors
    /// `forbidden`, `unknown_style`, `rate_limited` while another one runs, `too_much_memory`, and what is wrong with the
    /// artwork.
    pub async fn measure(&self, caller: &Caller, style: StyleName, artwork: Draft) -> Result<Measuring, Refusal> {
        caller.require(Role::Submit)?;
        self.accepts()?;
        let package = self.ready_style(&style)?;
        let permit = Arc::clone(&self.0.measuring).try_acquire_owned().map_err(|_| {
            let refusal = Refusal::new(ErrorCode::RateLimited, "another style is being measured; try again later");
            refusal.retry_after(Duration::from_secs(10))
        })?;
        let limits = self.config().limits.clone();
        let artwork = blocking(move || {
            let artwork = decode(&artwork, Limits { pixels: limits.pixels })?;
            check_artwork(&artwork, LEAST_ARTWORK_PX).map_err(|error| train_refusal(&error))?;
            let needed = quality::memory_bytes(artwork.width(), artwork.height());
            if needed <= limits.memory_bytes {
                return Ok(artwork);
            }
            let (needed, allowed) = (needed.div_ceil(1 << 20), limits.memory_bytes >> 20);
            let detail = format!(
                "measuring against this artwork takes {needed} MiB and limits.memory allows {allowed} MiB; raise \
                 limits.memory, or send an artwork that is less long and thin"
            );
            Err(Refusal::new(ErrorCode::TooMuchMemory, detail))
        })
        .await?;
        let (photos, arriving) = mpsc::channel(1);
        let bench = Bench { intake: self.clone(), package, artwork, _permit: permit };
        let work = tokio::spawn(blocking(move || bench.work(arriving)));
        Ok(Measuring { style, photos, sent: 0, work })
    }
}

impl Measuring {
    /// Hands the next photo over, once the one before it is being painted.
    ///
    /// # Errors
    /// `invalid_field` when there are too many; what was wrong with an earlier one.
    pub async fn photo(&mut self, photo: Draft) -> Result<(), Refusal> {
        if self.sent == MOST_PHOTOS {
            let detail = format!("a style is measured on at most {MOST_PHOTOS} photos at once");
            return Err(Refusal::new(ErrorCode::InvalidField, detail));
        }
        self.sent += 1;
        match self.photos.send(photo).await {
            Ok(()) => Ok(()),
            // The work has ended, which it does only with a refusal while photos come.
            Err(_) => ended((&mut self.work).await).map(drop),
        }
    }

    /// Waits for the last photo and returns what came of all.
    ///
    /// # Errors
    /// `missing_field` without any photo; what was wrong with one.
    pub async fn finish(self) -> Result<Measurement, Refusal> {
        let Self { style, photos, work, .. } = self;
        drop(photos);
        let photos = ended(work.await)?;
        let missing = || Refusal::new(ErrorCode::MissingField, "send at least one photo to measure on");
        let mean = Distances::mean(&photos).ok_or_else(missing)?;
        Ok(Measurement { style, photos, mean })
    }
}

fn ended<R>(work: Result<Result<R, Refusal>, tokio::task::JoinError>) -> Result<R, Refusal> {
    work.unwrap_or_else(|_| Err(Refusal::new(ErrorCode::WorkerPanicked, "the measuring ended early; try it again")))
}

/// What a measurement works with, on a thread of its own.
struct Bench {
    intake: Intake,
    package: Arc<Package>,
    artwork: Picture,
    _permit: OwnedSemaphorePermit,
}

impl Bench {
    fn work(&self, mut photos: mpsc::Receiver<Draft>) -> Result<Vec<Distances>, Refusal> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let compute = Compute::cpu(cores.div_ceil(2)).map_err(|error| failed(&error))?;
        let stylizer = Stylizer::load(&self.package, &compute).map_err(|error| failed(&error))?;
        let vgg = Vgg::builtin();
        let mut gauge = Gauge::new(&compute, &vgg, &self.artwork);
        let mut measured = Vec::new();
        while let Some(photo) = photos.blocking_recv() {
            let number = measured.len() + 1;
            let named = |refusal: Refusal| Refusal { detail: format!("photo {number}: {}", refusal.detail), ..refusal };
            let limits = self.intake.config().limits.clone();
            let photo = decode(&photo, Limits { pixels: limits.pixels }).map_err(named)?;
            if !Gauge::takes(photo.width(), photo.height()) {
                let detail = "it is too long and thin to be measured on; a side may be 28 times the other at most";
                return Err(named(Refusal::new(ErrorCode::InvalidPicture, detail)));
            }
            let mut watch =
                |_| if self.intake.is_draining() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            let painted = stylizer.paint(&photo, &compute, limits.memory_bytes / 4, &mut watch);
            let Outcome::Painted(painting) = painted.map_err(|error| named(failed(&error)))? else {
                return Err(Refusal::new(ErrorCode::Draining, "the daemon is shutting down; measure again later"));
            };
            let quality::Distances { style, content } = gauge.measure(&photo, &painting);
            measured.push(Distances { style, content });
        }
        Ok(measured)
    }
}

fn decode(file: &Draft, limits: Limits) -> Result<Picture, Refusal> {
    let bytes = file.read().map_err(|error| storage_refusal(&error))?;
    Ok(picture::decode(&bytes, limits).map_err(|error| picture_refusal(&error))?.1)
}

fn failed(error: &dyn std::error::Error) -> Refusal {
    Refusal::new(ErrorCode::DeviceFailed, error.to_string())
}
