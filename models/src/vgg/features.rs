//! A forward pass that keeps what the way back needs, in buffers that are used again.

use super::{Backward, LAYERS, Tap, Vgg};
use crate::kernels::direct::Input;
use crate::kernels::layout::{Shape, to_blocked};
use crate::kernels::max_pool::{max_pool, max_pool_backward, pooled};
use crate::kernels::memory::resized;
use crate::kernels::output::{Epilogue, Target};
use crate::kernels::simd::Block;
use crate::kernels::source::{Prelude, Source};
use crate::kernels::{ComputePool, elementwise};

/// The features of the pictures seen last, and memory for the next ones.
#[derive(Debug, Default)]
pub struct Features {
    picture: Vec<Block>,
    /// The output of each layer.
    layers: Vec<Vec<Block>>,
    /// The input of each layer with a pool before it.
    pools: Vec<Vec<Block>>,
    shapes: Vec<Shape>,
    gradients: [Vec<Block>; 3],
    shared: Vec<Block>,
}

impl Features {
    /// Returns a layer's output and its sides.
    #[must_use]
    pub fn tap(&self, tap: Tap) -> (Shape, &[Block]) {
        let shape = self.shapes[tap.0];
        (shape, &self.layers[tap.0][..shape.blocks()])
    }

    /// Looks at pictures, `[n][3][h][w]` RGB 0..1, up to the layer `last`.
    ///
    /// # Panics
    /// There are more or fewer numbers than the shape says.
    pub fn look(&mut self, pool: &ComputePool, vgg: &Vgg, pictures: &[f32], shape: Shape, last: Tap) {
        assert_eq!((shape.channels, pictures.len()), (3, shape.elements()), "pictures are RGB");
        to_blocked(pool, shape, pictures, resized(&mut self.picture, shape.blocks()));
        self.layers.resize(self.layers.len().max(LAYERS.len()), Vec::new());
        self.pools.resize(self.pools.len().max(LAYERS.len()), Vec::new());
        self.shapes.clear();
        let means: Vec<_> = (0..shape.batch).map(|_| vgg.mean[0]).collect();
        let mut input = shape;
        for (i, layer) in LAYERS.iter().enumerate().take(last.0 + 1) {
            let output = if layer.pooled { pooled(input) } else { input }.with_channels(layer.outputs);
            let (before, rest) = self.layers.split_at_mut(i);
            let to = Target::whole(resized(&mut rest[0], output.blocks()), output);
            let epilogue = Epilogue { bias: Some(&vgg.biases[i]), relu: true, ..Epilogue::default() };
            let to = to.with(epilogue);
            if i == 0 {
                let prelude = Prelude::Norm(&means);
                let from = Source { prelude, ..Source::whole(&self.picture[..shape.blocks()], shape) };
                vgg.first.run(pool, &Input::Blocked(from), [0; 2], to);
            } else {
                let from = &before[i - 1][..input.blocks()];
                let source = if layer.pooled {
                    let small = pooled(input);
                    let maxima = resized(&mut self.pools[i], small.blocks());
                    max_pool(pool, input, from, maxima);
                    Source::whole(maxima, small)
                } else {
                    Source::whole(from, input)
                };
                vgg.rest[i - 1].run(pool, &source, to, &mut self.shared);
            }
            self.shapes.push(output);
            input = output;
        }
    }

    /// Returns the gradient with respect to the pictures seen last: `[n][3][h][w]` into `out`.
    ///
    /// `tap_gradient` is asked for each layer from the last one up; it writes the gradient with respect to that layer's
    /// output and answers whether there is one. The last layer must have one.
    pub fn backward(
        &mut self,
        pool: &ComputePool,
        vgg: &Vgg,
        mut tap_gradient: impl FnMut(Tap, Shape, &[Block], &mut [Block]) -> bool,
        out: &mut [f32],
    ) {
        let Backward { first, rest } = vgg.backward();
        let last = self.shapes.len() - 1;
        let [current, next, extra] = &mut self.gradients;
        let (shape, values) = (self.shapes[last], &self.layers[last]);
        let values = &values[..shape.blocks()];
        let gradient = resized(current, shape.blocks());
        if !tap_gradient(Tap(last), shape, values, gradient) {
            gradient.fill(Block::ZERO);
        }
        elementwise::gate(pool, values, gradient);
        for i in (1..=last).rev() {
            let (output, input) = (self.shapes[i], self.shapes[i - 1]);
            let values = &self.layers[i - 1][..input.blocks()];
            let source = Source::whole(&current[..output.blocks()], output);
            let kernel = &rest[i - 1];
            if LAYERS[i].pooled {
                let small = pooled(input);
                let of_maxima = resized(extra, small.blocks());
                kernel.run(pool, &source, Target::whole(of_maxima, small), &mut self.shared);
                let maxima = &self.pools[i][..small.blocks()];
                max_pool_backward(pool, input, values, maxima, of_maxima, resized(next, input.blocks()));
            } else {
                let next = resized(next, input.blocks());
                let adds = tap_gradient(Tap(i - 1), input, values, next);
                let epilogue = Epilogue { adds, gate: Some(values), ..Epilogue::default() };
                let target = Target::whole(next, input).with(epilogue);
                kernel.run(pool, &source, target, &mut self.shared);
            }
            std::mem::swap(current, next);
        }
        let shape = self.shapes[0];
        let source = Source::whole(&current[..shape.blocks()], shape);
        first.run(pool, &source, shape.with_channels(3), 0..shape.height, out);
    }
}
