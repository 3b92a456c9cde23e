//! A transform network described as data: what every executor (candle, the planned CPU kernels) interprets.
//!
//! One convolution means, in this order: upsample, pad, convolve with a stride, add the bias, normalise, `ReLU`.
//! Arrays are channels first, colours are RGB in 0..1, and the picture goes through
//!
//! 1. reflection to a multiple on the right and bottom ([`Network::multiple`]), then all round ([`Network::margin`]);
//! 2. the [`InputMap`], then the layers, then the [`OutputMap`], then a clamp to 0..1;
//! 3. a crop to the photo's own size, from row and column `margin`.

mod weights;

pub use weights::{Tensor, Weights, WeightsError};

/// A transform network: a photo in, a painting of the same size out.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// What is done to RGB 0..1 before the first layer.
    pub input: InputMap,
    /// Pixels reflected on every side before the first layer, and cropped after the last.
    pub margin: usize,
    /// Both sides are reflected on the right and bottom to a multiple of this; 1 for any size.
    pub multiple: usize,
    /// The layers in order.
    pub layers: Vec<Layer>,
    /// What makes RGB 0..1 of the last layer's three channels.
    pub output: OutputMap,
}

/// Maps RGB 0..1 to what the first layer was trained on: `x * scale + shift`, per channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputMap {
    /// Factor of R, G and B.
    pub scale: [f32; 3],
    /// Summand of R, G and B.
    pub shift: [f32; 3],
}

/// Maps the last layer's channels to RGB 0..1; the result is clamped by the executor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OutputMap {
    /// `scale * tanh(x) + shift`.
    Tanh {
        /// Half the width of the range.
        scale: f32,
        /// The middle of the range.
        shift: f32,
    },
    /// `scale * x + shift`.
    Linear {
        /// Factor.
        scale: f32,
        /// Summand.
        shift: f32,
    },
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// A convolution with all that belongs to it.
    Conv(Conv),
    /// `x + b(a(x))`; both keep the size and the number of channels.
    Residual {
        /// The inner convolution.
        a: Conv,
        /// The outer convolution.
        b: Conv,
    },
}

/// A convolution with its upsampling, padding, bias, norm and activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Prefix of its tensors: `{name}.conv.weight`, `{name}.conv.bias`, `{name}.norm.weight`, …
    pub name: String,
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Side of the square kernel, odd.
    pub kernel: usize,
    /// Step between two outputs; for [`Upsample::Transposed`] the factor by which the picture grows.
    pub stride: usize,
    /// How the picture grows before (or, transposed, by) the convolution.
    pub upsample: Upsample,
    /// What stands beyond the border.
    pub padding: Padding,
    /// Whether there is a `{name}.conv.bias`.
    pub bias: bool,
    /// The normalisation after the bias.
    pub norm: Option<Norm>,
    /// Whether a `ReLU` comes last.
    pub relu: bool,
}

/// How a convolution enlarges its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upsample {
    /// Not at all.
    None,
    /// Every pixel is repeated this many times in both directions.
    Nearest(usize),
    /// Bilinear by this factor, pixel centres at halves, clamped at the border (torch's `align_corners=False`).
    Bilinear(usize),
    /// A transposed convolution, `TensorFlow`'s SAME: the output has `stride` times the input's side.
    ///
    /// Its weight has the shape `(inputs, outputs, k, k)`. Input `i` adds `weight[u]` to the output
    /// `i * stride + u - (k - stride) / 2`; what falls outside is dropped. [`Conv::padding`] plays no part.
    Transposed,
}

/// What a convolution sees beyond the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// `kernel / 2` pixels on every side, mirrored without repeating the edge; see [`reflect`] for tiny sides.
    Reflect,
    /// `TensorFlow`'s SAME: zeros so that the output has `ceil(side / stride)` pixels, the odd one after.
    Same,
    /// `kernel / 2` zeros on every side.
    Zero,
}

/// A normalisation of every channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// Whose mean and variance.
    pub kind: NormKind,
    /// Added to the variance under the root.
    pub eps: f32,
    /// Whether a scale (`{name}.norm.weight`) and a shift (`{name}.norm.bias`) follow.
    pub affine: bool,
}

/// Where a norm's mean and variance come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Of this picture's channel over all its pixels; biased variance (Ulyanov et al. 2016).
    Instance,
    /// Of the training: `{name}.norm.running_mean` and `{name}.norm.running_var`.
    Batch,
}

/// A tensor that a network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the weights file.
    pub name: String,
    /// Its shape; a convolution's is `(outputs, inputs, k, k)`, a transposed one's `(inputs, outputs, k, k)`.
    pub shape: Vec<usize>,
}

impl Network {
    /// Returns the side that the first layer sees for a photo's side.
    #[must_use]
    pub fn padded_side(&self, side: usize) -> usize {
        side.next_multiple_of(self.multiple) + 2 * self.margin
    }

    /// Returns, for each row (or column) that the first layer sees, the photo's row (or column) it shows.
    #[must_use]
    pub fn source_indices(&self, side: usize) -> Vec<usize> {
        let whole = side.next_multiple_of(self.multiple);
        (0..self.padded_side(side))
            .map(|i| reflect(i as isize - self.margin as isize, whole))
            .map(|i| reflect(i as isize, side))
            .collect()
    }

