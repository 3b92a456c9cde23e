//! One convolution in training: forward, and its three gradients.

use super::MOMENTUM;
use crate::kernels::direct::{Direct, Form, Input, KernelGradient, Narrow};
use crate::kernels::elementwise;
use crate::kernels::fold::Padded;
use crate::kernels::layout::{Shape, channel_vector};
use crate::kernels::memory::{resized, zeros};
use crate::kernels::norm::Moments;
use crate::kernels::norm_backward::{NormPass, norm_backward};
use crate::kernels::output::{Epilogue, Target};
use crate::kernels::simd::{Block, LANES};
use crate::kernels::source::{Affine, Border, Growth, Prelude, Source};
use crate::kernels::winograd::{Geometry, Winograd, winograd_kernel_gradient};
use crate::kernels::{ComputePool, Precision};
use crate::network::{Conv, Norm, NormKind, Padding, Upsample};

/// A convolution, what it computed last, and where its parameters are.
#[derive(Debug)]
pub(super) struct Stage {
    conv: Conv,
    /// Of its kernel, in the network's parameters; bias, scale, shift and running statistics follow.
    first: usize,
    shape: Option<Shape>,
    raw: Vec<Block>,
    affine: Vec<Affine>,
    moments: Option<Moments>,
    padded: Vec<Block>,
    /// Its kernel for the way there and back, where Winograd's algorithm serves.
    winograd: Option<[Winograd; 2]>,
}

/// Writes the sum of two tensors, each after its prelude.
pub(super) fn sum(pool: &ComputePool, x: &Source<'_>, b: &Source<'_>, out: &mut [Block]) {
    let (shape, blocks) = (x.shape, x.shape.channel_blocks());
    let picture = blocks * shape.plane();
    for n in 0..shape.batch {
        let one = Shape { batch: 1, ..shape };
        let range = n * picture..(n + 1) * picture;
        let out = &mut out[range.clone()];
        out.copy_from_slice(&x.blocks[range.clone()]);
        let b = Source { prelude: of_picture(b.prelude, n, blocks), ..Source::whole(&b.blocks[range], one) };
        elementwise::residual_sum(pool, out, one, of_picture(x.prelude, n, blocks), &b, 0..shape.height);
    }
}

