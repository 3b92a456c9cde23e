//! Files of VGG19, told apart by their first bytes: safetensors, what `torch.save` writes, MatConvNet's `.mat`.
//!
//! Nothing is executed, nothing memory-mapped, and only the tensors that are needed are read; what a file claims about
//! sizes is held against what VGG19 needs before memory is taken.

mod matconvnet;
mod matlab;
mod numbers;
mod pickle;
mod safetensors;
mod torch;
mod torch_legacy;

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::{VggError, VggProblem};
use super::weights::VggWeights;
use super::{LAYERS, LayerName};

/// The largest file that is looked at; the whole VGG19 has 575 MB.
const FILE_BYTES: u64 = 1 << 30;

impl VggWeights {
    /// Reads a file and checks shapes and numbers. What it is, its first bytes tell, not its name:
    ///
    /// * safetensors with torchvision's names (`features.N.weight`, `.bias`), for RGB 0..1 with `ImageNet`'s mean and
    ///   deviation, or with 8-bit weights (`features.N.weight.index`, `.weight.table`), for BGR 0..255 minus a mean;
    /// * what `torch.save` wrote of torchvision's net, in either of its containers;
    /// * MATLAB 5 with MatConvNet's `layers`, for RGB 0..255 minus its own mean.
    ///
    /// # Errors
    /// The file can't be read, is none of these, or is no VGG19.
    pub fn read(path: &Path) -> Result<Self, VggError> {
        let read = || {
            let file = File::open(path)?;
            let about = file.metadata()?;
            if about.is_dir() {
                return Err(VggProblem::Io(ErrorKind::IsADirectory.into()));
            }
            if about.len() > FILE_BYTES {
                return Err(VggProblem::TooLarge { bytes: about.len(), limit: FILE_BYTES });
            }
            weights(&mut BufReader::new(file))
        };
        read().map_err(|problem| VggError { file: path.to_owned(), problem })
    }
}

/// Reads weights from a file that has been opened.
pub(super) fn weights<R: Read + Seek>(file: &mut R) -> Result<VggWeights, VggProblem> {
    let mut head = Vec::new();
    file.by_ref().take(128).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    let weights = match head.as_slice() {
        [b'P', b'K', 3, 4, ..] => torch::read(file),
        [_, _, _, _, _, _, _, _, b'{', ..] => safetensors::read(file),
        [0x80, 2..=5, ..] => torch_legacy::read(file),
        head if head.starts_with(b"MATLAB 5.0 MAT-file") => matconvnet::read(file),
        head if head.starts_with(b"MATLAB 7.3") => {
            Err(VggProblem::Format { detail: "it is a MATLAB 7.3 file: save it again with `-v7`" })
        }
        [0x89, b'H', b'D', b'F', ..] => Err(VggProblem::Format { detail: "it is an HDF5 file, as Keras writes them" }),
        _ => Err(VggProblem::Format { detail: "its first bytes are of none of them" }),
    };
    // A file that ends too early says so in one way, wherever it was noticed.
    weights.map_err(|problem| match problem {
        VggProblem::Io(error) => match error.kind() {
            ErrorKind::UnexpectedEof => VggProblem::damaged("it ends too early"),
            ErrorKind::InvalidData | ErrorKind::InvalidInput => VggProblem::damaged(error.to_string()),
            _ => VggProblem::Io(error),
        },
        problem => problem,
    })
}

/// Calls `layer` for each layer in order.
fn each_layer<T>(layer: impl FnMut(LayerName) -> Result<T, VggProblem>) -> Result<Vec<T>, VggProblem> {
    LAYERS.into_iter().map(layer).collect()
}

/// Refuses a tensor of another shape.
fn expect_shape(name: &str, expected: &[usize], found: Option<&[usize]>) -> Result<(), VggProblem> {
    if found == Some(expected) {
        return Ok(());
    }
    // A hostile file may claim thousands of sides.
    let (expected, found) = (expected.to_vec(), found.map(|sides| sides[..sides.len().min(8)].to_vec()));
    Err(VggProblem::Tensor { name: name.to_owned(), expected, found })
}

#[cfg(test)]
pub(crate) mod tests;
