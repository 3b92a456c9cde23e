//! What whole-daemon tests share: a daemon in a temporary folder, and a device that does as it is told.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::missing_panics_doc, reason = "everything here panics when a test fails")]
#![expect(clippy::must_use_candidate, reason = "a test that ignores an answer is caught by its assertions")]

mod browser;
mod chance;
pub mod disk;
mod door;
pub mod doors;
mod house;
mod installed;
mod line;
mod mail_server;
mod mangle;
mod puppet;
mod served;
mod terminal;
mod training;

pub use browser::{Browser, DESK, PHONE};
pub use chance::Chance;
pub use door::{Door, Raw, problem};
pub use house::{House, admin, noise, order, picture};
pub use installed::{installed, not_tested};
pub use line::{Fault, Line};
pub use mail_server::{MOST_BYTES, MailServer, free_ports};
pub use mangle::Mangler;
pub use puppet::{Act, Deed, Move, Puppet, puppet};
pub use served::{Served, upload};
pub use terminal::{Answers, KITTY, PLAIN, SILENT, SIXEL, Terminal};
pub use training::tiny_training;
