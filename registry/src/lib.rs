//! The folder of styles: scanned, watched, published into, and served as an immutable snapshot that is swapped whole.
//!
//! There is one way into the [`Snapshot`]: a scan of the folder. A style copied by hand, one published by a training job
//! and one uploaded are seen, checked and announced by the same code. Readers keep the `Arc` they started with, so
//! nothing that happens to the folder touches a job that runs.
//!
//! What is deliberately not here: tokio (the daemon bridges the change callback into its feed), memory maps, recursive
//! watches (a deep tree dropped into the folder costs nothing), and any memory of a style beside the folder itself.
//!
//! Links are not followed: a style that is a symbolic link is refused with a problem, since changes behind a link can't
//! be watched and a link could make the daemon read whatever its user may. The folder of styles itself may be a link.

mod entry;
mod error;
mod fingerprint;
mod first;
mod listing;
mod publish;
mod registry;
mod scan;
mod verdict;
mod watch;

#[cfg(test)]
mod tests;

pub use entry::{Change, Entry, Snapshot};
pub use error::RegistryError;
pub use registry::{Detection, Options, Registry, look};
