//! A [`Network`] on tensors: the plain reading of the description, on any device.
//!
//! Every other reader is held against this one. It paints on graphics processors, and [`Layered`](crate::backprop) trains
//! through it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use candle_core::{Result as CandleResult, Tensor};

use crate::kernels::source::{Border, Growth};
use crate::network::{Conv, InputMap, Layer, Network, Norm, NormKind, OutputMap, Padding, Upsample, Weights};
use crate::ops::{self, Convolution, Moments, Ops};

/// A network with its weights on a device.
pub(crate) struct Transform {
    network: Network,
    tensors: BTreeMap<String, Tensor>,
    ops: Ops,
}

/// Why a forward pass gave no painting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransformError {
    /// The device failed, for want of memory most of the time.
    #[error(transparent)]
    Device(#[from] candle_core::Error),
    /// A convolution gave NaN or an infinity.
    #[error("the layer `{layer}` gave a number that is not finite")]
    NotFinite {
        /// Its name.
        layer: String,
    },
}

/// Sees every convolution's outcome, normalised, before its `ReLU`; and the statistics, where its norm took those of a
/// whole batch.
pub(crate) trait Observer {
    /// Whether batch norms take the statistics of what they see, as in training, or those that were kept.
    const TRAINS: bool;
    /// Ends the pass.
    type End: From<candle_core::Error>;

    fn convolved(&mut self, conv: &Conv, y: &Tensor, moments: Option<&Moments>) -> Result<(), Self::End>;
}

/// How far a forward pass is, and whether it is to go on.
struct Watch<'a> {
    multiplications: std::vec::IntoIter<u64>,
    total: u64,
    done: u64,
    report: &'a mut dyn FnMut(f64) -> ControlFlow<()>,
}

/// Ends a forward pass: by an error, or because the watcher said so.
enum End {
    Failed(TransformError),
    Interrupted,
}

impl<E: Into<TransformError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Transform {
    /// Puts `weights`, which were checked against `network`, on a device.
    pub(crate) fn new(network: &Network, weights: &Weights, ops: &Ops) -> CandleResult<Self> {
        let tensor = |(name, tensor): (&str, &crate::network::Tensor)| {
            Ok((name.to_owned(), ops.tensor(&tensor.values, &tensor.shape)?))
        };
        let tensors = weights.iter().map(tensor).collect::<CandleResult<_>>()?;
        Ok(Self::of(network, tensors, ops))
    }

    /// Takes tensors that are on the device already.
    pub(crate) fn of(network: &Network, tensors: BTreeMap<String, Tensor>, ops: &Ops) -> Self {
        Self { network: network.clone(), tensors, ops: ops.clone() }
    }

