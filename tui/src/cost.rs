//! What a training or painting costs, before it begins.

use jiff::Timestamp;
use protocol::job::paint::Optimizer;
use protocol::{Job, JobState, PaintParameters, Parameters, TrainParameters};

/// Memory of the loss network, loaded, in bytes.
const LOSS_NETWORK_BYTES: u64 = 500 << 20;

/// Memory of the loss network's features, in bytes a pixel.
const FEATURES_BYTES_PER_PIXEL: u64 = 2_700;

/// Memory of the decoded photos that a training keeps at hand, in bytes.
const PHOTOS_BYTES: u64 = 256 << 20;

/// Memory of a painting's gradient or direction that an optimiser remembers, in bytes a pixel.
const REMEMBERED_BYTES_PER_PIXEL: u64 = 12;

/// The sides in pixels that a painting's artworks are given.
const ARTWORK_SIDES_PX: std::ops::RangeInclusive<u64> = 64..=1024;

/// A picture's width and height in pixels.
pub type SizePx = (u32, u32);

/// Returns the memory that a training or painting takes, in bytes, as the daemon counts it. `picture` is the artwork's
/// size, taken for a square where it is not known, or the photo's, without which nothing is known.
#[must_use]
pub fn memory_bytes(parameters: &Parameters, picture: Option<SizePx>) -> Option<u64> {
    match parameters {
        Parameters::Train(training) => Some(training_bytes(training, picture.unwrap_or((1, 1)))),
        Parameters::Paint(painting) => Some(painting_bytes(painting, painted(painting, picture?))),
        Parameters::Stylize(_) => None,
    }
}

// A size may be any number while it is typed.

fn training_bytes(training: &TrainParameters, artwork: SizePx) -> u64 {
    let (longer, shorter) = (u64::from(artwork.0.max(artwork.1)), u64::from(artwork.0.min(artwork.1)).max(1));
    let artwork_side = u64::from(training.art_size);
    let artwork = artwork_side.saturating_mul(artwork_side.saturating_mul(longer) / shorter);
    let crops = u64::from(training.size).pow(2).saturating_mul(training.batch.into());
    let channels = u64::from(training.width).next_multiple_of(16);
    let network = crops.saturating_mul(8).saturating_mul(channels.saturating_mul(4 + u64::from(training.residuals)));
    let features = crops.max(artwork).saturating_mul(FEATURES_BYTES_PER_PIXEL);
    features.saturating_add(network).saturating_add(LOSS_NETWORK_BYTES + PHOTOS_BYTES)
}

fn painting_bytes(painting: &PaintParameters, (width, height): SizePx) -> u64 {
    let artwork_side = u64::from(width.min(height)).clamp(*ARTWORK_SIDES_PX.start(), *ARTWORK_SIDES_PX.end());
    let pixels = (u64::from(width) * u64::from(height)).max(artwork_side.pow(2));
    let remembered = match painting.optimizer {
        Optimizer::Adam => 4,
        Optimizer::Lbfgs => 46,
    };
    pixels
        .saturating_mul(FEATURES_BYTES_PER_PIXEL + REMEMBERED_BYTES_PER_PIXEL * remembered)
        .saturating_add(LOSS_NETWORK_BYTES)
}

/// Returns the size of a photo's painting.
fn painted(painting: &PaintParameters, (width, height): SizePx) -> SizePx {
    let Some(side) = painting.size else { return (width, height) };
    let longest = u64::from(width.max(height)).max(1);
    let scaled = |of: u32| ((u64::from(of) * u64::from(side) + longest / 2) / longest).max(1) as u32;
    (scaled(width), scaled(height))
}

/// Estimates the seconds that a training or painting takes, from how fast the newest of these jobs that is of its kind
/// went; none while there is none.
pub(crate) fn seconds<'a>(
    parameters: &Parameters,
    picture: Option<SizePx>,
    mut jobs: impl Iterator<Item = &'a Job>,
    rate: impl Fn(&Job) -> Option<f64>,
    now: Timestamp,
) -> Option<f64> {
    let is_alike = |job: &Job| std::mem::discriminant(&job.parameters) == std::mem::discriminant(parameters);
    let pace = jobs.find_map(|job| {
        let (seconds, size) = match &job.state {
            _ if !is_alike(job) => return None,
            JobState::Running { .. } => (1.0 / rate(job).filter(|rate| *rate > 0.0)?, None),
            // One that went on after a pause began anew: what it did before is not in this span.
            JobState::Succeeded { started_at, finished_at, result, .. } if job.attempt == 1 && *finished_at <= now => {
                let seconds = finished_at.duration_since(*started_at).as_secs_f64();
                (seconds / f64::from(job.parameters.steps()?), result.width.zip(result.height))
            }
            _ => return None,
        };
        Some(seconds / work(&job.parameters, size)?)
    })?;
    let size = match parameters {
        Parameters::Paint(painting) => picture.map(|photo| painted(painting, photo)),
        _ => None,
    };
    Some(pace * work(parameters, size)? * f64::from(parameters.steps()?))
}

