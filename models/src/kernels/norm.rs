//! Instance normalisation (Ulyanov et al. 2016): `(x - mean) / sqrt(variance + eps) * scale + shift` of every channel
//! of every picture, mean and biased variance over its pixels.

use super::layout::Shape;
use super::simd::{Block, LANES};
use super::source::Affine;

/// What is known of the values of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// How many values.
    pub count: f64,
    /// Their mean.
    pub mean: f64,
    /// The sum of their squared deviations from it.
    pub deviations: f64,
}

impl Moment {
    /// Adds what is known of other values of the channel (Chan et al. 1979).
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0.0 {
            return;
        }
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        self.mean += delta * other.count / count;
        self.deviations += other.deviations + delta * delta * self.count * other.count / count;
        self.count = count;
    }

    /// Returns the biased variance.
    #[must_use]
    pub fn variance(&self) -> f64 {
        (self.deviations / self.count.max(1.0)).max(0.0)
    }

    /// Returns whether all values were finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.mean.is_finite() && self.deviations.is_finite()
    }
}

/// The moments of every channel of every picture, gathered over as many calls as there are strips.
#[derive(Clone, Debug)]
pub struct Moments {
    channel_blocks: usize,
    moments: Vec<[Moment; LANES]>,
}

impl Moments {
    /// Starts with no values.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let channel_blocks = shape.channel_blocks();
        Self { channel_blocks, moments: vec![[Moment::default(); LANES]; shape.batch * channel_blocks] }
    }

    /// Takes the moments of the channels of one picture.
    #[must_use]
    pub fn of(channels: &[Moment]) -> Self {
        let block = |chunk: &[Moment]| {
            let mut block = [Moment::default(); LANES];
            block[..chunk.len()].copy_from_slice(chunk);
            block
        };
        let moments: Vec<_> = channels.chunks(LANES).map(block).collect();
        Self { channel_blocks: moments.len(), moments }
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        self.moments.fill([Moment::default(); LANES]);
    }

    /// Adds values of one channel block of one picture.
    pub(crate) fn merge(&mut self, n: usize, cb: usize, other: &[Moment; LANES]) {
        for (moment, other) in self.moments[n * self.channel_blocks + cb].iter_mut().zip(other) {
            moment.merge(other);
        }
    }

    /// Returns the moments of one channel of one picture.
    #[must_use]
    pub fn channel(&self, n: usize, channel: usize) -> &Moment {
        &self.moments[n * self.channel_blocks + channel / LANES][channel % LANES]
    }

    /// Returns the moments of one lane of a channel block, which beyond the last channel are those of zeros.
    pub(crate) fn lane(&self, n: usize, cb: usize, lane: usize) -> &Moment {
        &self.moments[n * self.channel_blocks + cb][lane]
    }

    /// Makes the moments of all pictures together those of each.
    pub fn share(&mut self) {
        let blocks = self.channel_blocks;
        for i in blocks..self.moments.len() {
            let (first, rest) = self.moments.split_at_mut(blocks);
            for (moment, other) in first[i % blocks].iter_mut().zip(&rest[i - blocks]) {
                moment.merge(other);
            }
        }
        for i in blocks..self.moments.len() {
            self.moments[i] = self.moments[i % blocks];
        }
    }

    /// Returns whether all values were finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.moments.iter().flatten().all(Moment::is_finite)
    }

    /// Writes the scale and shift that normalise: `out[n * channel blocks + cb]`.
    ///
    /// `scale` and `shift` are the norm's own, one block a channel block, zero beyond the last channel.
    pub fn affine(&self, eps: f32, scale: &[Block], shift: &[Block], out: &mut Vec<Affine>) {
        out.clear();
        for (i, moments) in self.moments.iter().enumerate() {
            let (scale, shift) = (&scale[i % self.channel_blocks], &shift[i % self.channel_blocks]);
            let mut affine = Affine { scale: Block::ZERO, shift: Block::ZERO };
            for (lane, moment) in moments.iter().enumerate() {
                let factor = f64::from(scale.0[lane]) / (moment.variance() + f64::from(eps)).sqrt();
                affine.scale.0[lane] = factor as f32;
                affine.shift.0[lane] = (f64::from(shift.0[lane]) - moment.mean * factor) as f32;
            }
            out.push(affine);
        }
    }
}
