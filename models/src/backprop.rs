//! A transform network forward and backward on the CPU's kernels: what a training step needs.
//!
//! The network's parameters live here as plain vectors in the order of [`Network::parameters`]; gradients have the same
//! order. Between [`Backprop::forward`] and [`Backprop::backward`] the outputs of all convolutions are kept, in buffers
//! that the next step uses again.

mod layered;
mod learner;
mod stage;

use crate::kernels::ComputePool;
use crate::kernels::layout::{Shape, to_blocked};
use crate::kernels::memory::resized;
use crate::kernels::simd::Block;
use crate::kernels::source::{Affine, Prelude, Source};
use crate::network::{Layer, Network, OutputMap, Upsample, Weights};
use stage::Stage;

pub(crate) use layered::Layered;
pub(crate) use learner::Learner;

/// How far a batch norm's running statistics move towards those of a step.
const MOMENTUM: f64 = 0.1;

/// A network in training.
#[derive(Debug)]
pub struct Backprop {
    network: Network,
    parameters: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    stages: Vec<Stage>,
    input: Input,
    /// Of each layer: the sum of a residual block.
    sums: Vec<Vec<Block>>,
    paintings: Vec<f32>,
    spare: [Vec<Block>; 3],
    of_planes: Vec<f32>,
    scratch: Vec<Block>,
}

/// The photos as the first convolution sees them.
#[derive(Debug, Default)]
struct Input {
    blocks: Vec<Block>,
    map: Vec<Affine>,
    shape: Option<Shape>,
}

/// Why a network can't be trained here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackpropError {
    /// It pads its photos, or normalises its last convolution.
    #[error("a network that pads its photos or normalises its last convolution can be used but not trained")]
    Unsupported,
    /// The photos' sides are no multiples of what the network needs.
    #[error("the photos' sides must be multiples of {multiple}")]
    Size {
        /// What the network needs.
        multiple: usize,
    },
    /// A painting holds NaN or an infinity.
    #[error("the layer `{layer}` produced numbers that are not finite: the learning rate may be too high")]
    NotFinite {
        /// Where in the network.
        layer: usize,
    },
}

/// What a layer's reader sees: blocks and what is to be done to them first.
fn view<'a>(
    input: &'a Input,
    stages: &'a [Stage],
    sums: &'a [Vec<Block>],
    layers: &[Layer],
    layer: usize,
) -> Source<'a> {
    let Some(before) = layer.checked_sub(1) else {
        let shape = input.shape.expect("photos are set before they are seen");
        let blocks = &input.blocks[..shape.blocks()];
        return Source { prelude: Prelude::Norm(&input.map), ..Source::whole(blocks, shape) };
    };
    let stage = &stages[last_stage(layers, before)];
    match layers[before] {
        Layer::Conv(_) => stage.output(),
        Layer::Residual { .. } => Source::whole(&sums[before][..stage.shape().blocks()], stage.shape()),
    }
}

/// Returns the number of a layer's last convolution.
fn last_stage(layers: &[Layer], layer: usize) -> usize {
    let count = |layer: &Layer| if matches!(layer, Layer::Conv(_)) { 1 } else { 2 };
    layers[..=layer].iter().map(count).sum::<usize>() - 1
}

/// Refuses a network that can't be trained.
fn check(network: &Network) -> Result<(), BackpropError> {
    let Some(last) = network.convs().last() else { return Err(BackpropError::Unsupported) };
    let plain = last.norm.is_none() && !last.relu && last.stride == 1 && last.upsample == Upsample::None;
    let is_residual = matches!(network.layers.last(), Some(Layer::Residual { .. }));
    let fits = network.margin == 0 && plain && !is_residual && last.outputs == 3 && network.convs().count() > 1;
    if fits { Ok(()) } else { Err(BackpropError::Unsupported) }
}

/// Returns the weights' values in the order of the network's parameters.
fn in_order(network: &Network, weights: &Weights) -> Vec<Vec<f32>> {
    let value = |name: &str| weights.get(name).expect("weights hold every tensor of their network").values.clone();
    network.parameters().iter().map(|p| value(&p.name)).collect()
}

