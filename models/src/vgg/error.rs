//! Why a file can't serve as the loss network.

use std::io;
use std::path::PathBuf;

use crate::kernels::PoolError;
use crate::text::printable;

/// Why a file can't serve as the loss network, with its path.
#[derive(Debug, thiserror::Error)]
#[error("the loss network `{}` {problem}", printable(&file.to_string_lossy()))]
pub struct VggError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: VggProblem,
}

/// What is wrong with a loss network.
#[derive(Debug, thiserror::Error)]
pub enum VggProblem {
    /// The system refuses it.
    #[error("can't be read: {0}")]
    Io(#[from] io::Error),
    /// Larger than any VGG19.
    #[error("has {bytes} bytes, and no VGG19 has more than {limit}: give the path of the net's own file")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },
    /// None of the known containers.
    #[error(
        "is none of the files that can be read: safetensors, a .pth that `torch.save` wrote, a MATLAB 5 .mat; {detail}"
    )]
    Format {
        /// What it seems to be.
        detail: &'static str,
    },
    /// It contradicts its own format, or ends too early.
    #[error("is damaged or was not copied to its end: {detail}; fetch it again")]
    Damaged {
        /// What was found.
        detail: String,
    },
    /// A pickle that would run something.
    #[error(
        "wants `{name}` to be run, which weights have no need of: nothing was run; save the net's weights alone, \
         `torch.save(net.state_dict(), path)`, and give that file"
    )]
    Callable {
        /// What would have been called.
        name: String,
    },
    /// A part of its format that nothing known to write VGG19 uses.
    #[error("holds {what}, which is not understood here: {way_out}")]
    Unsupported {
        /// What.
        what: String,
        /// How to save it instead.
        way_out: &'static str,
    },
    /// A tensor is missing or of another shape.
    #[error("is no VGG19: {}", tensor(name, expected, found.as_deref()))]
    Tensor {
        /// Its name.
        name: String,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The shape it has, if it is there.
        found: Option<Vec<usize>>,
    },
    /// A weight is NaN or infinite.
    #[error("has a weight of {layer} that is not a finite number: the file is damaged; fetch it again")]
    NotFinite {
        /// The layer.
        layer: String,
    },
    /// What it sees in a known photo is nothing that a trained VGG19 sees.
    #[error("does not see as a trained VGG19 does: {detail}")]
    Implausible {
        /// What was expected and what was found.
        detail: String,
    },
    /// The system refuses the threads for looking at the photo.
    #[error("can't be tried: {0}")]
    Threads(#[from] PoolError),
}

impl VggProblem {
    pub(super) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged { detail: printable(&detail.into()) }
    }
}

fn tensor(name: &str, expected: &[usize], found: Option<&[usize]>) -> String {
    match found {
        None => format!("it has no `{name}`, which should have the shape {expected:?}"),
        Some(found) => format!("its `{name}` has the shape {found:?} and should have {expected:?}"),
    }
}
