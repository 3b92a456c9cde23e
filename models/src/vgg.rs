//! VGG19 (Simonyan and Zisserman 2015) up to `conv5_1`: the eyes of the losses.
//!
//! Its weights never change, so it has gradients with respect to its input only. Everything stays in the blocked layout
//! from the picture to the last tap and back.

mod check;
mod error;
mod features;
mod layered;
mod read;
mod weights;

use std::path::Path;
use std::sync::OnceLock;

pub use error::{VggError, VggProblem};
pub use features::Features;
pub(crate) use layered::Eyes;
pub use weights::VggWeights;

use crate::kernels::Precision;
use crate::kernels::conv3x3::Conv3x3;
use crate::kernels::direct::{Direct, Form, Narrow};
use crate::kernels::layout::channel_vector;
use crate::kernels::simd::{Block, LANES};
use crate::kernels::source::{Affine, Border, Growth};
use crate::kernels::winograd::Geometry;

/// What VGG takes once it is loaded, kernels of both directions included.
pub(crate) const LOADED_BYTES: u64 = 500 << 20;
/// What looking at a picture and going back takes at the peak, for each of its pixels.
pub(crate) const BYTES_PER_PIXEL: u64 = 2700;

/// A convolution of VGG19 with its `ReLU`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerName {
    /// The `ReLU`'s name.
    pub name: &'static str,
    /// Its number in torchvision's `features`.
    pub feature: usize,
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Whether a max pool comes before it.
    pub pooled: bool,
}

const fn layer(name: &'static str, feature: usize, inputs: usize, outputs: usize, pooled: bool) -> LayerName {
    LayerName { name, feature, inputs, outputs, pooled }
}

impl LayerName {
    /// Returns the name of the convolution, such as `conv1_1`.
    fn convolution(self) -> String {
        self.name.replace("relu", "conv")
    }

    /// Returns torchvision's name, such as `features.0`.
    fn torch_name(self) -> String {
        format!("features.{}", self.feature)
    }

    /// Returns its kernel's shape.
    fn shape(self) -> [usize; 4] {
        [self.outputs, self.inputs, 3, 3]
    }
}

/// The layers in order.
pub const LAYERS: [LayerName; 13] = [
    layer("relu1_1", 0, 3, 64, false),
    layer("relu1_2", 2, 64, 64, false),
    layer("relu2_1", 5, 64, 128, true),
    layer("relu2_2", 7, 128, 128, false),
    layer("relu3_1", 10, 128, 256, true),
    layer("relu3_2", 12, 256, 256, false),
    layer("relu3_3", 14, 256, 256, false),
    layer("relu3_4", 16, 256, 256, false),
    layer("relu4_1", 19, 256, 512, true),
    layer("relu4_2", 21, 512, 512, false),
    layer("relu4_3", 23, 512, 512, false),
    layer("relu4_4", 25, 512, 512, false),
    layer("relu5_1", 28, 512, 512, true),
];

/// A place where a loss looks: the number of a layer in [`LAYERS`], none of them right before a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tap(usize);

impl Tap {
    /// The taps of the style losses, `relu1_1` to `relu5_1`.
    pub const STYLE: [Self; 5] = [Self(0), Self(2), Self(4), Self(8), Self(12)];
    /// The tap of the content losses, `relu4_2`.
    pub const CONTENT: Self = Self(9);

    /// Returns its layer.
    #[must_use]
    pub fn layer(self) -> LayerName {
        LAYERS[self.0]
    }

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.layer().name
    }
}

/// VGG19, its kernels transformed.
#[derive(Debug)]
pub struct Vgg {
    weights: VggWeights,
    first: Direct,
    rest: Vec<Conv3x3>,
    biases: Vec<Vec<Block>>,
    mean: Vec<Affine>,
    /// Made when a gradient is first asked for.
    backward: OnceLock<Backward>,
}

#[derive(Debug)]
struct Backward {
    first: Narrow,
    rest: Vec<Conv3x3>,
}

impl Vgg {
    /// Transforms weights.
    #[must_use]
    pub fn new(weights: VggWeights) -> Self {
        let rest = LAYERS.iter().enumerate().skip(1).map(|(i, layer)| forward(weights.kernel(i), layer)).collect();
        Self::of(weights, rest)
    }

