//! The gradient of a norm and of the `ReLU` after it.

use super::layout::Shape;
use super::norm::{Moment, Moments};
use super::simd::{Block, Kernel, LANES, Simd};
use super::source::Affine;
use super::threads::ComputePool;

/// Pixels that a task takes.
const PIECE: usize = 2048;

/// What a norm was in the forward pass.
#[derive(Clone, Copy, Debug)]
pub struct NormPass<'a> {
    /// The statistics that it took.
    pub moments: &'a Moments,
    /// Whether they are of all pictures together, as in batch norm's training.
    pub shared: bool,
    /// Added to the variance.
    pub eps: f32,
    /// Scale and shift as they were applied, one a picture and channel block.
    pub affine: &'a [Affine],
    /// Whether a `ReLU` followed.
    pub relu: bool,
}

/// Turns the gradient with respect to a norm's output into that with respect to its input, and adds those with respect
/// to its own scale and shift to `scale` and `shift`.
///
/// `x` is the norm's input, `weight` its own scale, one block a channel block.
#[expect(clippy::needless_range_loop, reason = "lanes of several blocks side by side")]
pub fn norm_backward(
    pool: &ComputePool,
    shape: Shape,
    x: &[Block],
    pass: NormPass<'_>,
    weight: &[Block],
    gradient: &mut [Block],
    [scale, shift]: [&mut [f32]; 2],
) {
    assert_eq!((x.len(), gradient.len()), (shape.blocks(), shape.blocks()), "the tensors have their shape's size");
    let (plane, blocks) = (shape.plane(), shape.channel_blocks());
    // Pieces must not reach over a plane: cut planes evenly.
    let pieces = plane.div_ceil(PIECE);
    let piece = plane.div_ceil(pieces);
    let count = shape.batch * blocks * plane.div_ceil(piece);
    let per_plane = plane.div_ceil(piece);
    let range = |i: usize| {
        let (p, start) = (i / per_plane, i % per_plane * piece);
        (p, p * plane + start..p * plane + plane.min(start + piece))
    };
    let mut partial = vec![[Block::ZERO; 2]; count];
    {
        let gradient = &*gradient;
        pool.map_chunks(&mut partial, 1, |i, out| {
            let (p, range) = range(i);
            let normal = pass.normal(p, blocks);
            let kernel = Sums {
                x: &x[range.clone()],
                gradient: &gradient[range],
                normal: &normal,
                affine: &pass.affine[p],
                relu: pass.relu,
            };
            out[0] = pool.backend().run(kernel);
        });
    }
    let mut sums = vec![[[0.0f64; LANES]; 2]; shape.batch * blocks];
    for (i, partial) in partial.iter().enumerate() {
        for (sum, block) in sums[i / per_plane].iter_mut().zip(partial) {
            for (sum, v) in sum.iter_mut().zip(block.0) {
                *sum += f64::from(v);
            }
        }
    }
    for (p, [by_shift, by_scale]) in sums.iter().enumerate() {
        for c in p % blocks * LANES..shape.channels.min((p % blocks + 1) * LANES) {
            shift[c] += by_shift[c % LANES] as f32;
            scale[c] += by_scale[c % LANES] as f32;
        }
    }
    if pass.shared {
        for cb in 0..blocks {
            let mut total = [[0.0; LANES]; 2];
            for n in 0..shape.batch {
                for (total, sum) in total.iter_mut().flatten().zip(sums[n * blocks + cb].iter().flatten()) {
                    *total += sum;
                }
            }
            for n in 0..shape.batch {
                sums[n * blocks + cb] = total;
            }
        }
    }
    let pixels = (plane * if pass.shared { shape.batch } else { 1 }) as f64;
    pool.map_planes(gradient, plane, piece, |p, start, gradient| {
        let normal = pass.normal(p, blocks);
        let mut slopes = [Block::ZERO; 3];
        for lane in 0..LANES {
            let factor = f64::from(weight[p % blocks].0[lane]) * f64::from(normal.scale.0[lane]);
            slopes[0].0[lane] = factor as f32;
            slopes[1].0[lane] = (-factor * sums[p][0][lane] / pixels) as f32;
            slopes[2].0[lane] = (-factor * sums[p][1][lane] / pixels) as f32;
        }
        let x = &x[p * plane + start..][..gradient.len()];
        pool.backend().run(Apply { x, gradient, normal: &normal, affine: &pass.affine[p], relu: pass.relu, slopes });
    });
}

impl NormPass<'_> {
    /// Returns what takes the mean out and the deviation to 1, without the norm's own scale and shift.
    fn normal(&self, plane: usize, blocks: usize) -> Affine {
        let mut normal = Affine { scale: Block::ZERO, shift: Block::ZERO };
        let n = if self.shared { 0 } else { plane / blocks };
        for lane in 0..LANES {
            let moment: &Moment = self.moments.lane(n, plane % blocks, lane);
            let factor = 1.0 / (moment.variance() + f64::from(self.eps)).sqrt();
            normal.scale.0[lane] = factor as f32;
            normal.shift.0[lane] = (-moment.mean * factor) as f32;
        }
        normal
    }
}

/// Sums the gradient, and its products with the normalised values.
struct Sums<'a> {
    x: &'a [Block],
    gradient: &'a [Block],
    normal: &'a Affine,
    affine: &'a Affine,
    relu: bool,
}

/// The gradient before the `ReLU`.
#[inline(always)]
fn gated<S: Simd>(simd: S, x: S::V, gradient: S::V, affine: [S::V; 2], relu: bool) -> S::V {
    if relu { simd.gate(simd.mul_add(x, affine[0], affine[1]), gradient) } else { gradient }
}

impl Kernel for Sums<'_> {
    type Output = [Block; 2];
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [Block; 2] {
        let affine = [simd.load(&self.affine.scale), simd.load(&self.affine.shift)];
        let normal = [simd.load(&self.normal.scale), simd.load(&self.normal.shift)];
        let (mut sum, mut product) = (simd.zero(), simd.zero());
        for (x, gradient) in self.x.iter().zip(self.gradient) {
            let x = simd.load(x);
            let g = gated(simd, x, simd.load(gradient), affine, self.relu);
            sum = simd.add(sum, g);
            product = simd.mul_add(g, simd.mul_add(x, normal[0], normal[1]), product);
        }
        let mut out = [Block::ZERO; 2];
        simd.store(sum, &mut out[0]);
        simd.store(product, &mut out[1]);
        out
    }
}

/// Writes `slopes[0] g + slopes[1] + slopes[2] normalised x`.
struct Apply<'a> {
    x: &'a [Block],
    gradient: &'a mut [Block],
    normal: &'a Affine,
    affine: &'a Affine,
    relu: bool,
    slopes: [Block; 3],
}

impl Kernel for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let affine = [simd.load(&self.affine.scale), simd.load(&self.affine.shift)];
        let normal = [simd.load(&self.normal.scale), simd.load(&self.normal.shift)];
        let slopes = [simd.load(&self.slopes[0]), simd.load(&self.slopes[1]), simd.load(&self.slopes[2])];
        for (x, gradient) in self.x.iter().zip(self.gradient) {
            let x = simd.load(x);
            let g = gated(simd, x, simd.load(gradient), affine, self.relu);
            let rest = simd.mul_add(simd.mul_add(x, normal[0], normal[1]), slopes[2], slopes[1]);
            simd.store(simd.mul_add(g, slopes[0], rest), gradient);
        }
    }
}
