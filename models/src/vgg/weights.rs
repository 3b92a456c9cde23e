//! The weights, brought to one convention: kernels for RGB 0..1 minus a mean.

use std::io::Cursor;

use super::error::VggProblem;
use super::{LAYERS, read};

/// Keras' VGG19 as an index a weight into 256 values a layer (see NOTICE).
static BUILTIN: &[u8] = include_bytes!("../../assets/vgg19-conv1_1-conv5_1-q8.safetensors");

/// Kernels and biases, for RGB 0..1 minus a mean.
#[derive(Clone, Debug, PartialEq)]
pub struct VggWeights {
    kernels: Vec<Vec<f32>>,
    biases: Vec<Vec<f32>>,
    reading: Reading,
}

/// What a net wants its pictures to be: `(range * value - mean) / deviation` for values 0..1, channel by channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    /// The words for it.
    pub(super) name: &'static str,
    /// The places of the net's first, second and third channel in RGB.
    pub(super) order: [usize; 3],
    /// 1 or 255.
    pub(super) range: f32,
    /// The mean of each of the net's channels.
    pub(super) mean: [f32; 3],
    /// The deviation of each of the net's channels.
    pub(super) deviation: [f32; 3],
}

impl Reading {
    /// The original's, in its Caffe and Keras files (Simonyan and Zisserman 2015).
    pub(super) const CAFFE: Self = Self {
        name: "BGR of 0..255 minus a mean",
        order: [2, 1, 0],
        range: 255.0,
        mean: [103.939, 116.779, 123.68],
        deviation: [1.0; 3],
    };
    /// MatConvNet's.
    pub(super) const MATCONVNET: Self = Self {
        name: "RGB of 0..255 minus a mean",
        order: [0, 1, 2],
        range: 255.0,
        mean: [123.68, 116.779, 103.939],
        deviation: [1.0; 3],
    };
    /// Torchvision's.
    pub(super) const TORCHVISION: Self = Self {
        name: "RGB of 0..1 with ImageNet's mean and deviation",
        order: [0, 1, 2],
        range: 1.0,
        mean: [0.485, 0.456, 0.406],
        deviation: [0.229, 0.224, 0.225],
    };
    /// Torchvision's, had its channels the other order.
    pub(super) const TORCHVISION_BGR: Self = Self {
        name: "BGR of 0..1 with ImageNet's mean and deviation",
        order: [2, 1, 0],
        range: 1.0,
        mean: [0.406, 0.456, 0.485],
        deviation: [0.225, 0.224, 0.229],
    };
}

impl VggWeights {
    /// Returns the weights that are part of the program.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the file is in the program and covered by a test")]
    pub fn builtin() -> Self {
        read::weights(&mut Cursor::new(BUILTIN)).expect("the file in the program is whole")
    }

    /// Takes layers, the first one's inputs in the net's own order, after a check of their shapes and numbers.
    pub(super) fn new(layers: Vec<Layer>, reading: Reading) -> Result<Self, VggProblem> {
        assert_eq!(layers.len(), LAYERS.len(), "a reader gives every layer or an error");
        let (mut kernels, mut biases) = (Vec::new(), Vec::new());
        for (Layer { kernel, bias }, layer) in layers.into_iter().zip(LAYERS) {
            let sizes = (layer.outputs * layer.inputs * 9, layer.outputs);
            assert_eq!((kernel.len(), bias.len()), sizes, "a reader checks the shapes");
            if !kernel.iter().chain(&bias).all(|v| v.is_finite()) {
                return Err(VggProblem::NotFinite { layer: layer.convolution() });
            }
            kernels.push(kernel);
            biases.push(bias);
        }
        fold(&mut kernels[0], reading);
        Ok(Self { kernels, biases, reading })
    }

    /// Returns a layer's kernel, `[outputs][inputs][3][3]`; the first one's inputs are R, G and B.
    #[must_use]
    pub fn kernel(&self, layer: usize) -> &[f32] {
        &self.kernels[layer]
    }

    /// Returns a layer's bias.
    #[must_use]
    pub fn bias(&self, layer: usize) -> &[f32] {
        &self.biases[layer]
    }

    /// Returns what is taken off R, G and B, which are 0..1, before the first layer pads them with zeros.
    #[must_use]
    pub fn mean(&self) -> [f32; 3] {
        let Reading { order, mean, range, .. } = self.reading;
        let mut rgb = [0.0; 3];
        for (place, mean) in order.into_iter().zip(mean) {
            rgb[place] = mean / range;
        }
        rgb
    }

    pub(super) fn reading(&self) -> Reading {
        self.reading
    }

    /// Swaps the two sides of every kernel.
    pub(super) fn transpose(&mut self) {
        for kernel in self.kernels.iter_mut().flat_map(|kernel| kernel.as_chunks_mut::<9>().0) {
            kernel.swap(1, 3);
            kernel.swap(2, 6);
            kernel.swap(5, 7);
        }
    }
}

/// One convolution as a file has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    /// `[outputs][inputs][3][3]`.
    pub(super) kernel: Vec<f32>,
    /// A value an output.
    pub(super) bias: Vec<f32>,
}

/// Turns a first kernel, of what a net wants to read, into one of R, G and B of 0..1 minus the mean.
fn fold(kernel: &mut [f32], Reading { order, range, deviation, .. }: Reading) {
    for output in kernel.as_chunks_mut::<27>().0 {
        let own = *output;
        for (channel, place) in order.into_iter().enumerate() {
            for (to, from) in output[place * 9..][..9].iter_mut().zip(&own[channel * 9..]) {
                *to = from * (range / deviation[channel]);
            }
        }
    }
}
