//! Norms of channels: `(x - mean) / sqrt(variance + eps) * scale + shift`.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::Ops;
use super::blocked::{Blocked, values};
use super::operation::{Operation, Pass, record};
use crate::kernels::layout::channel_vector;
use crate::kernels::norm::{Moment, Moments as Gathered};
use crate::kernels::norm_backward::{NormPass, norm_backward};
use crate::kernels::simd::LANES;
use crate::kernels::source::Affine;
use crate::kernels::{Block, ComputePool};
use crate::network::NormKind;

/// Means and biased variances of channels, `(n, c, 1, 1)`, or `(1, c, 1, 1)` of all pictures together.
pub(crate) struct Moments {
    pub(crate) mean: Tensor,
    pub(crate) variance: Tensor,
}

/// A norm put together from tensors.
struct Norm {
    kind: NormKind,
    moments: Moments,
    eps: f32,
}

impl Norm {
    fn deviation(&self) -> Result<Tensor> {
        (&self.moments.variance + f64::from(self.eps))?.sqrt()
    }

    fn forward(&self, x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
        let normal = x.broadcast_sub(&self.moments.mean)?.broadcast_div(&self.deviation()?)?;
        normal.broadcast_mul(&by_channel(scale)?)?.broadcast_add(&by_channel(shift)?)
    }
}

impl Operation for Norm {
    const NAME: &'static str = "norm";

    fn backward(&self, pass: &Pass<'_>) -> Result<Vec<Option<Tensor>>> {
        let (x, scale, gradient) = (&pass.arguments[0], &pass.arguments[1], &pass.gradient);
        let deviation = self.deviation()?;
        let normal = x.broadcast_sub(&self.moments.mean)?.broadcast_div(&deviation)?;
        let by_shift = mean(self.kind, gradient)?;
        let by_scale = mean(self.kind, &(gradient * &normal)?)?;
        let rest = normal.broadcast_mul(&by_scale)?.broadcast_add(&by_shift)?;
        let factor = by_channel(scale)?.broadcast_div(&deviation)?;
        let by_x = (gradient - rest)?.broadcast_mul(&factor)?;
        let (n, c, h, w) = x.dims4()?;
        // The means are of one picture's numbers, or of all.
        let count = if self.kind == NormKind::Batch { n * h * w } else { h * w } as f64;
        let summed = |means: &Tensor| means.sum(0)?.reshape(c)?.affine(count, 0.0);
        Ok(vec![Some(by_x), Some(summed(&by_scale)?), Some(summed(&by_shift)?)])
    }
}

/// Returns the means that a norm takes; row by row, since one sum over millions of pixels loses digits.
fn mean(kind: NormKind, x: &Tensor) -> Result<Tensor> {
    let mean = x.mean_keepdim(3)?.mean_keepdim(2)?;
    if kind == NormKind::Batch { mean.mean_keepdim(0) } else { Ok(mean) }
}

fn by_channel(values: &Tensor) -> Result<Tensor> {
    values.reshape((1, (), 1, 1))
}

/// A norm on this crate's kernels.
struct Kernels {
    pool: Arc<ComputePool>,
    kind: NormKind,
    eps: f32,
    moments: Gathered,
    affine: Vec<Affine>,
}

impl Kernels {
    fn new(pool: &Arc<ComputePool>, kind: NormKind, eps: f32, x: &Blocked) -> Self {
        let (blocks, plane) = (x.shape.channel_blocks(), x.shape.plane());
        let mut own = vec![[Moment::default(); LANES]; x.shape.batch * blocks];
        pool.map_chunks(&mut own, 1, |i, own| gather(&x.blocks[i * plane..(i + 1) * plane], &mut own[0]));
        let mut moments = Gathered::new(x.shape);
        for (i, own) in own.iter().enumerate() {
            moments.merge(i / blocks, i % blocks, own);
        }
        if kind == NormKind::Batch {
            moments.share();
        }
        Self { pool: Arc::clone(pool), kind, eps, moments, affine: Vec::new() }
    }

