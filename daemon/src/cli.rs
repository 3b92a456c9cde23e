//! The command line of `atelierd`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::access::Role;
use crate::config::Sources;

mod backup;
mod banner;
mod check;
mod devices;
mod failure;
mod open_files;
mod out;
mod serve;
mod signals;
mod systemd;
mod token;
mod verify_index;

use check::Repair;
use failure::Failure;

/// Turns photos into paintings: the daemon.
#[derive(Parser)]
#[command(name = "atelierd", version, about)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Args)]
struct Options {
    /// The configuration file [default: `$ATELIER_CONFIG`, ./atelier.toml, /etc/atelier/atelier.toml]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Address of page, API and gRPC (server.listen)
    #[arg(long, value_name = "ADDRESS:PORT", global = true)]
    listen: Option<String>,
    /// Where photos, results and the queue live (data.dir)
    #[arg(long, value_name = "FOLDER", global = true)]
    data: Option<String>,
    /// Where styles live (models.dir)
    #[arg(long, value_name = "FOLDER", global = true)]
    models: Option<String>,
    /// What does the work, such as cpu, cpu:2 or cuda:0; may be given several times (devices.use)
    #[arg(long, value_name = "DEVICE", global = true)]
    device: Vec<String>,
}

impl Options {
    fn sources(self) -> Sources {
        let device = (!self.device.is_empty()).then(|| self.device.join(","));
        let flags = [
            ("--listen", "server.listen", self.listen),
            ("--data", "data.dir", self.data),
            ("--models", "models.dir", self.models),
            ("--device", "devices.use", device),
        ];
        let given = flags.into_iter().filter_map(|(flag, key, value)| Some((flag, key, value?)));
        Sources::of_process(self.config, given.collect())
    }
}

#[derive(Subcommand)]
enum Command {
    /// Serve until Ctrl-C or SIGTERM, then drain; a second signal ends at once [default]
    Serve,
    /// Say what is wrong with configuration, store, styles, devices and mail, and what can be done
    Check {
        /// Also mend what can be mended
        #[arg(long)]
        repair: bool,
    },
    /// Copy jobs, pictures and styles to a folder, also while the daemon runs; again to bring the copy up to date
    Backup {
        /// A new folder, or an earlier backup
        folder: PathBuf,
    },
    /// Make, list and remove tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print the version
    Version,
    /// Read a job index once; ends early when standard input closes
    #[command(hide = true)]
    VerifyIndex {
        /// The index's folder
        folder: PathBuf,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token and print it, the only time it is shown
    Add {
        /// Whose it is
        name: String,
        /// What it allows: view, submit or admin
        #[arg(long)]
        role: Role,
    },
    /// List names and roles
    List,
    /// Remove a token; it stops working within a second
    Remove {
        /// Whose it is
        name: String,
    },
}

/// Runs `atelierd` and returns its exit code: 0 done, 1 failed, 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { options, command } = Cli::parse();
    let sources = options.sources();
    let done = match command.unwrap_or(Command::Serve) {
        Command::Serve => serve::serve(&sources),
        Command::Check { repair } => check::check(&sources, if repair { Repair::Yes } else { Repair::No }),
        Command::Backup { folder } => backup::backup(&sources, &folder),
        Command::Token(command) => token::run(&sources, command),
        Command::Version => out::line(&format!("atelierd {}", env!("CARGO_PKG_VERSION"))).map(|()| ExitCode::SUCCESS),
        Command::VerifyIndex { folder } => verify_index::verify(&folder),
    };
    done.unwrap_or_else(|failure| {
        out::complain(&failure);
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