/// Returns a measure of a step's work: for each pixel the loss network's share, and in a training the style network's.
/// `painting` is the size of what is painted.
fn work(parameters: &Parameters, painting: Option<SizePx>) -> Option<f64> {
    match parameters {
        Parameters::Train(training) => {
            let pixels = f64::from(training.batch) * f64::from(training.size).powi(2);
            let channels = f64::from(training.width) / 16.0;
            // The loss network up to conv5_1 is about seven times the house's own network of three blocks.
            let network = channels.powi(2) * (1.0 + f64::from(training.residuals)) / 4.0;
            Some(pixels * (7.0 + network))
        }
        Parameters::Paint(_) => painting.map(|(width, height)| f64::from(width) * f64::from(height)),
        Parameters::Stylize(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::{OutputFormat, PaintOrder, TrainOrder};

    use super::*;
    use crate::app::fixtures;

    #[test]
    fn an_estimate_goes_by_what_the_newest_training_took() {
        let order = || TrainOrder::new("x".parse().unwrap());
        let mut app = fixtures::app();
        let estimate = |app: &crate::app::App, order: TrainOrder| {
            let training = Parameters::Train(order.fill().unwrap());
            seconds(&training, None, app.jobs.all(), |job| app.jobs.rate(job), app.now)
        };
        assert_eq!(estimate(&app, order()), None, "nothing has been learned yet");
        fixtures::train(&mut app);
        let same = estimate(&app, order()).unwrap();
        assert!((same - 200.0).abs() < 1e-6, "400 steps at two a second: {same}");
        let half = estimate(&app, TrainOrder { steps: Some(200), ..order() }).unwrap();
        let larger = estimate(&app, TrainOrder { size: Some(512), ..order() }).unwrap();
        assert!((half - 100.0).abs() < 1e-6 && (larger - 800.0).abs() < 1e-6, "{half} {larger}");
    }

    #[test]
    fn a_painting_is_estimated_by_its_pixels() {
        let painting = |order: PaintOrder| Parameters::Paint(order.fill(1, OutputFormat::Png).unwrap());
        let mut job = fixtures::jobs().into_iter().find(|job| matches!(job.state, JobState::Succeeded { .. })).unwrap();
        job.parameters = painting(PaintOrder::default());
        let JobState::Succeeded { started_at, finished_at, result, .. } = &job.state else { unreachable!() };
        let took = finished_at.duration_since(*started_at).as_secs_f64();
        let size = result.width.zip(result.height).unwrap();
        let estimate =
            |order: PaintOrder, photo| seconds(&painting(order), photo, [&job].into_iter(), |_| None, *finished_at);
        assert_eq!(estimate(PaintOrder::default(), None), None, "of a photo that can't be looked at nothing is known");
        let same = estimate(PaintOrder::default(), Some(size)).unwrap();
        let small = estimate(PaintOrder { size: Some(size.0 / 2), ..PaintOrder::default() }, Some(size)).unwrap();
        assert!((same - took).abs() < 1e-6 && (small - took / 4.0).abs() < took / 100.0, "{took} {same} {small}");
    }

    #[test]
    fn a_size_that_is_far_too_large_costs_more_than_there_is() {
        let painting = PaintOrder { size: Some(u32::MAX), ..PaintOrder::default() };
        let painting = Parameters::Paint(painting.fill(1, OutputFormat::Png).unwrap());
        assert_eq!(memory_bytes(&painting, Some((100, 100))), Some(u64::MAX));
        let Parameters::Train(mut training) = Parameters::Train(TrainOrder::new("x".parse().unwrap()).fill().unwrap())
        else {
            unreachable!()
        };
        (training.size, training.batch, training.art_size) = (u32::MAX, u32::MAX, u32::MAX);
        assert_eq!(memory_bytes(&Parameters::Train(training), Some((1, u32::MAX))), Some(u64::MAX));
    }
}
