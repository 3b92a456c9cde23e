//! Painting photos in a style: the one entry for whoever has a picture and a [`Package`].

use std::error::Error;
use std::ops::ControlFlow;

use candle_core::{Device, Tensor};

use crate::compute::Compute;
use crate::network::{Layer, Network, Upsample};
use crate::package::Package;
use crate::picture::Picture;
use crate::transform::{Transform, TransformError};

/// A style, ready to paint.
pub struct Stylizer {
    transform: Transform,
}

/// How a painting ended that did not fail.
#[derive(Debug)]
pub enum Outcome {
    /// The painting, of exactly the photo's size and with its alpha.
    Painted(Picture),
    /// The watcher broke it off.
    Interrupted,
}

/// Why a photo could not be painted.
#[derive(Debug, thiserror::Error)]
pub enum StylizeError {
    /// The network overflows or divides by zero on this photo.
    #[error("the style's layer `{layer}` gave a number that is not finite for this photo; its weights are at fault")]
    NotFinite {
        /// The layer's name.
        layer: String,
    },
    /// The device failed, most often for want of memory.
    #[error("the device failed: {source}")]
    Device {
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl From<TransformError> for StylizeError {
    fn from(error: TransformError) -> Self {
        match error {
            TransformError::NotFinite { layer } => Self::NotFinite { layer },
            TransformError::Device(source) => source.into(),
        }
    }
}

impl From<candle_core::Error> for StylizeError {
    fn from(source: candle_core::Error) -> Self {
        Self::Device { source: source.into() }
    }
}

impl Stylizer {
    /// Makes a package's network ready to paint.
    ///
    /// # Errors
    /// `Device`: it has no room for the weights.
    pub fn load(package: &Package) -> Result<Self, StylizeError> {
        let transform = Transform::new(package.network(), &package.weights, &Device::Cpu)?;
        Ok(Self { transform })
    }

    /// Paints a photo.
    ///
    /// `report` hears after each layer which part of the work (0 to 1) is done, from a thread of `compute`, and may break
    /// the painting off. Equal photos give equal paintings, whatever the number of threads.
    ///
    /// # Errors
    /// `NotFinite` and `Device`, see [`StylizeError`].
    pub fn paint(
        &self,
        photo: &Picture,
        compute: &Compute,
        report: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<Outcome, StylizeError> {
        compute.run(|| {
            let photo_values = to_planes(photo)?;
            let Some(painting) = self.transform.forward(&photo_values, report)? else {
                return Ok(Outcome::Interrupted);
            };
            Ok(Outcome::Painted(to_picture(&painting, photo)?))
        })
    }
}

/// Returns how many bytes painting a photo of this size takes at its peak, photo, painting and weights included.
///
/// An estimate from above, a few per cent beyond what was measured.
#[must_use]
pub fn memory_bytes(package: &Package, width: u32, height: u32) -> u64 {
    let network = package.network();
    let (width, height) = (width as usize, height as usize);
    // Eight-bit photo and painting, and the floats of both on their way in and out.
    let pictures = (width * height) as u64 * (6 + 24);
    let weights = network.parameter_count() as u64 * 4;
    (peak_values(network, width, height) * 4 + pictures + weights) * 21 / 20
}

/// Returns `(1, 3, h, w)` in 0..1.
fn to_planes(photo: &Picture) -> Result<Tensor, candle_core::Error> {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let channel = |c: usize| photo.rgb().iter().skip(c).step_by(3).map(|v| f32::from(*v) / 255.0);
    let planes: Vec<f32> = (0..3).flat_map(channel).collect();
    Tensor::from_vec(planes, (1, 3, height, width), &Device::Cpu)
}

/// Rounds a painting to eight bits and gives it the photo's alpha.
fn to_picture(painting: &Tensor, photo: &Picture) -> Result<Picture, candle_core::Error> {
    let pixels = painting.squeeze(0)?.permute((1, 2, 0))?.flatten_all()?.to_vec1::<f32>()?;
    let rgb = pixels.iter().map(|v| (v * 255.0).round() as u8).collect();
    let picture = Picture::new(photo.width(), photo.height(), rgb, photo.alpha().map(<[u8]>::to_vec));
    Ok(picture.expect("a painting has the photo's size"))
}

/// Returns how many numbers a pass holds at once when it holds most.
fn peak_values(network: &Network, width: usize, height: usize) -> u64 {
    let mut size = (network.padded_side(height), network.padded_side(width));
    let values = |channels: usize, (height, width): (usize, usize)| (channels * height * width) as u64;
    let mut peak = 0;
    for layer in &network.layers {
        let (convs, kept) = match layer {
            Layer::Conv(conv) => (vec![conv], 0),
            Layer::Residual { a, b } => (vec![a, b], values(a.inputs, size)),
        };
        for conv in convs {
            let grown = (size.0 * conv.scale(), size.1 * conv.scale());
            let pads =
                |side| if conv.upsample == Upsample::Transposed { 0 } else { conv.pads(side).0 + conv.pads(side).1 };
            let padded = (grown.0 + pads(grown.0), grown.1 + pads(grown.1));
            let output = conv.output_size(size.0, size.1);
            let (input, output_values) = (values(conv.inputs, size), values(conv.outputs, output));
            // candle's convolution copies its input once more, channels last.
            let convolving = 2 * values(conv.inputs, padded) + output_values;
            let padding = values(conv.inputs, grown) + 2 * values(conv.inputs, padded);
            let normalising = 4 * output_values;
            peak = peak.max(kept + input + convolving.max(padding).max(normalising));
            size = output;
        }
    }
    peak
}

#[cfg(test)]
mod tests;
