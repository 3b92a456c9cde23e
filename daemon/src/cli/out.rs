//! The one place that prints.

use std::fmt::Display;
use std::io::{self, Write};

use super::Failure;

/// Prints a text and a line break to standard output.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(Failure::Output)
}

/// Prints why a command failed, on one line of standard error.
pub(super) fn complain(problem: &dyn Display) {
    // Without standard error there is nobody left to tell.
    let _ = writeln!(io::stderr(), "atelierd: {problem}");
}
