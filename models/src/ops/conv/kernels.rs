//! Convolutions on this crate's kernels.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use super::Convolution;
use crate::kernels::direct::{Direct, Form, Input, KernelGradient};
use crate::kernels::fold::Padded;
use crate::kernels::layout::{Shape, channel_vector};
use crate::kernels::output::{Epilogue, Target};
use crate::kernels::simd::LANES;
use crate::kernels::source::{Border, Growth, Source};
use crate::kernels::winograd::{Geometry, Winograd, winograd_kernel_gradient};
use crate::kernels::{ComputePool, Precision};
use crate::ops::blocked::{Blocked, values};
use crate::ops::operation::{Operation, Pass, record};

/// Convolves: see [`crate::ops::Ops::conv`].
pub(super) fn conv(
    pool: &Arc<ComputePool>,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    how: Convolution,
) -> Result<Tensor> {
    let kernels = Kernels { pool: Arc::clone(pool), how };
    let result = kernels.forward(x, weight, bias)?;
    let arguments: Vec<_> = [x, weight].into_iter().chain(bias).collect();
    record(kernels, &arguments, result)
}

struct Kernels {
    pool: Arc<ComputePool>,
    how: Convolution,
}

/// The sides of a weight.
#[derive(Clone, Copy)]
struct Sides {
    outputs: usize,
    inputs: usize,
    kernel: usize,
}

impl Sides {
    fn of(weight: &Tensor) -> Result<Self> {
        let (outputs, inputs, kernel, _) = weight.dims4()?;
        Ok(Self { outputs, inputs, kernel })
    }
}

impl Kernels {
    fn form(&self, Sides { outputs, inputs, kernel }: Sides) -> Form {
        Form { inputs, outputs, kernel, stride: self.how.stride, before: 0 }
    }

    /// Returns how Winograd's algorithm serves, if it does.
    fn geometry(&self, Sides { outputs, inputs, kernel }: Sides) -> Option<Geometry> {
        let Convolution { growth, border, pads, stride } = self.how;
        let fits = kernel == 3 && stride == 1 && pads == [(1, 1); 2] && inputs >= LANES && outputs >= LANES;
        let doubled = match growth {
            Growth::None => false,
            Growth::Nearest(2) => true,
            _ => return None,
        };
        fits.then_some(Geometry { doubled, border, pad: 1 })
    }

    fn padded(&self) -> Padded {
        Padded { growth: self.how.growth, border: self.how.border, pads: self.how.pads }
    }

    fn before(&self) -> [usize; 2] {
        self.how.pads.map(|(before, _)| before)
    }

    fn forward(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (x, sides, weight) = (Blocked::of(&self.pool, x)?, Sides::of(weight)?, values(weight)?);
        let large = self.padded().shape(x.shape);
        let side = |side: usize| (side - sides.kernel) / self.how.stride + 1;
        let (height, width) = (side(large.height), side(large.width));
        let mut y = Blocked::zeros(Shape { channels: sides.outputs, height, width, ..x.shape });
        let bias = bias.map(values).transpose()?.map(|bias| channel_vector(&bias));
        let epilogue = Epilogue { bias: bias.as_deref(), ..Epilogue::default() };
        let target = Target::whole(&mut y.blocks, y.shape).with(epilogue);
        let source = Source::whole(&x.blocks, x.shape);
        if let Some(geometry) = self.geometry(sides) {
            let winograd = Winograd::new(&weight, sides.outputs, sides.inputs);
            winograd.run(&self.pool, &source, geometry, target, &mut Vec::new());
        } else {
            let direct =
                Direct::sliding(&weight, self.form(sides), self.how.growth, self.how.border, Precision::Floats);
            direct.run(&self.pool, &Input::Blocked(source), self.before(), target);
        }
        y.tensor(&self.pool)
    }

    fn by_input(&self, x: Shape, weight: &Tensor, gradient: &Blocked) -> Result<Tensor> {
        let (sides, weight) = (Sides::of(weight)?, values(weight)?);
        let padded = self.padded();
        let mut full = Blocked::zeros(padded.shape(x));
        let (source, target) =
            (Source::whole(&gradient.blocks, gradient.shape), Target::whole(&mut full.blocks, full.shape));
        if self.geometry(sides).is_some() {
            let geometry = Geometry { pad: 2, ..Geometry::same(Border::Zero) };
            let winograd = Winograd::backward(&weight, sides.outputs, sides.inputs);
            winograd.run(&self.pool, &source, geometry, target, &mut Vec::new());
        } else {
            let Form { inputs, outputs, .. } = self.form(sides);
            let form = Form { inputs: outputs, outputs: inputs, ..self.form(sides) };
            Direct::transposed(&weight, form, Precision::Floats).run(
                &self.pool,
                &Input::Blocked(source),
                [0; 2],
                target,
            );
        }
        let mut folded = Blocked::zeros(x);
        padded.fold(&self.pool, x, &full.blocks, &mut folded.blocks);
        folded.tensor(&self.pool)
    }

    fn by_weight(&self, x: &Blocked, weight: &Tensor, gradient: &Blocked) -> Result<Tensor> {
        let sides = Sides::of(weight)?;
        let (source, shape) = (Source::whole(&x.blocks, x.shape), gradient.shape);
        let mut out = vec![0.0; weight.elem_count()];
        if let Some(geometry) = self.geometry(sides) {
            let scratch = &mut Vec::new();
            winograd_kernel_gradient(&self.pool, &source, geometry, &gradient.blocks, shape, scratch, &mut out);
        } else {
            let Convolution { growth, border, .. } = self.how;
            let by_kernel = KernelGradient { form: self.form(sides), growth, border, before: self.before() };
            by_kernel.run(&self.pool, &source, &gradient.blocks, shape, &mut out);
        }
        Tensor::from_vec(out, weight.shape(), &Device::Cpu)
    }
}

impl Operation for Kernels {
    const NAME: &'static str = "convolution on kernels";

    fn backward(&self, pass: &Pass<'_>) -> Result<Vec<Option<Tensor>>> {
        let (x, weight) = (Blocked::of(&self.pool, &pass.arguments[0])?, &pass.arguments[1]);
        let gradient = Blocked::of(&self.pool, &pass.gradient)?;
        let by_input = pass.wants(0).then(|| self.by_input(x.shape, weight, &gradient)).transpose()?;
        let by_weight = pass.wants(1).then(|| self.by_weight(&x, weight, &gradient)).transpose()?;
        let has_bias = pass.arguments.len() > 2 && pass.wants(2);
        let by_bias = has_bias.then(|| pass.gradient.sum(3)?.sum(2)?.sum(0)).transpose()?;
        Ok(vec![by_input, by_weight, by_bias])
    }
}
