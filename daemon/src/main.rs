//! `atelierd`: the daemon's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::cli::main()
}
