//! A network's convolutions, each with its kernel transformed and its norm as vectors.

use std::ops::Range;

use super::ExecutorError;
use crate::kernels::conv3x3::Conv3x3;
use crate::kernels::direct::{Direct, Form, Input, Narrow};
use crate::kernels::layout::{Shape, channel_vector};
use crate::kernels::norm::Moments;
use crate::kernels::output::{Epilogue, Target};
use crate::kernels::simd::{Block, LANES};
use crate::kernels::source::{Affine, Border, Growth, Prelude, Source};
use crate::kernels::winograd::Geometry;
use crate::kernels::{ComputePool, Precision};
use crate::network::{Conv, Layer, Network, NormKind, Padding, Upsample, Weights};

/// What the layers are to the plan: single convolutions, and pairs with a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// The convolution of that index.
    Conv(usize),
    /// The convolution of that index and the one after it, and the sum.
    Residual(usize),
}

/// A convolution.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) conv: Conv,
    kernel: StageKernel,
    bias: Option<Vec<Block>>,
    norm: StageNorm,
}

#[derive(Debug)]
enum StageKernel {
    Conv3x3(Conv3x3),
    /// A direct convolution, its padding known beforehand or, under `TensorFlow`'s SAME with a stride, from its input.
    Direct {
        direct: Direct,
        sliding: bool,
    },
    Narrow(Narrow),
}

/// How the output is to be normalised.
#[derive(Debug)]
enum StageNorm {
    None,
    /// With statistics known from the training.
    Known(Vec<Affine>),
    /// With the statistics of the picture.
    Picture {
        eps: f32,
        scale: Vec<Block>,
        shift: Vec<Block>,
    },
}

pub(super) fn prepare(network: &Network, weights: &Weights) -> Result<(Vec<Stage>, Vec<Element>), ExecutorError> {
    let mut elements = Vec::new();
    let mut index = 0;
    for layer in &network.layers {
        elements.push(match layer {
            Layer::Conv(_) => Element::Conv(index),
            Layer::Residual { .. } => Element::Residual(index),
        });
        index += if matches!(layer, Layer::Conv(_)) { 1 } else { 2 };
    }
    let convs: Vec<_> = network.convs().collect();
    let last = convs.len().wrapping_sub(1);
    let unsupported = |i: usize, reason| {
        let layer = convs.get(i).map_or_else(String::new, |conv| conv.name.clone());
        Err(ExecutorError::Unsupported { layer, reason })
    };
    if !matches!(elements.first(), Some(Element::Conv(_))) || convs[0].inputs != 3 {
        return unsupported(0, "a network begins with a convolution of RGB");
    }
    if elements.len() < 2 || !matches!(elements.last(), Some(Element::Conv(_))) || convs[last].outputs != 3 {
        return unsupported(last, "a network ends with a convolution to RGB, not its first");
    }
    if convs[last].stride != 1 || convs[last].upsample == Upsample::Transposed {
        return unsupported(last, "the last convolution keeps the size");
    }
    if convs.windows(2).any(|pair| pair[0].outputs != pair[1].inputs) {
        return unsupported(0, "each convolution takes the channels of the one before");
    }
    let stages = convs.iter().enumerate().map(|(i, conv)| Stage::new(conv, weights, i == last)).collect();
    Ok((stages, elements))
}

/// Returns a tensor's values; [`Weights`] has checked that it is there.
fn values<'a>(weights: &'a Weights, name: &str) -> &'a [f32] {
    &weights.get(name).expect("weights hold every tensor of their network").values
}

impl Stage {
    fn new(conv: &Conv, weights: &Weights, is_last: bool) -> Self {
        let kernel = values(weights, &conv.weight_name());
        let bias = conv.bias.then(|| values(weights, &conv.bias_name()));
        let kernel = StageKernel::new(conv, kernel, bias, is_last);
        let norm = StageNorm::new(conv, weights);
        Self { conv: conv.clone(), kernel, bias: bias.map(channel_vector), norm }
    }

    /// Returns whether its norm takes the picture's own statistics.
    pub(super) fn needs_moments(&self) -> bool {
        matches!(self.norm, StageNorm::Picture { .. })
    }

