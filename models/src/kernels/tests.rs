//! Kernels against the portable backend and against plain loops in f64.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod convolution;
mod gradients;
pub(crate) mod oracle;
mod properties;
