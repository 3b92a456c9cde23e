//! Requests in the daemon's own terms.

use protocol::convert::{WireError, optional, parse};
use protocol::{ErrorCode, JobRef, StyleName, Wishes, wire};

use crate::intake::{JobFilter, StylizeOrder};
use crate::refusal::Refusal;

/// Reads how a caller names a job.
pub(super) fn job(id: &str) -> Result<JobRef, Refusal> {
    if id.is_empty() {
        return Err(WireError::Missing("id").into());
    }
    id.parse().map_err(|error| Refusal::new(ErrorCode::JobNotFound, format!("no job can be called {id:?}: {error}")))
}

/// Reads the name of a style that should be there.
pub(super) fn style(name: &str) -> Result<StyleName, Refusal> {
    named(name, ErrorCode::StyleNotFound)
}

fn named(name: &str, otherwise: ErrorCode) -> Result<StyleName, Refusal> {
    if name.is_empty() {
        return Err(WireError::Missing("style").into());
    }
    name.parse().map_err(|error| Refusal::new(otherwise, format!("no style can be called {name:?}: {error}")))
}

/// Reads the name of a style that is to be made.
pub(super) fn new_style(name: &str) -> Result<StyleName, Refusal> {
    if name.is_empty() {
        return Err(WireError::Missing("name").into());
    }
    Ok(parse("name", name)?)
}

/// Reads what a submit says about its job, and its idempotency key.
pub(super) fn wishes(message: Option<wire::Wishes>) -> Result<(Wishes, Option<String>), Refusal> {
    let mut message = message.unwrap_or_default();
    let key = message.idempotency_key.take();
    Ok((message.try_into()?, key))
}

impl TryFrom<wire::StylizeOrder> for StylizeOrder {
    type Error = Refusal;

    fn try_from(message: wire::StylizeOrder) -> Result<Self, Refusal> {
        Ok(Self {
            style: named(&message.style, ErrorCode::UnknownStyle)?,
            strength: message.strength,
            size: message.size,
            preserve_color: message.preserve_color,
            format: optional("format", message.format)?,
            priority: optional("priority", message.priority)?,
            email: message.email,
            note: message.note,
        })
    }
}

impl TryFrom<wire::ListJobsRequest> for JobFilter {
    type Error = Refusal;

    fn try_from(message: wire::ListJobsRequest) -> Result<Self, Refusal> {
        Ok(Self {
            state: optional("state", message.state)?,
            kind: optional("kind", message.kind)?,
            style: message.style.map(|name| parse("style", &name)).transpose()?,
            limit: message.limit,
            after: message.after,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::{JobKind, OutputFormat, Priority, StateName};

    use super::*;

    #[test]
    fn an_order_keeps_what_was_given_and_leaves_the_rest_to_defaults() {
        let bare = wire::StylizeOrder { style: "wave".to_owned(), ..Default::default() };
        let order = StylizeOrder::try_from(bare.clone()).unwrap();
        assert_eq!((order.strength, order.size, order.format, order.priority), (None, None, None, None));
        let full = wire::StylizeOrder {
            strength: Some(0.5),
            size: Some(640),
            preserve_color: true,
            format: wire::OutputFormat::Webp as i32,
            priority: wire::Priority::Batch as i32,
            email: Some("me@example.org".to_owned()),
            note: Some("for the wall".to_owned()),
            ..bare
        };
        let order = StylizeOrder::try_from(full).unwrap();
        assert_eq!((order.strength, order.size, order.preserve_color), (Some(0.5), Some(640), true));
        assert_eq!((order.format, order.priority), (Some(OutputFormat::Webp), Some(Priority::Batch)));
        assert_eq!((order.email.as_deref(), order.note.as_deref()), (Some("me@example.org"), Some("for the wall")));
    }

    #[test]
    fn bad_fields_are_refused_by_name() {
        let check = |order: wire::StylizeOrder, code, word| {
            let refusal = StylizeOrder::try_from(order).unwrap_err();
            assert_eq!(refusal.code, code);
            assert!(refusal.detail.contains(word), "{}", refusal.detail);
        };
        let order = |style: &str| wire::StylizeOrder { style: style.to_owned(), ..Default::default() };
        check(order(""), ErrorCode::MissingField, "style");
        check(order("../etc\n"), ErrorCode::UnknownStyle, r#""../etc\n""#);
        check(wire::StylizeOrder { format: 9, ..order("wave") }, ErrorCode::InvalidField, "format");
        check(wire::StylizeOrder { priority: -1, ..order("wave") }, ErrorCode::InvalidField, "priority");
        assert_eq!(job("../1").unwrap_err().code, ErrorCode::JobNotFound);
        assert_eq!(job("").unwrap_err().code, ErrorCode::MissingField);
        assert_eq!(style("A").unwrap_err().code, ErrorCode::StyleNotFound);
        assert_eq!(new_style("A").unwrap_err().code, ErrorCode::InvalidField);
    }

    #[test]
    fn a_filter_with_nothing_given_matches_all() {
        let filter = JobFilter::try_from(wire::ListJobsRequest::default()).unwrap();
        assert!(filter.state.is_none() && filter.kind.is_none() && filter.style.is_none() && filter.limit.is_none());
        let message = wire::ListJobsRequest {
            state: wire::JobState::Running as i32,
            kind: wire::JobKind::Stylize as i32,
            ..Default::default()
        };
        let filter = JobFilter::try_from(message).unwrap();
        assert_eq!((filter.state, filter.kind), (Some(StateName::Running), Some(JobKind::Stylize)));
    }
}
