//! Kernels so large that every matrix is to be read once: all tiles of a pass go through each step together.

use std::ops::Range;

use super::transform::{InputTransform, OutputTransform};
use super::{Geometry, PRODUCTS, Tiles, Winograd, is_zero_when_doubled, odd_lines, pictures};
use crate::kernels::disjoint::Disjoint;
use crate::kernels::memory::resized;
use crate::kernels::multiply::Product;
use crate::kernels::output::{Sink, Target};
use crate::kernels::simd::{Block, Kernel, LANES, Simd};
use crate::kernels::source::Source;
use crate::kernels::threads::ComputePool;

impl Winograd {
    /// All threads transform, then all multiply, then all transform back: each matrix is read once.
    pub(super) fn run_in_phases(
        &self,
        pool: &ComputePool,
        source: &Source<'_>,
        geometry: Geometry,
        target: Target<'_>,
        shared: &mut Vec<Block>,
    ) {
        let tiles = Tiles::new(&target);
        let (batch, first_row) = (target.shape.batch, target.rows.start);
        let (sink, _) = target.split(1);
        let total = batch * tiles.count();
        let passes = total.div_ceil(TILES_A_PASS);
        let at_once = total.div_ceil(passes);
        let (input_blocks, output_blocks) = (self.inputs.div_ceil(LANES), self.outputs.div_ceil(LANES));
        let (input_stride, output_stride) = (odd_lines(input_blocks * at_once), odd_lines(output_blocks * at_once));
        let shared = resized(shared, PRODUCTS * (input_stride + output_stride));
        let (transformed, products) = shared.split_at_mut(PRODUCTS * input_stride);
        for start in (0..total).step_by(at_once) {
            let pass = Pass {
                kernel: self,
                source,
                geometry,
                sink: &sink,
                tiles,
                first_row,
                range: start..total.min(start + at_once),
                input_stride,
                output_stride,
            };
            pass.run(pool, transformed, products);
        }
    }
}

/// Tiles that go through a large kernel together: enough to use each of its lines often, few enough for the cache.
const TILES_A_PASS: usize = 256;

/// Some tiles of all pictures on their way through a large kernel.
struct Pass<'a> {
    kernel: &'a Winograd,
    source: &'a Source<'a>,
    geometry: Geometry,
    sink: &'a Sink<'a>,
    tiles: Tiles,
    first_row: usize,
    range: Range<usize>,
    input_stride: usize,
    output_stride: usize,
}

impl Pass<'_> {
    fn run(&self, pool: &ComputePool, transformed: &mut [Block], products: &mut [Block]) {
        let backend = pool.backend();
        let (input_blocks, output_blocks) = (self.kernel.inputs.div_ceil(LANES), self.kernel.outputs.div_ceil(LANES));
        let shared = Disjoint::new(&mut *transformed);
        pool.for_each(input_blocks, |cb| backend.run(TransformIn { pass: self, cb, out: shared }));
        let shared = Disjoint::new(&mut *products);
        pool.for_each(PRODUCTS, |i| backend.run(Multiply { pass: self, i, transformed, out: shared }));
        pool.for_each(output_blocks, |kb| backend.run(TransformOut { pass: self, kb, products }));
    }

    fn pictures(&self) -> impl Iterator<Item = (usize, Range<usize>, usize)> {
        pictures(self.tiles, self.range.clone())
    }
}

struct TransformIn<'a> {
    pass: &'a Pass<'a>,
    cb: usize,
    out: Disjoint<'a, Block>,
}

impl Kernel for TransformIn<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (pass, cb) = (self.pass, self.cb);
        let count = pass.range.len();
        for (n, range, offset) in pass.pictures() {
            let input = InputTransform {
                source: pass.source,
                geometry: pass.geometry,
                tiles: pass.tiles,
                first_row: pass.first_row,
                n,
                cb,
                stride: pass.input_stride,
            };
            input.run(simd, range, self.out, cb * count + offset);
        }
    }
}

struct Multiply<'a> {
    pass: &'a Pass<'a>,
    i: usize,
    transformed: &'a [Block],
    out: Disjoint<'a, Block>,
}

impl Kernel for Multiply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (pass, i, count) = (self.pass, self.i, self.pass.range.len());
        if pass.geometry.doubled && is_zero_when_doubled(i) {
            return;
        }
        let matrix_len = pass.kernel.matrices.len() / PRODUCTS;
        let product = Product {
            rows: &self.transformed[i * pass.input_stride..(i + 1) * pass.input_stride],
            matrix: &pass.kernel.matrices[i * matrix_len..(i + 1) * matrix_len],
            count,
            stride: count,
            input_blocks: pass.kernel.inputs.div_ceil(LANES),
            output_blocks: pass.kernel.outputs.div_ceil(LANES),
        };
        // SAFETY: each task has a product of its own.
        #[expect(unsafe_code, reason = "tasks write disjoint products")]
        let out = unsafe { self.out.range(i * pass.output_stride..(i + 1) * pass.output_stride) };
        product.run(simd, out);
    }
}

struct TransformOut<'a> {
    pass: &'a Pass<'a>,
    kb: usize,
    products: &'a [Block],
}

impl Kernel for TransformOut<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (pass, kb) = (self.pass, self.kb);
        let count = pass.range.len();
        for (n, range, offset) in pass.pictures() {
            let products = &self.products[kb * count + offset..];
            let output = OutputTransform {
                sink: pass.sink,
                tiles: pass.tiles,
                n,
                kb,
                stride: pass.output_stride,
                doubled: pass.geometry.doubled,
            };
            output.run(simd, range, products, None);
        }
    }
}
