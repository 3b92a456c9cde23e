//! The connection to a daemon: one typed method for each rpc, in the domain's own terms.

use std::io;

use protocol::convert::{Refused, WireError};
use protocol::wire;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};

mod calls;
mod endpoint;
mod transfer;
mod watch;

pub(crate) use calls::Filter;
pub(crate) use endpoint::{Server, Token};
pub(crate) use transfer::{Download, Order, Source};
pub(crate) use watch::Watch;

/// The generated client behind our connection and its token.
type Client = wire::atelier_client::AtelierClient<InterceptedService<Channel, endpoint::Bearer>>;

/// Largest message that is read: a snapshot of a long queue is one.
const MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// A connection to one daemon. Cheap to clone; it connects anew by itself after it was lost.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    server: Server,
    client: Client,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody answers, or the connection broke.
    #[error("no daemon answers at {server}: {reason}")]
    Unreachable {
        /// Where one was expected.
        server: Server,
        /// What the network said.
        reason: String,
    },
    /// The daemon refuses, and says why.
    #[error("{}", .0.detail)]
    Refused(Refused),
    /// Something answers that is no Atelier daemon, or one of another version.
    #[error("{server} does not answer like an Atelier daemon of this version: {reason}")]
    Foreign {
        /// Who answered.
        server: Server,
        /// What it said.
        reason: String,
    },
    /// A file on this side can't be read or written.
    #[error("{what}: {source}")]
    File {
        /// Which one.
        what: String,
        /// Why.
        source: io::Error,
    },
}

impl CallError {
    /// Says whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(refused) => refused.retry_after.is_some(),
            Self::Foreign { .. } | Self::File { .. } => false,
        }
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] when nobody listens there.
    pub(crate) async fn open(server: Server, token: Option<Token>) -> Result<Self, CallError> {
        let channel = match server.endpoint().connect().await {
            Ok(channel) => channel,
            Err(error) => return Err(CallError::Unreachable { reason: deepest(&error), server }),
        };
        let service = InterceptedService::new(channel, endpoint::Bearer(token));
        let client = Client::new(service).max_decoding_message_size(MESSAGE_BYTES);
        Ok(Self { server, client })
    }

    /// Says what a status means.
    fn failed(&self, status: &Status) -> CallError {
        if let Ok(refused) = Refused::try_from(status) {
            return CallError::Refused(refused);
        }
        let server = self.server.clone();
        let broken = std::error::Error::source(status).is_some();
        match status.code() {
            // A status that the library made up from a broken connection has that as its source.
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => {
                CallError::Unreachable { server, reason: reason(status) }
            }
            Code::Unknown | Code::Internal if broken => CallError::Unreachable { server, reason: reason(status) },
            code => CallError::Foreign { server, reason: format!("{} ({code:?})", status.message()) },
        }
    }

    /// Says that an answer makes no sense here.
    fn garbled(&self, error: &WireError) -> CallError {
        CallError::Foreign { server: self.server.clone(), reason: error.to_string() }
    }
}

fn reason(status: &Status) -> String {
    std::error::Error::source(status).map_or_else(|| status.message().to_owned(), deepest)
}

/// Returns the innermost error's words: the outer ones say no more than "transport error".
fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
