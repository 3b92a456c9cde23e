//! Maximum over 2x2 pixels, as VGG has it: an odd last row or column is dropped.

use super::disjoint::Disjoint;
use super::layout::Shape;
use super::simd::{Block, Kernel, LANES, Simd};
use super::threads::ComputePool;

/// Returns the sides of the pooled tensor.
#[must_use]
pub fn pooled(shape: Shape) -> Shape {
    Shape { height: shape.height / 2, width: shape.width / 2, ..shape }
}

/// Writes the maxima of `x` to `out`.
pub fn max_pool(pool: &ComputePool, shape: Shape, x: &[Block], out: &mut [Block]) {
    let small = pooled(shape);
    assert_eq!((x.len(), out.len()), (shape.blocks(), small.blocks()), "the tensors have their shapes' sizes");
    let out = Disjoint::new(out);
    pool.for_each(shape.batch * shape.channel_blocks(), |plane| {
        let x = &x[plane * shape.plane()..(plane + 1) * shape.plane()];
        // SAFETY: each plane is written by one task.
        #[expect(unsafe_code, reason = "tasks write disjoint planes")]
        let out = unsafe { out.range(plane * small.plane()..(plane + 1) * small.plane()) };
        pool.backend().run(Forward { width: shape.width, small_width: small.width, x, out });
    });
}

struct Forward<'a> {
    width: usize,
    small_width: usize,
    x: &'a [Block],
    out: &'a mut [Block],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if self.small_width == 0 {
            return;
        }
        for (y, out) in self.out.chunks_exact_mut(self.small_width).enumerate() {
            let rows = self.x[2 * y * self.width..].split_at(self.width);
            let (upper, lower) = (rows.0.as_chunks::<2>().0, rows.1[..self.width].as_chunks::<2>().0);
            for ((a, b), out) in upper.iter().zip(lower).zip(out) {
                let top = simd.max(simd.load(&a[0]), simd.load(&a[1]));
                let bottom = simd.max(simd.load(&b[0]), simd.load(&b[1]));
                simd.store(simd.max(top, bottom), out);
            }
        }
    }
}

/// Writes the gradient with respect to the input of the `ReLU` before the pool: that of a maximum goes to the first
/// pixel that has it, if it is positive.
///
/// `x` is the pool's input, `maxima` its output.
pub fn max_pool_backward(
    pool: &ComputePool,
    shape: Shape,
    x: &[Block],
    maxima: &[Block],
    gradient: &[Block],
    out: &mut [Block],
) {
    let small = pooled(shape);
    assert_eq!((x.len(), out.len()), (shape.blocks(), shape.blocks()), "the tensors have their shapes' sizes");
    assert_eq!(
        (maxima.len(), gradient.len()),
        (small.blocks(), small.blocks()),
        "the tensors have their shapes' sizes"
    );
    let out = Disjoint::new(out);
    pool.for_each(shape.batch * shape.channel_blocks(), |plane| {
        let (large, little) = (plane * shape.plane(), plane * small.plane());
        // SAFETY: each plane is written by one task.
        #[expect(unsafe_code, reason = "tasks write disjoint planes")]
        let out = unsafe { out.range(large..large + shape.plane()) };
        let kernel = Backward {
            shape,
            x: &x[large..large + shape.plane()],
            maxima: &maxima[little..little + small.plane()],
            gradient: &gradient[little..little + small.plane()],
            out,
        };
        pool.backend().run(kernel);
    });
}

struct Backward<'a> {
    shape: Shape,
    x: &'a [Block],
    maxima: &'a [Block],
    gradient: &'a [Block],
    out: &'a mut [Block],
}

#[expect(clippy::needless_range_loop, reason = "lanes of several blocks side by side")]
#[expect(clippy::float_cmp, reason = "a maximum is one of the values it was taken from")]
impl Kernel for Backward<'_> {
    type Output = ();
    /// Plain code over lanes, which the compiler makes vectors of in each backend's entry.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (width, small) = (self.shape.width, pooled(self.shape));
        // What the pool dropped has no gradient.
        for row in self.out.chunks_exact_mut(width.max(1)).skip(2 * small.height) {
            row.fill(Block::ZERO);
        }
        for y in 0..small.height {
            if width % 2 == 1 {
                self.out[(2 * y + 1) * width - 1] = Block::ZERO;
                self.out[(2 * y + 2) * width - 1] = Block::ZERO;
            }
            for x in 0..small.width {
                let (maximum, gradient) = (&self.maxima[y * small.width + x], &self.gradient[y * small.width + x]);
                let mut left = [0.0; LANES];
                for lane in 0..LANES {
                    left[lane] = if maximum.0[lane] > 0.0 { gradient.0[lane] } else { 0.0 };
                }
                for at in [0, 1, width, width + 1].map(|offset| 2 * y * width + 2 * x + offset) {
                    let (from, to) = (&self.x[at], &mut self.out[at]);
                    for lane in 0..LANES {
                        let is_maximum = from.0[lane] == maximum.0[lane];
                        to.0[lane] = if is_maximum { left[lane] } else { 0.0 };
                        left[lane] = if is_maximum { 0.0 } else { left[lane] };
                    }
                }
            }
        }
    }
}
