//! `atelierd token`: the tokens file, without the daemon.

use std::process::ExitCode;

use super::{Failure, TokenCommand, out};
use crate::access::tokens;
use crate::config::Sources;

pub(super) fn run(sources: &Sources, command: TokenCommand) -> Result<ExitCode, Failure> {
    let path = sources.load()?.auth.tokens_file.ok_or(Failure::NoTokensFile)?;
    match command {
        TokenCommand::Add { name, role } => out::line(&tokens::add(&path, &name, role)?)?,
        TokenCommand::Remove { name } => tokens::remove(&path, &name)?,
        TokenCommand::List => {
            let tokens = tokens::list(&path)?;
            let width = tokens.iter().map(|token| token.name.len()).max().unwrap_or(0);
            for token in tokens {
                out::line(&format!("{:<width$}  {}", token.name, token.role))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