    /// Returns the height and width that the last layer makes of a photo, before the crop.
    ///
    /// Never less than the photo's own plus the margin before it, for the networks of the architecture table.
    #[must_use]
    pub fn output_size(&self, height: usize, width: usize) -> (usize, usize) {
        let sides = (self.padded_side(height), self.padded_side(width));
        self.convs().fold(sides, |(h, w), conv| conv.output_size(h, w))
    }

    /// Returns, for each convolution in the order in which they run, its multiplications for a photo.
    ///
    /// What progress and expected times are measured in.
    #[must_use]
    pub fn multiplications(&self, height: usize, width: usize) -> Vec<u64> {
        let mut size = (self.padded_side(height), self.padded_side(width));
        let mut multiplications = Vec::new();
        for conv in self.convs() {
            let input = size;
            size = conv.output_size(size.0, size.1);
            let kernels_run_at = if conv.upsample == Upsample::Transposed { input } else { size };
            let kernel = conv.inputs * conv.outputs * conv.kernel * conv.kernel;
            multiplications.push(kernel as u64 * kernels_run_at.0 as u64 * kernels_run_at.1 as u64);
        }
        multiplications
    }

    /// Returns the convolutions in the order in which they run.
    pub fn convs(&self) -> impl Iterator<Item = &Conv> {
        self.layers.iter().flat_map(|layer| match layer {
            Layer::Conv(conv) => vec![conv],
            Layer::Residual { a, b } => vec![a, b],
        })
    }

    /// Returns every tensor that the network needs, in the order of its layers.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        self.convs().flat_map(Conv::parameters).collect()
    }

    /// Returns how many numbers all tensors hold together.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|p| p.shape.iter().product::<usize>()).sum()
    }
}

impl Conv {
    /// Returns the name of the kernel's tensor.
    #[must_use]
    pub fn weight_name(&self) -> String {
        format!("{}.conv.weight", self.name)
    }

    /// Returns the name of the bias' tensor.
    #[must_use]
    pub fn bias_name(&self) -> String {
        format!("{}.conv.bias", self.name)
    }

    /// Returns the name of a norm's tensor: `part` is `weight`, `bias`, `running_mean` or `running_var`.
    #[must_use]
    pub fn norm_name(&self, part: &str) -> String {
        format!("{}.norm.{part}", self.name)
    }

    /// Returns the factor of the enlargement before the convolution; 1 for a transposed one.
    #[must_use]
    pub fn scale(&self) -> usize {
        match self.upsample {
            Upsample::Nearest(factor) | Upsample::Bilinear(factor) => factor,
            Upsample::None | Upsample::Transposed => 1,
        }
    }

    /// Returns the pixels added before and after a side of the (already enlarged) input.
    ///
    /// For a transposed convolution: the pixels dropped before and after the full output.
    #[must_use]
    pub fn pads(&self, side: usize) -> (usize, usize) {
        if self.upsample == Upsample::Transposed {
            let surplus = self.kernel.saturating_sub(self.stride);
            return (surplus / 2, surplus - surplus / 2);
        }
        match self.padding {
            Padding::Reflect | Padding::Zero => (self.kernel / 2, self.kernel / 2),
            Padding::Same => {
                let reach = (side.div_ceil(self.stride) - 1) * self.stride + self.kernel;
                let total = reach.saturating_sub(side);
                (total / 2, total - total / 2)
            }
        }
    }

    /// Returns the output's height and width for an input's.
    #[must_use]
    pub fn output_size(&self, height: usize, width: usize) -> (usize, usize) {
        let side = |side: usize| {
            if self.upsample == Upsample::Transposed {
                return side * self.stride;
            }
            let side = side * self.scale();
            let (before, after) = self.pads(side);
            (side + before + after - self.kernel) / self.stride + 1
        };
        (side(height), side(width))
    }

    /// Returns the tensors it needs.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        let (first, second) = match self.upsample {
            Upsample::Transposed => (self.inputs, self.outputs),
            _ => (self.outputs, self.inputs),
        };
        let kernel = vec![first, second, self.kernel, self.kernel];
        let mut parameters = vec![Parameter { name: self.weight_name(), shape: kernel }];
        let mut vector = |name| {
            parameters.push(Parameter { name, shape: vec![self.outputs] });
        };
        if self.bias {
            vector(self.bias_name());
        }
        if let Some(norm) = self.norm {
            if norm.affine {
                vector(self.norm_name("weight"));
                vector(self.norm_name("bias"));
            }
            if norm.kind == NormKind::Batch {
                vector(self.norm_name("running_mean"));
                vector(self.norm_name("running_var"));
            }
        }
        parameters
    }
}

/// Returns the pixel of `0..side` that a mirror at both edges (which are not repeated) shows at `index`.
///
/// Any index is allowed: beyond the first mirror image the second begins, and a side of 1 shows its one pixel everywhere.
#[must_use]
pub fn reflect(index: isize, side: usize) -> usize {
    let last = side as isize - 1;
    if last < 1 {
        return 0;
    }
    let folded = index.rem_euclid(2 * last);
    (if folded > last { 2 * last - folded } else { folded }) as usize
}

#[cfg(test)]
mod tests;