/// Returns a prelude's part for one picture.
fn of_picture(prelude: Prelude<'_>, n: usize, blocks: usize) -> Prelude<'_> {
    match prelude {
        Prelude::Plain => Prelude::Plain,
        Prelude::Norm(affine) => Prelude::Norm(&affine[n * blocks..(n + 1) * blocks]),
        Prelude::NormRelu(affine) => Prelude::NormRelu(&affine[n * blocks..(n + 1) * blocks]),
    }
}

/// Adds a tensor to another.
pub(super) fn add(pool: &ComputePool, to: &mut [Block], from: &[Block]) {
    const PIECE: usize = 4096;
    pool.map_chunks(to, PIECE, |i, to| {
        for (to, from) in to.iter_mut().zip(&from[i * PIECE..]) {
            for (to, from) in to.0.iter_mut().zip(from.0) {
                *to += from;
            }
        }
    });
}

impl Stage {
    pub(super) fn new(conv: Conv, first: usize) -> Self {
        let (raw, affine, padded) = (Vec::new(), Vec::new(), Vec::new());
        Self { conv, first, shape: None, raw, affine, moments: None, padded, winograd: None }
    }

    /// Takes its kernel of this step.
    pub(super) fn prepare(&mut self, parameters: &[Vec<f32>]) {
        let (kernel, outputs, inputs) = (&parameters[self.first], self.conv.outputs, self.conv.inputs);
        if let Some(both) = &mut self.winograd {
            for winograd in both {
                winograd.renew(kernel);
            }
        } else if self.geometry().is_some() {
            let both = [Winograd::new(kernel, outputs, inputs), Winograd::backward(kernel, outputs, inputs)];
            self.winograd = Some(both);
        }
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape.expect("a stage has run before it is read")
    }

    /// Returns what its reader sees.
    pub(super) fn output(&self) -> Source<'_> {
        let shape = self.shape();
        let prelude = match (self.conv.norm, self.conv.relu) {
            (None, _) => Prelude::Plain,
            (Some(_), false) => Prelude::Norm(&self.affine),
            (Some(_), true) => Prelude::NormRelu(&self.affine),
        };
        Source { prelude, ..Source::whole(&self.raw[..shape.blocks()], shape) }
    }

    pub(super) fn output_shape(&self, input: Shape) -> Shape {
        let (height, width) = self.conv.output_size(input.height, input.width);
        Shape { channels: self.conv.outputs, height, width, ..input }
    }

    pub(super) fn is_finite(&self) -> bool {
        self.moments.as_ref().is_none_or(Moments::is_finite)
    }

    fn border(&self) -> Border {
        if self.conv.padding == Padding::Reflect { Border::Reflect } else { Border::Zero }
    }

    fn growth(&self) -> Growth {
        match self.conv.upsample {
            Upsample::None | Upsample::Transposed => Growth::None,
            Upsample::Nearest(factor) => Growth::Nearest(factor),
            Upsample::Bilinear(factor) => Growth::Bilinear(factor),
        }
    }

    fn form(&self, inputs: usize, outputs: usize, before: usize) -> Form {
        Form { inputs, outputs, kernel: self.conv.kernel, stride: self.conv.stride, before }
    }

    /// Returns how Winograd's algorithm serves, if it does.
    fn geometry(&self) -> Option<Geometry> {
        let conv = &self.conv;
        let fits = conv.kernel == 3 && conv.stride == 1 && conv.inputs >= LANES && conv.outputs >= LANES;
        let doubled = match self.growth() {
            Growth::None => false,
            Growth::Nearest(2) => true,
            _ => return None,
        };
        fits.then(|| Geometry { doubled, border: self.border(), pad: 1 })
    }

    fn pads(&self, input: Shape) -> [(usize, usize); 2] {
        let scale = self.conv.scale();
        [self.conv.pads(input.height * scale), self.conv.pads(input.width * scale)]
    }

    fn is_transposed(&self) -> bool {
        self.conv.upsample == Upsample::Transposed
    }

    /// Convolves and takes the norm's statistics.
    pub(super) fn forward(
        &mut self,
        pool: &ComputePool,
        input: &Source<'_>,
        parameters: &mut [Vec<f32>],
        scratch: &mut Vec<Block>,
    ) {
        let shape = self.output_shape(input.shape);
        self.shape = Some(shape);
        let (conv, kernel) = (&self.conv, &parameters[self.first]);
        let (inputs, outputs) = (conv.inputs, conv.outputs);
        let bias = conv.bias.then(|| channel_vector(&parameters[self.first + 1]));
        let relu = conv.relu && conv.norm.is_none();
        let mut moments = Moments::new(shape);
        let (geometry, pads) = (self.geometry(), self.pads(input.shape));
        let (sliding, transposed) = (self.form(inputs, outputs, 0), self.form(inputs, outputs, pads[0].0));
        let (growth, border, is_transposed) = (self.growth(), self.border(), self.is_transposed());
        let target =
            Target { moments: Some(&mut moments), ..Target::whole(resized(&mut self.raw, shape.blocks()), shape) };
        let target = target.with(Epilogue { bias: bias.as_deref(), relu, ..Epilogue::default() });
        if let (Some(geometry), Some([forward, _])) = (geometry, &self.winograd) {
            forward.run(pool, input, geometry, target, scratch);
        } else if is_transposed {
            Direct::transposed(kernel, transposed, Precision::Floats).run(
                pool,
                &Input::Blocked(*input),
                [0; 2],
                target,
            );
        } else {
            let direct = Direct::sliding(kernel, sliding, growth, border, Precision::Floats);
            direct.run(pool, &Input::Blocked(*input), pads.map(|p| p.0), target);
        }
        if let Some(norm) = self.conv.norm {
            self.normalise(norm, &mut moments, parameters);
        }
        self.moments = Some(moments);
    }

    fn normalise(&mut self, norm: Norm, moments: &mut Moments, parameters: &mut [Vec<f32>]) {
        if norm.kind == NormKind::Batch {
            moments.share();
            let at = self.first + self.norm_offset() + if norm.affine { 2 } else { 0 };
            let (means, variances) = parameters[at..at + 2].split_at_mut(1);
            for (c, (mean, variance)) in means[0].iter_mut().zip(&mut variances[0]).enumerate() {
                let moment = moments.channel(0, c);
                // The running variance is the unbiased one, as torch has it.
                let unbiased = moment.variance() * moment.count / (moment.count - 1.0).max(1.0);
                *mean += (MOMENTUM * (moment.mean - f64::from(*mean))) as f32;
                *variance += (MOMENTUM * (unbiased - f64::from(*variance))) as f32;
            }
        }
        let (scale, shift) = self.scale_and_shift(norm, parameters);
        moments.affine(norm.eps, &scale, &shift, &mut self.affine);
    }

    fn norm_offset(&self) -> usize {
        1 + usize::from(self.conv.bias)
    }

    fn scale_and_shift(&self, norm: Norm, parameters: &[Vec<f32>]) -> (Vec<Block>, Vec<Block>) {
        if !norm.affine {
            let outputs = self.conv.outputs;
            return (channel_vector(&vec![1.0; outputs]), channel_vector(&vec![0.0; outputs]));
        }
        let at = self.first + self.norm_offset();
        (channel_vector(&parameters[at]), channel_vector(&parameters[at + 1]))
    }

    /// Convolves to planes: the network's last convolution.
    pub(super) fn paint(
        &mut self,
        pool: &ComputePool,
        input: &Source<'_>,
        parameters: &[Vec<f32>],
        planes: &mut [f32],
    ) {
        let shape = self.output_shape(input.shape);
        self.shape = Some(shape);
        let bias: &[f32] = if self.conv.bias { &parameters[self.first + 1] } else { &[] };
        let form = self.form(self.conv.inputs, self.conv.outputs, self.conv.kernel / 2);
        let narrow = Narrow::new(&parameters[self.first], bias, form, self.growth(), self.border());
        narrow.run(pool, input, shape, 0..shape.height, planes);
    }

    /// Takes the gradient of its output in `gradient`, adds those of its parameters, and writes that of its input to
    /// `to`, where that is wanted.
    #[expect(clippy::too_many_arguments, reason = "what a step has, each borrowed on its own")]
    pub(super) fn backward(
        &mut self,
        pool: &ComputePool,
        input: &Source<'_>,
        parameters: &[Vec<f32>],
        gradients: &mut [Vec<f32>],
        gradient: &mut [Block],
        to: Option<&mut Vec<Block>>,
        scratch: &mut Vec<Block>,
    ) {
        let shape = self.shape();
        let gradient = &mut gradient[..shape.blocks()];
        self.norm_gradient(pool, parameters, gradients, gradient);
        if self.conv.bias {
            for (sum, to) in channel_sums(pool, shape, gradient).iter().zip(&mut gradients[self.first + 1]) {
                *to += *sum as f32;
            }
        }
        self.kernel_gradient(pool, input, gradient, &mut gradients[self.first], scratch);
        if let Some(to) = to {
            self.input_gradient(pool, input.shape, &parameters[self.first], gradient, to, scratch);
        }
    }

    fn norm_gradient(
        &self,
        pool: &ComputePool,
        parameters: &[Vec<f32>],
        gradients: &mut [Vec<f32>],
        gradient: &mut [Block],
    ) {
        let raw = self.raw.get(..self.shape().blocks());
        let Some(norm) = self.conv.norm else {
            if self.conv.relu {
                elementwise::gate(pool, raw.expect("a stage has run before"), gradient);
            }
            return;
        };
        let (scale, _) = self.scale_and_shift(norm, parameters);
        let pass = NormPass {
            moments: self.moments.as_ref().expect("a stage has run before"),
            shared: norm.kind == NormKind::Batch,
            eps: norm.eps,
            affine: &self.affine,
            relu: self.conv.relu,
        };
        let (mut unused, mut too) = (vec![0.0; self.conv.outputs], vec![0.0; self.conv.outputs]);
        let own = if norm.affine {
            let at = self.first + self.norm_offset();
            let (scale, shift) = gradients[at..at + 2].split_at_mut(1);
            [&mut scale[0][..], &mut shift[0][..]]
        } else {
            [&mut unused[..], &mut too[..]]
        };
        norm_backward(pool, self.shape(), raw.expect("a stage has run before"), pass, &scale, gradient, own);
    }

    fn kernel_gradient(
        &self,
        pool: &ComputePool,
        input: &Source<'_>,
        gradient: &[Block],
        out: &mut [f32],
        scratch: &mut Vec<Block>,
    ) {
        let (shape, inputs, outputs) = (self.shape(), self.conv.inputs, self.conv.outputs);
        if let Some(geometry) = self.geometry() {
            winograd_kernel_gradient(pool, input, geometry, gradient, shape, scratch, out);
            return;
        }
        let before = self.pads(input.shape).map(|pads| pads.0);
        if self.is_transposed() {
            // Input and output change places.
            let form = self.form(outputs, inputs, 0);
            let values = finished(pool, input);
            let gradient_of = KernelGradient { form, growth: Growth::None, border: Border::Zero, before };
            gradient_of.run(pool, &Source::whole(gradient, shape), &values, input.shape, out);
            return;
        }
        let form = self.form(inputs, outputs, 0);
        let gradient_of = KernelGradient { form, growth: self.growth(), border: self.border(), before };
        gradient_of.run(pool, input, gradient, shape, out);
    }

    fn input_gradient(
        &mut self,
        pool: &ComputePool,
        input: Shape,
        kernel: &[f32],
        gradient: &[Block],
        to: &mut Vec<Block>,
        scratch: &mut Vec<Block>,
    ) {
        let (shape, inputs, outputs) = (self.shape(), self.conv.inputs, self.conv.outputs);
        let source = Source::whole(gradient, shape);
        let to = resized(to, input.blocks());
        let pads = self.pads(input);
        if self.is_transposed() {
            // The gradient of a transposed convolution is a plain one; its kernel `[inputs][outputs]` fits as it is.
            let direct =
                Direct::sliding(kernel, self.form(outputs, inputs, 0), Growth::None, Border::Zero, Precision::Floats);
            direct.run(pool, &Input::Blocked(source), pads.map(|p| p.0), Target::whole(to, input));
            return;
        }
        let padded = Padded { growth: self.growth(), border: self.border(), pads };
        let (large, form) = (padded.shape(input), self.form(outputs, inputs, 0));
        let full = resized(&mut self.padded, large.blocks());
        if let Some([_, backward]) = &self.winograd {
            let geometry = Geometry { pad: 2, ..Geometry::same(Border::Zero) };
            backward.run(pool, &source, geometry, Target::whole(full, large), scratch);
        } else {
            let direct = Direct::transposed(kernel, form, Precision::Floats);
            direct.run(pool, &Input::Blocked(source), [0; 2], Target::whole(full, large));
        }
        padded.fold(pool, input, full, to);
    }
}

/// Copies a tensor with its prelude applied.
fn finished(pool: &ComputePool, input: &Source<'_>) -> Vec<Block> {
    let (mut values, nothing) = (zeros(input.shape.blocks()), zeros(input.shape.blocks()));
    sum(pool, input, &Source::whole(&nothing, input.shape), &mut values);
    values
}

/// Returns each channel's sum over all pictures and pixels.
fn channel_sums(pool: &ComputePool, shape: Shape, values: &[Block]) -> Vec<f64> {
    let blocks = shape.channel_blocks();
    let mut sums = vec![[0.0; LANES]; shape.batch * blocks];
    pool.map_chunks(&mut sums, 1, |i, sum| {
        for block in &values[i * shape.plane()..(i + 1) * shape.plane()] {
            for (sum, v) in sum[0].iter_mut().zip(block.0) {
                *sum += f64::from(v);
            }
        }
    });
    (0..shape.channels).map(|c| (0..shape.batch).map(|n| sums[n * blocks + c / LANES][c % LANES]).sum()).collect()
}
