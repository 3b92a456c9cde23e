//! Pictures, networks, losses and kernels: everything that touches a tensor.

pub mod arch;
pub mod network;
pub mod picture;