impl Backprop {
    /// Takes a network and the weights to start from.
    ///
    /// # Errors
    /// [`BackpropError::Unsupported`].
    ///
    /// # Panics
    /// The weights are another network's.
    pub fn new(network: &Network, weights: &Weights) -> Result<Self, BackpropError> {
        check(network)?;
        let convs: Vec<_> = network.convs().collect();
        let parameters = in_order(network, weights);
        let gradients = parameters.iter().map(|p| vec![0.0; p.len()]).collect();
        let mut next = 0;
        let stages = convs.iter().map(|conv| {
            let first = next;
            next += conv.parameters().len();
            Stage::new((*conv).clone(), first)
        });
        let stages = stages.collect();
        let mut map = Affine { scale: Block::ZERO, shift: Block::ZERO };
        map.scale.0[..3].copy_from_slice(&network.input.scale);
        map.shift.0[..3].copy_from_slice(&network.input.shift);
        let input = Input { map: vec![map], ..Input::default() };
        let sums = vec![Vec::new(); network.layers.len()];
        Ok(Self {
            network: network.clone(),
            parameters,
            gradients,
            stages,
            input,
            sums,
            paintings: Vec::new(),
            spare: [Vec::new(), Vec::new(), Vec::new()],
            of_planes: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// Returns the parameters, in the order of [`Network::parameters`].
    #[must_use]
    pub fn parameters(&self) -> &[Vec<f32>] {
        &self.parameters
    }

    /// Returns the parameters and their gradients, for an optimiser.
    pub fn parameters_and_gradients(&mut self) -> (&mut [Vec<f32>], &[Vec<f32>]) {
        (&mut self.parameters, &self.gradients)
    }

    /// Returns the network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Paints photos, `[n][3][h][w]` RGB 0..1, and returns the paintings, not clamped, in the same layout.
    ///
    /// Batch norms take the statistics of these photos and move their running ones a tenth towards them.
    ///
    /// # Errors
    /// The photos' size; [`BackpropError::NotFinite`].
    pub fn forward(&mut self, pool: &ComputePool, photos: &[f32], shape: Shape) -> Result<&[f32], BackpropError> {
        let multiple = self.network.multiple;
        if !shape.height.is_multiple_of(multiple) || !shape.width.is_multiple_of(multiple) {
            return Err(BackpropError::Size { multiple });
        }
        let map = self.input.map[0];
        self.input.map = vec![map; shape.batch];
        self.input.shape = Some(shape);
        to_blocked(pool, shape, photos, resized(&mut self.input.blocks, shape.blocks()));
        pool.map_chunks(&mut self.stages, 1, |_, stage| stage[0].prepare(&self.parameters));
        let layers = &self.network.layers;
        let mut index = 0;
        for (i, layer) in layers.iter().enumerate() {
            let source = |stages, sums| view(&self.input, stages, sums, layers, i);
            let (done, rest) = self.stages.split_at_mut(index);
            let input = source(done, &self.sums);
            if i + 1 == layers.len() {
                let shape = rest[0].output_shape(input.shape);
                self.paintings.resize(shape.elements(), 0.0);
                rest[0].paint(pool, &input, &self.parameters, &mut self.paintings);
                break;
            }
            rest[0].forward(pool, &input, &mut self.parameters, &mut self.scratch);
            index += 1;
            if let Layer::Residual { .. } = layer {
                let (a, b) = rest.split_at_mut(1);
                b[0].forward(pool, &a[0].output(), &mut self.parameters, &mut self.scratch);
                index += 1;
                let (before, own) = self.sums.split_at_mut(i);
                let x = view(&self.input, done, before, layers, i);
                stage::sum(pool, &x, &b[0].output(), resized(&mut own[0], x.shape.blocks()));
            }
            if let Some(bad) = self.stages[..index].iter().rposition(|stage| !stage.is_finite()) {
                return Err(BackpropError::NotFinite { layer: bad });
            }
        }
        let (scale, shift, is_tanh) = output_map(self.network.output);
        let finite = pool.map_chunks(&mut self.paintings, 4096, |_, values| {
            for v in values.iter_mut() {
                *v = if is_tanh { v.tanh() } else { *v } * scale + shift;
            }
            values.iter().all(|v| v.is_finite())
        });
        if finite.contains(&false) {
            return Err(BackpropError::NotFinite { layer: self.stages.len() - 1 });
        }
        Ok(&self.paintings)
    }

    /// Takes the gradient of a loss with respect to the paintings of the last [`Self::forward`] and computes that with
    /// respect to the parameters.
    ///
    /// # Panics
    /// There was no such call, or the gradient is of another size.
    pub fn backward(&mut self, pool: &ComputePool, gradient: &[f32]) {
        assert_eq!(gradient.len(), self.paintings.len(), "the gradient has the paintings' size");
        for gradient in &mut self.gradients {
            gradient.fill(0.0);
        }
        let layers = &self.network.layers;
        self.of_planes.clear();
        self.of_planes.extend_from_slice(gradient);
        let (scale, shift, is_tanh) = output_map(self.network.output);
        pool.map_chunks(&mut self.of_planes, 4096, |i, values| {
            for (v, painting) in values.iter_mut().zip(&self.paintings[i * 4096..]) {
                let t = (painting - shift) / scale;
                *v *= if is_tanh { scale * (1.0 - t * t) } else { scale };
            }
        });
        let [current, next, kept] = &mut self.spare;
        let mut index = self.stages.len();
        let shape = self.input.shape.expect("photos are set before they are seen");
        let painted = self.stages[index - 1]
            .output_shape(view(&self.input, &self.stages, &self.sums, layers, layers.len() - 1).shape);
        debug_assert_eq!(painted.batch, shape.batch, "a painting a photo");
        to_blocked(pool, painted, &self.of_planes, resized(current, painted.blocks()));
        for (i, layer) in layers.iter().enumerate().rev() {
            index -= 1;
            let (done, rest) = self.stages.split_at_mut(index);
            let stage = &mut rest[0];
            if let Layer::Residual { .. } = layer {
                index -= 1;
                let (done, a) = done.split_at_mut(index);
                let input = view(&self.input, done, &self.sums, layers, i);
                // The sum's gradient reaches its input twice: as it is, and through both convolutions.
                let blocks = stage.shape().blocks();
                kept.clear();
                kept.extend_from_slice(&current[..blocks]);
                let (p, g) = (&self.parameters, &mut self.gradients);
                stage.backward(pool, &a[0].output(), p, g, current, Some(&mut *next), &mut self.scratch);
                a[0].backward(pool, &input, p, g, next, Some(&mut *current), &mut self.scratch);
                stage::add(pool, &mut current[..blocks], kept);
                continue;
            }
            let input = view(&self.input, done, &self.sums, layers, i);
            let to = (i > 0).then_some(&mut *next);
            stage.backward(pool, &input, &self.parameters, &mut self.gradients, current, to, &mut self.scratch);
            std::mem::swap(current, next);
        }
    }
}

fn output_map(output: OutputMap) -> (f32, f32, bool) {
    match output {
        OutputMap::Tanh { scale, shift } => (scale, shift, true),
        OutputMap::Linear { scale, shift } => (scale, shift, false),
    }
}

#[cfg(test)]
mod tests;
