//! Why a command ends with exit code 1.

use std::io;

use super::backup::BackupError;
use crate::access::tokens::TokensError;
use crate::config::ConfigError;
use crate::daemon::StartError;
use crate::store::IndexError;

/// What ends a command, each in one line for the person who runs it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Strangers could reach a daemon without tokens.
    #[error("{0}")]
    Exposed(String),
    /// The data folder or the styles can't be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An address can't be listened on.
    #[error("{0}; end the program that listens there, or choose another address")]
    Listen(io::Error),
    /// The key of signed links can't be used.
    #[error("the key of signed links: {0}")]
    Links(io::Error),
    /// The tokens can't be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// A token command without a file to work on.
    #[error("there is no tokens file yet: name one in auth.tokens_file, or in ATELIER_AUTH__TOKENS_FILE")]
    NoTokensFile,
    /// An index is damaged.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A backup can't be taken.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The system refuses something basic.
    #[error("the daemon can't be set up: {0}")]
    System(io::Error),
    /// Nobody reads standard output.
    #[error("standard output: {0}")]
    Output(io::Error),
}
