//! VGG19 layer by layer, on any device.

use candle_core::{Error, Result, Tensor};

use super::{LAYERS, Tap, Vgg};
use crate::ops::{self, Convolution, Ops};

/// The weights on a device. They are frozen: pictures alone have gradients.
#[derive(Debug)]
pub(crate) struct Eyes {
    ops: Ops,
    /// Kernel and bias of each layer.
    layers: Vec<[Tensor; 2]>,
    mean: Tensor,
}

/// What was seen: the output of each layer.
pub(crate) struct Seen(Vec<Tensor>);

impl Eyes {
    /// Puts the weights on a device.
    pub(crate) fn new(ops: &Ops, vgg: &Vgg) -> Result<Self> {
        let layer = |(i, layer): (usize, &super::LayerName)| {
            let kernel = ops.tensor(vgg.weights.kernel(i), &layer.shape())?;
            Ok([kernel, ops.tensor(vgg.weights.bias(i), &[layer.outputs])?])
        };
        let layers = LAYERS.iter().enumerate().map(layer).collect::<Result<_>>()?;
        Ok(Self { ops: ops.clone(), layers, mean: ops.tensor(&vgg.weights.mean(), &[1, 3, 1, 1])? })
    }

    /// Looks at pictures, `(n, 3, h, w)` in RGB 0..1, up to the layer `last`.
    ///
    /// # Errors
    /// The device fails, or a pool on the way has nothing to take: the pictures are too small.
    pub(crate) fn look(&self, pictures: &Tensor, last: Tap) -> Result<Seen> {
        let mut seen = Vec::new();
        let mut x = pictures.broadcast_sub(&self.mean)?;
        for (layer, [kernel, bias]) in LAYERS.iter().zip(&self.layers).take(last.0 + 1) {
            if layer.pooled {
                let (_, _, height, width) = x.dims4()?;
                if height.min(width) < 2 {
                    return Err(Error::Msg(format!("the pictures are too small to be looked at up to {}", layer.name)));
                }
                x = self.ops.max_pool(&x)?;
            }
            x = ops::relu(&self.ops.conv(&x, kernel, Some(bias), Convolution::same(3))?)?;
            seen.push(x.clone());
        }
        Ok(Seen(seen))
    }
}

impl Seen {
    /// Returns a layer's output.
    pub(crate) fn tap(&self, tap: Tap) -> &Tensor {
        &self.0[tap.0]
    }
}
