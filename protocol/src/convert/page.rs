//! Lists.

use super::WireError;
use crate::device::Device;
use crate::job::JobPage;
use crate::mail::Mail;
use crate::style::Style;
use crate::wire;

/// Turns every element towards the wire.
pub(super) fn all<D, W: From<D>>(domain: Vec<D>) -> Vec<W> {
    domain.into_iter().map(W::from).collect()
}

/// Turns every element from the wire.
pub(super) fn try_all<W, D: TryFrom<W, Error = WireError>>(wire: Vec<W>) -> Result<Vec<D>, WireError> {
    wire.into_iter().map(D::try_from).collect()
}

impl From<JobPage> for wire::ListJobsResponse {
    fn from(page: JobPage) -> Self {
        Self { jobs: all(page.jobs), next: page.next }
    }
}

impl TryFrom<wire::ListJobsResponse> for JobPage {
    type Error = WireError;

    fn try_from(message: wire::ListJobsResponse) -> Result<Self, WireError> {
        Ok(Self { jobs: try_all(message.jobs)?, next: message.next })
    }
}

macro_rules! lists {
    ($($domain:ident in $message:ident . $field:ident)+) => { $(
        impl From<Vec<$domain>> for wire::$message {
            fn from($field: Vec<$domain>) -> Self {
                Self { $field: all($field) }
            }
        }

        impl TryFrom<wire::$message> for Vec<$domain> {
            type Error = WireError;

            fn try_from(message: wire::$message) -> Result<Self, WireError> {
                try_all(message.$field)
            }
        }
    )+ };
}

lists! {
    Style in ListStylesResponse.styles
    Device in ListDevicesResponse.devices
    Mail in ListMailResponse.mail
}