    fn forward(&mut self, x: &Blocked, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
        let (scale, shift) = (channel_vector(&values(scale)?), channel_vector(&values(shift)?));
        self.moments.affine(self.eps, &scale, &shift, &mut self.affine);
        let (mut y, plane, affine) = (Blocked::zeros(x.shape), x.shape.plane(), &self.affine);
        self.pool.map_chunks(&mut y.blocks, plane, |i, y| {
            let Affine { scale, shift } = &affine[i];
            for (y, x) in y.iter_mut().zip(&x.blocks[i * plane..]) {
                for lane in 0..LANES {
                    y.0[lane] = x.0[lane] * scale.0[lane] + shift.0[lane];
                }
            }
        });
        y.tensor(&self.pool)
    }
}

/// Takes the moments of one channel block of one picture.
fn gather(plane: &[Block], moments: &mut [Moment; LANES]) {
    for (lane, moment) in moments.iter_mut().enumerate() {
        moment.count = plane.len() as f64;
        moment.mean = plane.iter().map(|block| f64::from(block.0[lane])).sum::<f64>() / moment.count;
        moment.deviations = plane.iter().map(|block| (f64::from(block.0[lane]) - moment.mean).powi(2)).sum();
    }
}

impl Operation for Kernels {
    const NAME: &'static str = "norm on kernels";

    fn backward(&self, pass: &Pass<'_>) -> Result<Vec<Option<Tensor>>> {
        let (x, mut gradient) =
            (Blocked::of(&self.pool, &pass.arguments[0])?, Blocked::of(&self.pool, &pass.gradient)?);
        let weight = channel_vector(&values(&pass.arguments[1])?);
        let of = NormPass {
            moments: &self.moments,
            shared: self.kind == NormKind::Batch,
            eps: self.eps,
            affine: &self.affine,
            relu: false,
        };
        let (mut scale, mut shift) = (vec![0.0; x.shape.channels], vec![0.0; x.shape.channels]);
        norm_backward(&self.pool, x.shape, &x.blocks, of, &weight, &mut gradient.blocks, [&mut scale, &mut shift]);
        let vector = |values: Vec<f32>| Tensor::new(values, pass.gradient.device());
        Ok(vec![Some(gradient.tensor(&self.pool)?), Some(vector(scale)?), Some(vector(shift)?)])
    }
}

/// Returns means and variances without a history: of each picture for an instance norm, of all together for a batch
/// norm.
pub(crate) fn moments(x: &Tensor, kind: NormKind) -> Result<Moments> {
    let x = x.detach();
    let mean_of = mean(kind, &x)?;
    let variance = mean(kind, &x.broadcast_sub(&mean_of)?.sqr()?)?;
    Ok(Moments { mean: mean_of, variance })
}

/// Normalises by statistics that were taken before.
pub(crate) fn norm_by(x: &Tensor, moments: &Moments, [scale, shift]: [&Tensor; 2], eps: f32) -> Result<Tensor> {
    let deviation = (&moments.variance + f64::from(eps))?.sqrt()?;
    let normal = x.broadcast_sub(&moments.mean)?.broadcast_div(&deviation)?;
    normal.broadcast_mul(&by_channel(scale)?)?.broadcast_add(&by_channel(shift)?)
}

impl Ops {
    /// Normalises by the statistics of `x` itself; `scale` and `shift` have one number a channel.
    pub(crate) fn norm(&self, x: &Tensor, scale: &Tensor, shift: &Tensor, kind: NormKind, eps: f32) -> Result<Tensor> {
        if let Some(pool) = &self.kernels {
            let blocked = Blocked::of(pool, x)?;
            let mut norm = Kernels::new(pool, kind, eps, &blocked);
            let result = norm.forward(&blocked, scale, shift)?;
            return record(norm, &[x, scale, shift], result);
        }
        let norm = Norm { kind, moments: moments(x, kind)?, eps };
        let result = norm.forward(&x.detach(), &scale.detach(), &shift.detach())?;
        record(norm, &[x, scale, shift], result)
    }
}
