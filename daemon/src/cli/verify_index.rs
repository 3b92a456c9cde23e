//! Reading a job index once, in a process of its own: a damaged one can make sled spin, panic or abort.

use std::io::{self, Read};
use std::path::Path;
use std::process::{self, ExitCode};
use std::thread;

use tokio::runtime::Builder;

use super::Failure;
use super::signals::Signals;
use crate::store::Index;

/// Reads the index; damage is one line on standard error and exit code 1.
pub(super) fn verify(folder: &Path) -> Result<ExitCode, Failure> {
    // The parent holds the other end: when it dies, this process must not keep sled's lock.
    thread::Builder::new()
        .name("parent-watch".to_owned())
        .spawn(|| {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            process::exit(1);
        })
        .map_err(Failure::System)?;
    // A signal to end goes to the parent too, who knows what to do. Here it would look as if the index were damaged.
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::System)?;
    let _signals = {
        let _context = runtime.enter();
        Signals::listen().map_err(Failure::System)?
    };
    Index::open(folder)?.verify()?;
    Ok(ExitCode::SUCCESS)
}
