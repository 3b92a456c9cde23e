//! A [`Network`] on candle: the plain reading of the description, on any device candle has.
//!
//! Every other executor is held against this one. Nothing here is hand-made fast; what candle does slowly or wrongly
//! (reflection, nearest and bilinear enlargement) is written in operations that it does right.

mod ops;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use candle_core::{D, Device, Result as CandleResult, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig, Module};

use crate::network::{Conv, InputMap, Layer, Network, Norm, NormKind, OutputMap, Padding, Upsample, Weights};

/// A network with its weights on a candle device.
pub(crate) struct Transform {
    network: Network,
    tensors: BTreeMap<String, Tensor>,
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
    /// Puts `weights`, which were checked against `network`, on `device`.
    pub(crate) fn new(network: &Network, weights: &Weights, device: &Device) -> CandleResult<Self> {
        let tensor = |(name, tensor): (&str, &crate::network::Tensor)| {
            let on_device = Tensor::from_slice(&tensor.values, tensor.shape.as_slice(), device)?;
            Ok((name.to_owned(), on_device))
        };
        let tensors = weights.iter().map(tensor).collect::<CandleResult<_>>()?;
        Ok(Self { network: network.clone(), tensors })
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
        let mut watch = Watch { multiplications: multiplications.into_iter(), total, done: 0, report };
        match self.run(photo, &mut watch) {
            Ok(painting) => Ok(Some(painting)),
            Err(End::Interrupted) => Ok(None),
            Err(End::Failed(error)) => Err(error),
        }
    }

    fn run(&self, photo: &Tensor, watch: &mut Watch) -> Result<Tensor, End> {
        let network = &self.network;
        let (_, _, height, width) = photo.dims4()?;
        let x = ops::take(photo, 2, &network.source_indices(height))?;
        let x = ops::take(&x, 3, &network.source_indices(width))?;
        let mut x = map_input(&x, network.input)?;
        for layer in &network.layers {
            x = match layer {
                Layer::Conv(conv) => self.conv(conv, &x, watch)?,
                Layer::Residual { a, b } => (self.conv(b, &self.conv(a, &x, watch)?, watch)? + &x)?,
            };
        }
        let x = x.narrow(2, network.margin, height)?.narrow(3, network.margin, width)?;
        Ok(map_output(&x, network.output)?.clamp(0f32, 1f32)?)
    }

    fn conv(&self, conv: &Conv, x: &Tensor, watch: &mut Watch) -> Result<Tensor, End> {
        let mut x = self.convolve(conv, x)?;
        if let Some(norm) = conv.norm {
            x = self.normalise(conv, norm, &x)?;
        }
        // candle's `relu` makes 0 of NaN, and tanh 1 of an infinity: this is the last place where either shows.
        if !x.sum_all()?.to_scalar::<f32>()?.is_finite() {
            return Err(TransformError::NotFinite { layer: conv.name.clone() }.into());
        }
        watch.advance()?;
        Ok(if conv.relu { x.relu()? } else { x })
    }

    fn convolve(&self, conv: &Conv, x: &Tensor) -> CandleResult<Tensor> {
        let weight = self.tensors[&conv.weight_name()].clone();
        let bias = conv.bias.then(|| self.tensors[&conv.bias_name()].clone());
        let stride = conv.stride;
        let (_, _, height, width) = x.dims4()?;
        if conv.upsample == Upsample::Transposed {
            let config = ConvTranspose2dConfig { stride, ..ConvTranspose2dConfig::default() };
            let whole = ConvTranspose2d::new(weight, bias, config).forward(x)?;
            let (before, _) = conv.pads(height);
            return whole.narrow(2, before, height * conv.stride)?.narrow(3, before, width * conv.stride);
        }
        let x = match conv.upsample {
            Upsample::Nearest(factor) => ops::nearest(x, factor)?,
            Upsample::Bilinear(factor) => ops::bilinear(x, factor)?,
            Upsample::None | Upsample::Transposed => x.clone(),
        };
        let mut x = x;
        for axis in [2, 3] {
            let side = x.dim(axis)?;
            let (before, after) = conv.pads(side);
            x = match conv.padding {
                Padding::Reflect => ops::reflect(&x, axis, before, after)?,
                Padding::Same | Padding::Zero => x.pad_with_zeros(axis, before, after)?,
            };
        }
        Conv2d::new(weight, bias, Conv2dConfig { stride, ..Conv2dConfig::default() }).forward(&x)
    }

    fn normalise(&self, conv: &Conv, norm: Norm, x: &Tensor) -> CandleResult<Tensor> {
        let (mean, variance) = match norm.kind {
            NormKind::Instance => {
                // By rows first: one sum over millions of pixels loses digits in single precision.
                let mean = x.mean_keepdim(D::Minus1)?.mean_keepdim(D::Minus2)?;
                let squares = x.broadcast_sub(&mean)?.sqr()?;
                (mean, squares.mean_keepdim(D::Minus1)?.mean_keepdim(D::Minus2)?)
            }
            NormKind::Batch => {
                (self.channels(&conv.norm_name("running_mean"))?, self.channels(&conv.norm_name("running_var"))?)
            }
        };
        let deviation = (variance + f64::from(norm.eps))?.sqrt()?;
        let x = x.broadcast_sub(&mean)?.broadcast_div(&deviation)?;
        if !norm.affine {
            return Ok(x);
        }
        let scaled = x.broadcast_mul(&self.channels(&conv.norm_name("weight"))?)?;
        scaled.broadcast_add(&self.channels(&conv.norm_name("bias"))?)
    }

    /// Returns a vector with one value a channel, shaped to broadcast over `(n, c, h, w)`.
    fn channels(&self, name: &str) -> CandleResult<Tensor> {
        self.tensors[name].reshape((1, (), 1, 1))
    }
}

impl Watch<'_> {
    fn advance(&mut self) -> Result<(), End> {
        self.done += self.multiplications.next().unwrap_or(0);
        match (self.report)(self.done as f64 / self.total as f64) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(End::Interrupted),
        }
    }
}

fn map_input(x: &Tensor, map: InputMap) -> CandleResult<Tensor> {
    let scale = Tensor::new(&map.scale, x.device())?.reshape((1, 3, 1, 1))?;
    let shift = Tensor::new(&map.shift, x.device())?.reshape((1, 3, 1, 1))?;
    x.broadcast_mul(&scale)?.broadcast_add(&shift)
}

fn map_output(x: &Tensor, map: OutputMap) -> CandleResult<Tensor> {
    match map {
        OutputMap::Tanh { scale, shift } => x.tanh()?.affine(scale.into(), shift.into()),
        OutputMap::Linear { scale, shift } => x.affine(scale.into(), shift.into()),
    }
}

#[cfg(test)]
mod tests;