    /// Paints photos: `(n, 3, h, w)`, RGB 0..1, to the same.
    ///
    /// `report` hears after each convolution which part of the work is done; when it breaks, the answer is `None`.
    pub(crate) fn forward(
        &self,
        photo: &Tensor,
        report: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Option<Tensor>, TransformError> {
        let (_, _, height, width) = photo.dims4()?;
        let multiplications = self.network.multiplications(height, width);
        let total = multiplications.iter().sum();
        let multiplications = multiplications.into_iter();
        let mut watch = Watch { multiplications, total, done: 0, report };
        match self.paint(photo, &mut watch) {
            Ok(painting) => Ok(Some(painting)),
            Err(End::Interrupted) => Ok(None),
            Err(End::Failed(error)) => Err(error),
        }
    }

    fn paint(&self, photo: &Tensor, watch: &mut Watch) -> Result<Tensor, End> {
        let network = &self.network;
        let (_, _, height, width) = photo.dims4()?;
        let x = ops::take(photo, 2, &network.source_indices(height))?;
        let x = ops::take(&x, 3, &network.source_indices(width))?;
        let x = self.run(&x, watch)?;
        let x = x.narrow(2, network.margin, height)?.narrow(3, network.margin, width)?;
        Ok(x.clamp(0f32, 1f32)?)
    }

    /// Runs photos, padded as the network wants them, through its layers; the paintings are neither cropped nor clamped.
    pub(crate) fn run<O: Observer>(&self, photo: &Tensor, observer: &mut O) -> Result<Tensor, O::End> {
        let mut x = self.map_input(photo, self.network.input)?;
        for layer in &self.network.layers {
            x = match layer {
                Layer::Conv(conv) => self.conv(conv, &x, observer)?,
                Layer::Residual { a, b } => (self.conv(b, &self.conv(a, &x, observer)?, observer)? + &x)?,
            };
        }
        Ok(map_output(&x, self.network.output)?)
    }

    fn conv<O: Observer>(&self, conv: &Conv, x: &Tensor, observer: &mut O) -> Result<Tensor, O::End> {
        let mut x = self.convolve(conv, x)?;
        let mut moments = None;
        if let Some(norm) = conv.norm {
            if O::TRAINS && norm.kind == NormKind::Batch {
                moments = Some(ops::moments(&x, norm.kind)?);
            }
            x = self.normalise(conv, norm, &x, O::TRAINS)?;
        }
        observer.convolved(conv, &x, moments.as_ref())?;
        Ok(if conv.relu { ops::relu(&x)? } else { x })
    }

    fn convolve(&self, conv: &Conv, x: &Tensor) -> CandleResult<Tensor> {
        let weight = &self.tensors[&conv.weight_name()];
        let bias = conv.bias.then(|| &self.tensors[&conv.bias_name()]);
        if conv.upsample == Upsample::Transposed {
            return self.ops.conv_transposed(x, weight, bias, conv.stride);
        }
        let growth = match conv.upsample {
            Upsample::Nearest(factor) => Growth::Nearest(factor),
            Upsample::Bilinear(factor) => Growth::Bilinear(factor),
            Upsample::None | Upsample::Transposed => Growth::None,
        };
        let border = match conv.padding {
            Padding::Reflect => Border::Reflect,
            Padding::Same | Padding::Zero => Border::Zero,
        };
        let (_, _, height, width) = x.dims4()?;
        let pads = [height, width].map(|side| conv.pads(side * conv.scale()));
        self.ops.conv(x, weight, bias, Convolution { growth, border, pads, stride: conv.stride })
    }

    fn normalise(&self, conv: &Conv, norm: Norm, x: &Tensor, trains: bool) -> CandleResult<Tensor> {
        let kept = |part: &str| self.tensors[&conv.norm_name(part)].clone();
        let [scale, shift] = if norm.affine {
            [kept("weight"), kept("bias")]
        } else {
            [self.ops.filled(1.0, conv.outputs)?, self.ops.filled(0.0, conv.outputs)?]
        };
        if trains || norm.kind == NormKind::Instance {
            return self.ops.norm(x, &scale, &shift, norm.kind, norm.eps);
        }
        let mean = kept("running_mean").reshape((1, (), 1, 1))?;
        let variance = kept("running_var").reshape((1, (), 1, 1))?;
        ops::norm_by(x, &Moments { mean, variance }, [&scale, &shift], norm.eps)
    }

    fn map_input(&self, x: &Tensor, map: InputMap) -> CandleResult<Tensor> {
        let scale = self.ops.tensor(&map.scale, &[1, 3, 1, 1])?;
        x.broadcast_mul(&scale)?.broadcast_add(&self.ops.tensor(&map.shift, &[1, 3, 1, 1])?)
    }
}

impl Observer for Watch<'_> {
    const TRAINS: bool = false;
    type End = End;

    fn convolved(&mut self, conv: &Conv, y: &Tensor, _: Option<&Moments>) -> Result<(), End> {
        // A `ReLU` may make 0 of NaN, and tanh 1 of an infinity: this is the last place where either shows.
        if !ops::scalars(&[y.sum_all()?])?.iter().all(|sum| sum.is_finite()) {
            return Err(TransformError::NotFinite { layer: conv.name.clone() }.into());
        }
        self.done += self.multiplications.next().unwrap_or(0);
        match (self.report)(self.done as f64 / self.total as f64) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(End::Interrupted),
        }
    }
}

fn map_output(x: &Tensor, map: OutputMap) -> CandleResult<Tensor> {
    match map {
        OutputMap::Tanh { scale, shift } => x.tanh()?.affine(scale.into(), shift.into()),
        OutputMap::Linear { scale, shift } => x.affine(scale.into(), shift.into()),
    }
}

#[cfg(test)]
mod tests;