    /// Returns whether what it writes is its output, to which nothing is left to be done.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.norm, StageNorm::None) && !self.conv.relu
    }

    /// Returns the scale and shift of its norm, given the moments of its whole output.
    pub(super) fn affine(&self, moments: &Moments) -> Option<Vec<Affine>> {
        match &self.norm {
            StageNorm::None => None,
            StageNorm::Known(affine) => Some(affine.clone()),
            StageNorm::Picture { eps, scale, shift } => {
                let mut affine = Vec::new();
                moments.affine(*eps, scale, shift, &mut affine);
                Some(affine)
            }
        }
    }

    /// Returns what a reader of its output has to apply.
    pub(super) fn prelude<'a>(&self, affine: Option<&'a Vec<Affine>>) -> Prelude<'a> {
        match affine {
            None => Prelude::Plain,
            Some(affine) if self.conv.relu => Prelude::NormRelu(affine),
            Some(affine) => Prelude::Norm(affine),
        }
    }

    /// Returns the multiplications of one row of output, where the faster ways of a 3x3 kernel count as a third.
    pub(super) fn row_work(&self, output: Shape) -> f64 {
        let taps = (self.conv.kernel * self.conv.kernel) as f64;
        let taps = if matches!(self.kernel, StageKernel::Conv3x3(_)) { taps / 3.0 } else { taps };
        let channels = (self.conv.inputs * self.conv.outputs.next_multiple_of(LANES)) as f64;
        output.width as f64 * channels * taps
    }

    pub(super) fn bytes(&self) -> usize {
        match &self.kernel {
            StageKernel::Conv3x3(conv) => conv.bytes(),
            StageKernel::Direct { direct, .. } => direct.bytes(),
            StageKernel::Narrow(narrow) => narrow.bytes(),
        }
    }

    /// Returns the rows of its input that some rows of its output are made from.
    pub(super) fn input_rows(&self, rows: Range<usize>, input: Shape) -> Range<usize> {
        match &self.kernel {
            StageKernel::Conv3x3(conv) => conv.input_rows(rows, input.height),
            StageKernel::Direct { direct, sliding } => {
                direct.input_rows(rows, input.height, self.before(*sliding, input)[0])
            }
            StageKernel::Narrow(narrow) => narrow.input_rows(rows, input.height),
        }
    }

    /// Returns the padding that the size of the input decides.
    fn before(&self, sliding: bool, input: Shape) -> [usize; 2] {
        let before = |side: usize| if sliding { self.conv.pads(side * self.conv.scale()).0 } else { 0 };
        [before(input.height), before(input.width)]
    }

    /// Convolves a blocked tensor or a photo; writes the raw output when a norm follows, the finished one when not, or
    /// adds it to what is there, where the target says so.
    pub(super) fn run(&self, pool: &ComputePool, input: &Input<'_>, target: Target<'_>) {
        let relu = self.conv.relu && matches!(self.norm, StageNorm::None);
        let epilogue = Epilogue { bias: self.bias.as_deref(), relu, ..target.epilogue };
        let target = target.with(epilogue);
        match (&self.kernel, input) {
            (StageKernel::Conv3x3(conv), Input::Blocked(source)) => conv.run(pool, source, target, &mut Vec::new()),
            (StageKernel::Direct { direct, sliding }, input) => {
                direct.run(pool, input, self.before(*sliding, input.shape()), target);
            }
            _ => unreachable!("a photo goes to a direct stage, planes come from the last"),
        }
    }

    /// Convolves to planes, bias added, nothing else done.
    pub(super) fn run_narrow(
        &self,
        pool: &ComputePool,
        source: &Source<'_>,
        shape: Shape,
        rows: Range<usize>,
        planes: &mut [f32],
    ) {
        let StageKernel::Narrow(narrow) = &self.kernel else { unreachable!("the last stage is narrow") };
        narrow.run(pool, source, shape, rows, planes);
    }
}

impl StageKernel {
    fn new(conv: &Conv, kernel: &[f32], bias: Option<&[f32]>, is_last: bool) -> Self {
        let border = if conv.padding == Padding::Reflect { Border::Reflect } else { Border::Zero };
        let growth = match conv.upsample {
            Upsample::None | Upsample::Transposed => Growth::None,
            Upsample::Nearest(factor) => Growth::Nearest(factor),
            Upsample::Bilinear(factor) => Growth::Bilinear(factor),
        };
        let mut form = Form {
            inputs: conv.inputs,
            outputs: conv.outputs,
            kernel: conv.kernel,
            stride: conv.stride,
            before: conv.kernel / 2,
        };
        let precision = Precision::Halves;
        match growth {
            _ if conv.upsample == Upsample::Transposed => {
                form.before = conv.pads(1).0;
                Self::Direct { direct: Direct::transposed(kernel, form, precision), sliding: false }
            }
            _ if is_last => Self::Narrow(Narrow::new(kernel, bias.unwrap_or(&[]), form, growth, border)),
            _ if Conv3x3::fits(form, growth) => {
                let geometry = Geometry { doubled: growth != Growth::None, border, pad: 1 };
                Self::Conv3x3(Conv3x3::new(kernel, conv.outputs, conv.inputs, geometry, precision))
            }
            _ if conv.padding == Padding::Same && conv.stride > 1 => {
                form.before = 0;
                Self::Direct { direct: Direct::sliding(kernel, form, growth, border, precision), sliding: true }
            }
            _ => Self::Direct { direct: Direct::new(kernel, form, growth, border, precision), sliding: false },
        }
    }
}

impl StageNorm {
    fn new(conv: &Conv, weights: &Weights) -> Self {
        let Some(norm) = conv.norm else { return Self::None };
        let part = |part: &str| values(weights, &conv.norm_name(part));
        let ones = vec![1.0; conv.outputs];
        let zeros = vec![0.0; conv.outputs];
        let (scale, shift) = if norm.affine { (part("weight"), part("bias")) } else { (&ones[..], &zeros[..]) };
        match norm.kind {
            NormKind::Instance => {
                Self::Picture { eps: norm.eps, scale: channel_vector(scale), shift: channel_vector(shift) }
            }
            NormKind::Batch => {
                let (mean, variance) = (part("running_mean"), part("running_var"));
                let factors: Vec<_> = scale.iter().zip(variance).map(|(s, v)| s / (v + norm.eps).sqrt()).collect();
                let summands: Vec<_> =
                    shift.iter().zip(mean).zip(&factors).map(|((shift, mean), factor)| shift - mean * factor).collect();
                let blocks = channel_vector(&factors).into_iter().zip(channel_vector(&summands));
                Self::Known(blocks.map(|(scale, shift)| Affine { scale, shift }).collect())
            }
        }
    }
}
