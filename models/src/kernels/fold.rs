//! The gradient of padding and of enlargement: what several pixels were copied from gets the sum of their gradients.

use super::layout::Shape;
use super::simd::{Block, Kernel, Simd};
use super::source::{Border, Growth, Window};
use super::threads::ComputePool;

/// A tensor enlarged and padded, rows and columns each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padded {
    /// How the tensor grew.
    pub growth: Growth,
    /// What was put around it then.
    pub border: Border,
    /// How much, before and after, of rows and of columns.
    pub pads: [(usize, usize); 2],
}

impl Padded {
    /// Returns the sides of the padded tensor.
    #[must_use]
    pub fn shape(&self, shape: Shape) -> Shape {
        let side = |side: usize, (before, after): (usize, usize)| side * self.growth.factor() + before + after;
        Shape { height: side(shape.height, self.pads[0]), width: side(shape.width, self.pads[1]), ..shape }
    }

    /// Writes the gradient with respect to the tensor, given that of the padded one.
    pub fn fold(&self, pool: &ComputePool, shape: Shape, gradient: &[Block], out: &mut [Block]) {
        let large = self.shape(shape);
        assert_eq!(
            (gradient.len(), out.len()),
            (large.blocks(), shape.blocks()),
            "the tensors have their shapes' sizes"
        );
        let [rows, columns] = [(shape.height, 0), (shape.width, 1)].map(|(side, axis)| self.uses(side, axis));
        pool.map_chunks(out, shape.width, |i, out| {
            let (plane, y) = (i / shape.height, i % shape.height);
            let gradient = &gradient[plane * large.plane()..(plane + 1) * large.plane()];
            pool.backend().run(Row { gradient, width: large.width, rows: &rows[y], columns: &columns, out });
        });
    }

    /// Returns for each row (or column) of the tensor which of the padded one show it, and how strongly.
    fn uses(&self, side: usize, axis: usize) -> Vec<Vec<(usize, f32)>> {
        let (before, after) = self.pads[axis];
        let (growth, border) = (self.growth, self.border);
        let window = Window { growth, border, top: 0, left: 0, height: 1, width: 1, step: 1 };
        let mut uses = vec![Vec::new(); side];
        for index in 0..side * growth.factor() + before + after {
            for (at, weight) in window.samples(index as isize - before as isize, side) {
                if weight != 0.0 {
                    uses[at].push((index, weight));
                }
            }
        }
        uses
    }
}

struct Row<'a> {
    gradient: &'a [Block],
    width: usize,
    rows: &'a [(usize, f32)],
    columns: &'a [Vec<(usize, f32)>],
    out: &'a mut [Block],
}

impl Kernel for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (columns, out) in self.columns.iter().zip(self.out) {
            let mut sum = simd.zero();
            for (y, v) in self.rows {
                for (x, u) in columns {
                    sum = simd.mul_add(simd.splat(v * u), simd.load(&self.gradient[y * self.width + x]), sum);
                }
            }
            simd.store(sum, out);
        }
    }
}
