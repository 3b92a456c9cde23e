//! A look at a known photo: does a net see in it what a trained VGG19 sees?
//!
//! Nets trained for the same task find other features but find the same places alike. So, layer by layer, the likenesses
//! of places in a photo are compared with those in the built-in net's eyes (linear centred kernel alignment, Kornblith et
//! al. 2019). Measured on that photo, as the mean over `relu2_1` and what follows: random weights agree to 0.43; the
//! original's weights with 8 bits to 1.00, but when they are given their pictures in another way than they were trained
//! with, to 0.94 (no mean) to 0.98 (red for blue). A net of another training lies in between.

use std::num::NonZeroUsize;

use super::error::VggProblem;
use super::weights::Reading;
use super::{Features, LAYERS, Tap, Vgg, VggWeights};
use crate::kernels::ComputePool;
use crate::kernels::layout::{Shape, from_blocked};
use crate::picture::{self, Limits};
use crate::training::BUILTIN;

/// The photo that is looked at, in [`BUILTIN`]: a colourful one.
const PHOTO: usize = 3;
/// Its sides.
const SIDE: usize = 128;
/// Places that are compared along each side.
const PLACES: usize = 16;
/// The first layer that counts; before it, random weights agree as well.
const FIRST: usize = 2;
/// The least agreement of a trained net.
const LEAST: f64 = 0.55;
/// The least agreement of the original's own weights.
const SAME: f64 = 0.99;
/// How much better another way to read pictures must fit to be the right one.
const MARGIN: f64 = 0.005;
/// Root mean squares that a layer's output can have; the original's are 32 to 1800, torchvision's about 1.
const LEVELS: std::ops::RangeInclusive<f64> = 1e-3..=1e6;
/// The shares of positive values that a layer's output can have; the original's are 0.09 to 0.77.
const POSITIVE: std::ops::RangeInclusive<f64> = 0.005..=0.995;

/// Makes a net of weights, unless it does not see as VGG19 does.
pub(super) fn tried(weights: VggWeights) -> Result<Vgg, VggProblem> {
    let pool = ComputePool::new(std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(8))?;
    let photo = photo();
    let known = Sight::of(&pool, &Vgg::builtin(), &photo);
    let vgg = Vgg::new(weights);
    let seen = Sight::of(&pool, &vgg, &photo);
    seen.check_levels()?;
    let agreement = known.agreement(&seen);
    if agreement >= SAME {
        return Ok(vgg);
    }
    let is_better = |other: f64| other >= SAME && other > agreement + MARGIN;
    let own = vgg.weights.reading();
    let others = [Reading::CAFFE, Reading::MATCONVNET, Reading::TORCHVISION, Reading::TORCHVISION_BGR];
    let others = others.into_iter().filter(|other| other.name != own.name);
    let through = others.map(|other| (known.agreement(&Sight::of(&pool, &vgg, &as_read(&photo, own, other))), other));
    if let Some((_, other)) = through.filter(|(fit, _)| is_better(*fit)).max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        let detail = format!(
            "its weights were trained for {}, and a file of this kind is for {}; convert its first layer, or give the \
             file that they were converted from",
            other.name, own.name
        );
        return Err(VggProblem::Implausible { detail });
    }
    if own.name == Reading::MATCONVNET.name {
        let mut turned = vgg.weights.clone();
        turned.transpose();
        let turned = Vgg::new(turned);
        if is_better(known.agreement(&Sight::of(&pool, &turned, &photo))) {
            return Ok(turned);
        }
    }
    if agreement.is_nan() || agreement < LEAST {
        let detail = format!(
            "its features of a known photo agree with the built-in net's to {agreement:.2}, where a trained net's agree \
             to {LEAST} at least and random ones to 0.43; give weights that were trained on ImageNet"
        );
        return Err(VggProblem::Implausible { detail });
    }
    Ok(vgg)
}

/// The photo, `[3][h][w]` RGB 0..1.
fn photo() -> Vec<f32> {
    let decoded = picture::decode(BUILTIN[PHOTO].1, Limits { pixels: 1 << 24 });
    let photo = decoded.ok().and_then(|(_, photo)| photo.resized(SIDE as u32, SIDE as u32).ok());
    let (rgb, _) = photo.expect("the photo in the program is whole").into_planes();
    let plane = SIDE * SIDE;
    (0..3 * plane).map(|i| f32::from(rgb[i % plane * 3 + i / plane]) / 255.0).collect()
}

