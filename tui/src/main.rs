//! The program `atelier`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tui::cli::main()
}
