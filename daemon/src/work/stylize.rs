//! One photo on one device.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use models::picture::{self, Picture};
use protocol::{ErrorCode, JobId, JobResult, OutputFormat, Parameters, StylizeParameters};
use sha2::{Digest, Sha256};

use super::progress::ProgressTeller;
use super::{Outcome, Workplace, failure, is_set, unreadable, unwritten};
use crate::engine::{Engine, Painted};
use crate::record::Record;
use crate::spool::hex;

impl Workplace {
    /// Paints one photo until it is done or `interrupted` is set.
    pub(crate) fn stylize(&self, record: &Record, engine: &mut dyn Engine, interrupted: &AtomicBool) -> Outcome {
        let Parameters::Stylize(parameters) = &record.job.parameters else {
            let detail = format!("a {} job can't be done in the place of a photo", record.job.kind());
            return Outcome::Failed(failure(ErrorCode::WrongKind, detail));
        };
        let painted = self.paint(record, parameters, engine, interrupted);
        painted.map_or_else(|outcome| outcome, Outcome::Succeeded)
    }

    fn paint(
        &self,
        record: &Record,
        parameters: &StylizeParameters,
        engine: &mut dyn Engine,
        interrupted: &AtomicBool,
    ) -> Result<JobResult, Outcome> {
        let id = record.job.id;
        let snapshot = self.registry.snapshot();
        let style = snapshot.get(&parameters.style).and_then(|entry| entry.package.clone()).ok_or_else(|| {
            let detail = format!("the style \"{}\" is gone; submit with another one", parameters.style);
            Outcome::Failed(failure(ErrorCode::StyleGone, detail))
        })?;
        drop(snapshot);
        let still_wanted = || if is_set(interrupted) { Err(Outcome::Interrupted) } else { Ok(()) };
        let photo = self.photo(id, parameters.size)?;
        let mut progress = ProgressTeller::new(self, id);
        let mut watch = |done: f64| {
            if is_set(interrupted) {
                return ControlFlow::Break(());
            }
            progress.tell(done);
            ControlFlow::Continue(())
        };
        let painting = match engine.paint(&style, &photo, record.memory_bytes, &mut watch)? {
            Painted::Finished(painting) => painting,
            Painted::Interrupted => return Err(Outcome::Interrupted),
        };
        // Mixing and writing a large picture take as long as painting a small one.
        still_wanted()?;
        let finished = finish(painting, &photo, parameters)?;
        still_wanted()?;
        self.put_picture(id, &finished, parameters.format)
    }

    /// Reads a job's photo in the size of its result.
    pub(super) fn photo(&self, id: JobId, size: Option<u32>) -> Result<Picture, Outcome> {
        let bytes = std::fs::read(self.spool.input(id)).map_err(|error| unreadable("photo", &error))?;
        let (_, photo) = picture::decode(&bytes, self.limits())?;
        drop(bytes);
        Ok(match size {
            Some(side_px) => photo.resized_to_longest(side_px, self.limits())?,
            None => photo,
        })
    }

    /// Puts a painting in the spool as the job's result.
    pub(super) fn put_picture(
        &self,
        id: JobId,
        painting: &Picture,
        format: OutputFormat,
    ) -> Result<JobResult, Outcome> {
        let bytes = picture::encode(painting, output_format(format))?;
        self.spool.put_result(id, &bytes).map_err(|error| unwritten("result", &error))?;
        Ok(JobResult {
            url: format!("/v1/jobs/{id}/result"),
            media_type: format.media_type().to_owned(),
            width: Some(painting.width()),
            height: Some(painting.height()),
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(&bytes)),
        })
    }
}

/// Applies what the person chose beyond the style, and brings the photo's alpha back.
fn finish(painting: Picture, photo: &Picture, parameters: &StylizeParameters) -> Result<Picture, Outcome> {
    let coloured = if parameters.preserve_color { painting.with_chroma_of(photo)? } else { painting };
    Ok(Picture::mix(photo, &coloured, parameters.strength)?)
}

fn output_format(format: OutputFormat) -> picture::OutputFormat {
    match format {
        OutputFormat::Png => picture::OutputFormat::Png,
        OutputFormat::Jpeg => picture::OutputFormat::Jpeg,
        OutputFormat::Webp => picture::OutputFormat::WebP,
    }
}
