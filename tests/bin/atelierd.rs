//! `atelierd` itself, where the tests of this crate find it.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::cli::main()
}
