//! Going to the background and coming back.

use std::io;

use rustix::process::{Signal, getpgrp, getsid, kill_current_process_group};

/// Says whether a shell waits for us to stop. In a terminal that runs the console alone nobody would wake it again.
pub(super) fn has_shell() -> bool {
    getsid(None).is_ok_and(|session| session != getpgrp())
}

/// Stops this process and whatever runs with it, until the shell lets it go on.
pub(super) fn stop() -> io::Result<()> {
    // Not SIGTSTP: that is caught, to give the terminal back first.
    kill_current_process_group(Signal::STOP).map_err(io::Error::from)
}
