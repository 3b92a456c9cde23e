//! What Atelier's parts say to each other: plain data, and the one wire format for it.
//!
//! Serialising a domain type with serde *is* the public JSON; [`wire`] holds the generated gRPC code and
//! [`convert`] is the only place where the two meet. This crate depends on no other crate of the project.

pub mod convert;
pub mod device;
pub mod error;
pub mod event;
pub mod id;
pub mod job;
pub mod loss;
pub mod mail;
pub mod measurement;
pub mod style;
pub mod wire;
pub mod words;

pub use device::{Device, DeviceKind};
pub use error::{ErrorCode, Problem};
pub use event::{Event, EventBody, Snapshot};
pub use id::{JobId, JobRef, StyleName};
pub use job::{
    Failure, Job, JobKind, JobPage, JobResult, JobState, OutputFormat, PaintOrder, PaintParameters, Parameters,
    Priority, Progress, StateName, StylizeParameters, TrainOrder, TrainParameters, Wishes,
};
pub use loss::{Checkpoint, CheckpointList, LossCurve, LossPoint};
pub use mail::{Delivery, Mail, MailState};
pub use measurement::{Distances, Measurement};
pub use style::{Style, StyleProblem, StyleState};