/// What a net sees in the photo, layer by layer.
struct Sight {
    /// The likeness of each place to each other, a matrix.
    likeness: Vec<Vec<f64>>,
    /// Root mean square, and the share of positive values.
    levels: Vec<[f64; 2]>,
}

impl Sight {
    fn of(pool: &ComputePool, vgg: &Vgg, photo: &[f32]) -> Self {
        let shape = Shape { batch: 1, channels: 3, height: SIDE, width: SIDE };
        let mut features = Features::default();
        features.look(pool, vgg, photo, shape, Tap(LAYERS.len() - 1));
        let (mut likeness, mut levels) = (Vec::new(), Vec::new());
        for i in 0..LAYERS.len() {
            let (shape, blocks) = features.tap(Tap(i));
            let mut values = vec![0.0; shape.elements()];
            from_blocked(pool, shape, blocks, &mut values);
            let count = values.len() as f64;
            let square: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
            levels.push([(square / count).sqrt(), values.iter().filter(|v| **v > 0.0).count() as f64 / count]);
            likeness.push(likeness_of_places(shape, &values));
        }
        Self { likeness, levels }
    }

    fn check_levels(&self) -> Result<(), VggProblem> {
        for (layer, [level, positive]) in LAYERS.iter().zip(&self.levels) {
            if !LEVELS.contains(level) || !POSITIVE.contains(positive) {
                let detail = format!(
                    "at {} of a known photo its values have a root mean square of {level:.3e} and {:.1} % of them are \
                     above 0, where {:e} to {:e} and {} % to {} % were expected; give weights that were trained on \
                     ImageNet",
                    layer.name,
                    positive * 100.0,
                    LEVELS.start(),
                    LEVELS.end(),
                    POSITIVE.start() * 100.0,
                    POSITIVE.end() * 100.0
                );
                return Err(VggProblem::Implausible { detail });
            }
        }
        Ok(())
    }

    /// Returns how much alike the places are to both, 0..1, in the mean over layers.
    fn agreement(&self, other: &Self) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let aligned = |(a, b): (&Vec<f64>, &Vec<f64>)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        let layers = self.likeness.iter().zip(&other.likeness).skip(FIRST).map(aligned);
        layers.sum::<f64>() / (LAYERS.len() - FIRST) as f64
    }
}

/// Returns the scalar products of the features at a grid of places, each channel's mean taken off.
fn likeness_of_places(shape: Shape, values: &[f32]) -> Vec<f64> {
    let side = PLACES.min(shape.width);
    let step = shape.width / side;
    let at = |i: usize| i * step + step / 2;
    let places = (0..side * side).map(|i| at(i / side) * shape.width + at(i % side));
    let features = |place: usize| values.iter().skip(place).step_by(shape.plane()).copied().collect();
    let mut places: Vec<Vec<f32>> = places.map(features).collect();
    for channel in 0..shape.channels {
        let mean = places.iter().map(|place| place[channel]).sum::<f32>() / places.len() as f32;
        for place in &mut places {
            place[channel] -= mean;
        }
    }
    let product = |a: &[f32], b: &[f32]| f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>());
    let pairs = places.iter().flat_map(|a| places.iter().map(move |b| (a, b)));
    pairs.map(|(a, b)| product(a, b)).collect()
}

/// Returns what a net that reads pictures in its own way must be given, to see what it would see in `photo` if it read it
/// in another one.
fn as_read(photo: &[f32], own: Reading, other: Reading) -> Vec<f32> {
    let plane = photo.len() / 3;
    let mut given = vec![0.0; photo.len()];
    for c in 0..3 {
        let from = &photo[other.order[c] * plane..][..plane];
        for (to, from) in given[own.order[c] * plane..][..plane].iter_mut().zip(from) {
            let wanted = (other.range * from - other.mean[c]) / other.deviation[c];
            *to = (wanted * own.deviation[c] + own.mean[c]) / own.range;
        }
    }
    given
}
