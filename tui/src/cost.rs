//! What a training costs, before it begins.

use jiff::Timestamp;
use protocol::{Job, JobState, Parameters, TrainParameters};

/// Memory of the loss network, loaded, in bytes.
const LOSS_NETWORK_BYTES: u64 = 500 << 20;

/// Memory of the loss network's features, in bytes a pixel.
const FEATURES_BYTES_PER_PIXEL: u64 = 2_700;

/// Memory of the decoded photos that are kept at hand, in bytes.
const PHOTOS_BYTES: u64 = 256 << 20;

/// Returns the memory that a training takes, in bytes, as the daemon counts it: for a square artwork.
#[must_use]
pub fn training_memory_bytes(training: &TrainParameters) -> u64 {
    let square = |side: u32| u64::from(side) * u64::from(side);
    let crops = u64::from(training.batch) * square(training.size);
    let channels = u64::from(training.width).next_multiple_of(16);
    let network = crops * 8 * (4 * channels + channels * u64::from(training.residuals));
    LOSS_NETWORK_BYTES + FEATURES_BYTES_PER_PIXEL * crops.max(square(training.art_size)) + network + PHOTOS_BYTES
}

/// Estimates the seconds that a training takes, from how fast the newest of these jobs that is one went; none while
/// no training has run.
pub(crate) fn training_seconds<'a>(
    training: &TrainParameters,
    jobs: impl Iterator<Item = &'a Job>,
    rate: impl Fn(&Job) -> Option<f64>,
    now: Timestamp,
) -> Option<f64> {
    let mut paces = jobs.filter_map(|job| {
        let Parameters::Train(known) = &job.parameters else { return None };
        let seconds_a_step = match &job.state {
            JobState::Running { .. } => 1.0 / rate(job).filter(|rate| *rate > 0.0)?,
            // One that went on after a pause began anew: what it did before is not in this span.
            JobState::Succeeded { started_at, finished_at, .. } if job.attempt == 1 && *finished_at <= now => {
                finished_at.duration_since(*started_at).as_secs_f64() / f64::from(known.steps)
            }
            _ => return None,
        };
        Some(seconds_a_step / work(known))
    });
    Some(paces.next()? * work(training) * f64::from(training.steps))
}

/// Returns a measure of a step's work: the loss network's share and the style network's, for each pixel.
fn work(training: &TrainParameters) -> f64 {
    let pixels = f64::from(training.batch) * f64::from(training.size).powi(2);
    let channels = f64::from(training.width) / 16.0;
    // The loss network up to conv5_1 is about seven times the house's own network of three blocks.
    let network = channels.powi(2) * (1.0 + f64::from(training.residuals)) / 4.0;
    pixels * (7.0 + network)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::TrainOrder;

    use super::*;
    use crate::app::fixtures;

    #[test]
    fn an_estimate_goes_by_what_the_newest_training_took() {
        let filled = |order: TrainOrder| order.fill().unwrap();
        let order = || TrainOrder::new("x".parse().unwrap());
        let mut app = fixtures::app();
        let estimate = |app: &crate::app::App, training: &TrainParameters| {
            training_seconds(training, app.jobs.all(), |job| app.jobs.rate(job), app.now)
        };
        assert_eq!(estimate(&app, &filled(order())), None, "nothing has been learned yet");
        fixtures::train(&mut app);
        let same = estimate(&app, &filled(order())).unwrap();
        assert!((same - 200.0).abs() < 1e-6, "400 steps at two a second: {same}");
        let half = estimate(&app, &filled(TrainOrder { steps: Some(200), ..order() })).unwrap();
        let larger = estimate(&app, &filled(TrainOrder { size: Some(512), ..order() })).unwrap();
        assert!((half - 100.0).abs() < 1e-6 && (larger - 800.0).abs() < 1e-6, "{half} {larger}");
    }
}