    fn of(weights: VggWeights, rest: Vec<Conv3x3>) -> Self {
        let first = Direct::new(weights.kernel(0), form(3, 64), Growth::None, Border::Zero, Precision::Floats);
        let biases = (0..LAYERS.len()).map(|i| channel_vector(weights.bias(i))).collect();
        let mut mean = Affine { scale: Block([1.0; LANES]), shift: Block::ZERO };
        for (shift, mean) in mean.shift.0.iter_mut().zip(weights.mean()) {
            *shift = -mean;
        }
        Self { first, rest, biases, mean: vec![mean], backward: OnceLock::new(), weights }
    }

    /// Expands the weights that are part of the program; [`Unfolding`] does it piece by piece.
    ///
    /// Takes some hundred milliseconds and as many megabytes: once a process is enough, behind an `Arc`.
    #[must_use]
    pub fn builtin() -> Self {
        Self::new(VggWeights::builtin())
    }

    /// Reads a file (see [`VggWeights::read`]) and lets the net look at a known photo.
    ///
    /// What it sees must be what a trained VGG19 sees. A MatConvNet file whose kernels turn out to lie along their height
    /// is taken as such. Takes a second or two.
    ///
    /// # Errors
    /// The file can't be read, is no VGG19, or the net does not see as one: random weights, or weights that were trained
    /// for pictures given in another way.
    pub fn read(path: &Path) -> Result<Self, VggError> {
        let weights = VggWeights::read(path)?;
        check::tried(weights).map_err(|problem| VggError { file: path.to_owned(), problem })
    }

    fn backward(&self) -> &Backward {
        self.backward.get_or_init(|| {
            let rest = LAYERS.iter().enumerate().skip(1);
            Backward {
                first: Narrow::backward(self.weights.kernel(0), form(64, 3)),
                rest: rest.map(|(i, layer)| backward(self.weights.kernel(i), layer)).collect(),
            }
        })
    }
}

/// Weights on their way to a [`Vgg`], kernels of both directions included: a layer a call, for whoever has other things to
/// do in between.
#[derive(Debug)]
pub struct Unfolding {
    weights: VggWeights,
    forward: Vec<Conv3x3>,
    backward: Vec<Conv3x3>,
}

impl Unfolding {
    /// Takes weights; nothing is transformed yet.
    #[must_use]
    pub fn new(weights: VggWeights) -> Self {
        Self { weights, forward: Vec::new(), backward: Vec::new() }
    }

    /// Transforms the next layer's kernels in one direction, which takes some ten milliseconds. False when there was none
    /// left.
    pub fn advance(&mut self) -> bool {
        let is_forward = self.forward.len() + 1 < LAYERS.len();
        let number = 1 + if is_forward { self.forward.len() } else { self.backward.len() };
        let Some(layer) = LAYERS.get(number) else { return false };
        let kernel = self.weights.kernel(number);
        if is_forward {
            self.forward.push(forward(kernel, layer));
        } else {
            self.backward.push(backward(kernel, layer));
        }
        true
    }

    /// Does what is left and returns the net.
    #[must_use]
    pub fn finish(mut self) -> Vgg {
        while self.advance() {}
        let Self { weights, forward, backward } = self;
        let first = Narrow::backward(weights.kernel(0), form(64, 3));
        let backward = OnceLock::from(Backward { first, rest: backward });
        Vgg { backward, ..Vgg::of(weights, forward) }
    }
}

fn forward(kernel: &[f32], layer: &LayerName) -> Conv3x3 {
    // With fewer channels, halves are less exact than Winograd's algorithm, and what is seen here decides about gradients.
    let precision = if layer.inputs < 256 { Precision::Floats } else { Precision::Halves };
    Conv3x3::new(kernel, layer.outputs, layer.inputs, Geometry::same(Border::Zero), precision)
}

fn backward(kernel: &[f32], layer: &LayerName) -> Conv3x3 {
    Conv3x3::backward(kernel, layer.outputs, layer.inputs, Precision::Halves)
}

fn form(inputs: usize, outputs: usize) -> Form {
    Form { inputs, outputs, kernel: 3, stride: 1, before: 1 }
}

#[cfg(test)]
mod tests;
