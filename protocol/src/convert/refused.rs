//! Refusals: one status whose details programs of any language can read.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use prost_types::Any;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::error::ErrorCode;
use crate::wire;

/// The metadata key that repeats the stable code, for clients that don't read details.
const CODE_KEY: &str = "atelier-code";

const PROBLEM: &str = "atelier.v1.Problem";
const ERROR_INFO: &str = "google.rpc.ErrorInfo";
const RETRY_INFO: &str = "google.rpc.RetryInfo";

/// A refusal as it travels over gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The stable code; it decides the gRPC status.
    pub code: ErrorCode,
    /// A sentence that names the thing and the way out.
    pub detail: String,
    /// When trying again may help, in whole seconds.
    pub retry_after: Option<Duration>,
}

/// A gRPC status that carries none of Atelier's codes: it comes from a proxy, a library or the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the status carries no code of Atelier")]
pub struct ForeignStatus;

/// `google.rpc.Status`, which `grpc-status-details-bin` holds.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.rpc.ErrorInfo`, the detail that generic clients know.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

fn any(name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let Refused { code, detail, retry_after } = refused;
        let (_, number) = code.statuses();
        let seconds = retry_after.map(whole_seconds);
        let info = ErrorInfo { reason: code.to_string(), domain: "atelier".to_owned(), metadata: HashMap::new() };
        let problem = wire::Problem { code: code.to_string(), detail: detail.clone(), retry_after_seconds: seconds };
        let mut details = vec![any(ERROR_INFO, &info), any(PROBLEM, &problem)];
        if let Some(seconds) = seconds {
            let retry_delay = Some(prost_types::Duration { seconds: seconds as i64, nanos: 0 });
            details.push(any(RETRY_INFO, &RetryInfo { retry_delay }));
        }
        let packed = RpcStatus { code: number as i32, message: detail.clone(), details }.encode_to_vec();
        let mut metadata = MetadataMap::new();
        metadata.insert(CODE_KEY, MetadataValue::from_static(code.as_str()));
        Self::with_details_and_metadata(Code::from_i32(number as i32), detail, packed.into(), metadata)
    }
}

/// Rounds up, so that nobody comes back too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl TryFrom<&Status> for Refused {
    type Error = ForeignStatus;

    fn try_from(status: &Status) -> Result<Self, ForeignStatus> {
        let packed = RpcStatus::decode(status.details()).map_err(|_| ForeignStatus)?;
        let is_problem = |detail: &&Any| detail.type_url.rsplit('/').next() == Some(PROBLEM);
        let problem = packed.details.iter().find(is_problem).ok_or(ForeignStatus)?;
        let problem = wire::Problem::decode(problem.value.as_slice()).map_err(|_| ForeignStatus)?;
        Ok(Self {
            code: problem.code.parse().map_err(|_| ForeignStatus)?,
            detail: problem.detail,
            retry_after: problem.retry_after_seconds.map(Duration::from_secs),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn every_code_survives_the_wire_with_its_own_status() {
        for &code in ErrorCode::ALL {
            for retry_after in [None, Some(Duration::from_secs(7))] {
                let refused = Refused { code, detail: "the queue is full; come back".to_owned(), retry_after };
                let status = Status::from(refused.clone());
                assert_eq!(status.code() as i32, code.statuses().1 as i32);
                assert_eq!(status.metadata().get(CODE_KEY).unwrap().to_str().unwrap(), code.as_str());
                assert_eq!(Refused::try_from(&status), Ok(refused));
            }
        }
    }

    #[test]
    fn waiting_is_rounded_up_and_told_to_generic_clients() {
        let retry_after = Some(Duration::from_millis(1200));
        let status = Status::from(Refused { code: ErrorCode::QueueFull, detail: String::new(), retry_after });
        let packed = RpcStatus::decode(status.details()).unwrap();
        let types: Vec<_> = packed.details.iter().map(|detail| detail.type_url.as_str()).collect();
        let all = ["google.rpc.ErrorInfo", "atelier.v1.Problem", "google.rpc.RetryInfo"];
        assert_eq!(types, all.map(|name| format!("type.googleapis.com/{name}")));
        let info = ErrorInfo::decode(packed.details[0].value.as_slice()).unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("queue_full", "atelier"));
        let retry = RetryInfo::decode(packed.details[2].value.as_slice()).unwrap();
        assert_eq!(retry.retry_delay.unwrap().seconds, 2);
    }

    #[test]
    fn a_foreign_status_is_told_apart() {
        for details in [&b""[..], b"\xff\xff", b"\x08\x05"] {
            let status = Status::with_details(Code::Unavailable, "upstream", details.to_vec().into());
            assert_eq!(Refused::try_from(&status), Err(ForeignStatus));
        }
    }
}
