//! Becomes another program, on a terminal that is its own: `on-terminal PATH PROGRAM [ARGUMENT]...`.

use std::env::args_os;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{ioctl_tiocsctty, setsid};

fn main() -> io::Result<()> {
    let mut words = args_os().skip(1);
    let (Some(path), Some(program)) = (words.next(), words.next()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    setsid()?;
    let terminal = File::options().read(true).write(true).open(path)?;
    ioctl_tiocsctty(&terminal)?;
    let mut command = Command::new(program);
    command.args(words).stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
    Err(command.exec())
}
