//! The weights that come with the program: 8-bit indices into a table a layer.

use safetensors::SafeTensors;

use super::LAYERS;

/// Keras' VGG19 as an index a weight into 256 values a layer (see NOTICE).
static BUILTIN: &[u8] = include_bytes!("../../assets/vgg19-conv1_1-conv5_1-q8.safetensors");

/// Mean of the pictures that VGG was trained on, B, G, R of 0..255 (Simonyan and Zisserman 2015).
const CAFFE_MEAN: [f32; 3] = [103.939, 116.779, 123.68];

/// Why a file holds no VGG19.
#[derive(Debug, thiserror::Error)]
pub enum VggError {
    /// It is no safetensors file.
    #[error("the loss network's file can't be read: {0}")]
    Container(#[from] safetensors::SafeTensorError),
    /// A tensor is missing or of another shape.
    #[error("the loss network's file has no tensor `{name}` of shape {shape:?}")]
    Tensor {
        /// Its name.
        name: String,
        /// The shape it should have.
        shape: Vec<usize>,
    },
}

/// Kernels and biases, for RGB 0..1 minus a mean.
#[derive(Clone, Debug)]
pub struct VggWeights {
    kernels: Vec<Vec<f32>>,
    biases: Vec<Vec<f32>>,
    mean: [f32; 3],
}

impl VggWeights {
    /// Returns the weights that are part of the program.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the file is in the program and covered by a test")]
    pub fn builtin() -> Self {
        Self::quantised(BUILTIN).expect("the file in the program is whole")
    }

    /// Reads an 8-bit file: `features.N.weight.index`, `.weight.table`, `.bias`, for BGR 0..255 minus Caffe's mean.
    ///
    /// # Errors
    /// It is no such file.
    pub fn quantised(bytes: &[u8]) -> Result<Self, VggError> {
        let file = SafeTensors::deserialize(bytes)?;
        let tensor = |name: String, shape: &[usize]| match file.tensor(&name) {
            Ok(tensor) if tensor.shape() == shape => Ok(tensor.data().to_vec()),
            _ => Err(VggError::Tensor { name, shape: shape.to_vec() }),
        };
        let (mut kernels, mut biases): (Vec<Vec<f32>>, Vec<Vec<f32>>) = (Vec::new(), Vec::new());
        for layer in LAYERS {
            let name = format!("features.{}", layer.feature);
            let index = tensor(format!("{name}.weight.index"), &[layer.outputs, layer.inputs, 3, 3])?;
            let table = f32s(&tensor(format!("{name}.weight.table"), &[256])?);
            kernels.push(index.iter().map(|i| table[usize::from(*i)]).collect());
            biases.push(f32s(&tensor(format!("{name}.bias"), &[layer.outputs])?));
        }
        from_bgr(&mut kernels[0]);
        let [b, g, r] = CAFFE_MEAN.map(|mean| mean / 255.0);
        Ok(Self { kernels, biases, mean: [r, g, b] })
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
        self.mean
    }
}

/// Turns the first kernel, of B, G and R of 0..255, into one of R, G and B of 0..1.
fn from_bgr(kernel: &mut [f32]) {
    for output in kernel.chunks_exact_mut(27) {
        let (b, rest) = output.split_at_mut(9);
        b.swap_with_slice(&mut rest[9..]);
        for weight in output {
            *weight *= 255.0;
        }
    }
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}
