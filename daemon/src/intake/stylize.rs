//! Painting a photo in a learned style.

use models::package::Package;
use models::picture::Header;
use protocol::{ErrorCode, OutputFormat, Parameters, Priority, StyleName, StylizeParameters, Wishes};
use serde_json::json;

use super::photo::{check_side, own_format};
use super::submit::{NewJob, invalid};
use super::{Intake, Submission, Ticket};
use crate::refusal::Refusal;
use crate::spool::Draft;

/// An order to paint a photo; absent fields take their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct StylizeOrder {
    /// The style's name.
    pub style: StyleName,
    /// Mix of photo and painting, 0 to 1; 1 where absent.
    pub strength: Option<f32>,
    /// Longest side in pixels; the photo's own where absent.
    pub size: Option<u32>,
    /// Keep the photo's chroma.
    pub preserve_color: bool,
    /// The photo's own format where absent and possible, else PNG.
    pub format: Option<OutputFormat>,
    /// Interactive where absent.
    pub priority: Option<Priority>,
    /// Where to mail the painting.
    pub email: Option<String>,
    /// A person's own words.
    pub note: Option<String>,
}

impl Intake {
    /// Accepts a photo: decodes it, writes job and photo to the disk, and only then answers.
    ///
    /// # Errors
    /// What the order or the photo has wrong, by its own code.
    pub async fn stylize(&self, ticket: Ticket, order: StylizeOrder, photo: Draft) -> Result<Submission, Refusal> {
        let idempotency = ticket.idempotency(|route| fields(route, &order, &photo.sha256()));
        if let Some(first) = self.repeated(&ticket.caller, idempotency.as_ref()).await? {
            return Ok(first);
        }
        check_order(&order)?;
        let wishes = Wishes { priority: order.priority, email: order.email.clone(), note: order.note.clone() };
        let recipient = self.check_wishes(&ticket.caller, &wishes)?;
        if photo.is_empty() {
            return Err(Refusal::new(ErrorCode::InvalidPicture, "the picture is empty; send the file's content"));
        }
        let style = self.ready_style(&order.style)?;
        let intake = self.clone();
        let plan = move |photo: &Header| {
            let (parameters, width, height) = intake.parameters(&order, photo)?;
            let memory_bytes = intake.memory_needed(&style, photo, width, height)?;
            Ok((parameters, memory_bytes))
        };
        let (photo, (parameters, memory_bytes)) = self.0.decoding.verify(photo, &self.config().limits, plan).await?;
        let job = NewJob {
            parameters: Parameters::Stylize(parameters),
            priority: wishes.priority.unwrap_or(Priority::Interactive),
            wishes,
            recipient,
            idempotency,
            input: photo,
            artworks: Vec::new(),
            memory_bytes,
            naming: None,
        };
        self.accept(ticket, job).await
    }

    /// Fills the defaults in and returns the result's size.
    fn parameters(&self, order: &StylizeOrder, photo: &Header) -> Result<(StylizeParameters, u32, u32), Refusal> {
        let (width, height) = self.result_size(photo, order.size)?;
        let format = order.format.unwrap_or(own_format(photo));
        check_side(format, width.max(height))?;
        let parameters = StylizeParameters {
            style: order.style.clone(),
            strength: order.strength.unwrap_or(1.0),
            size: order.size,
            preserve_color: order.preserve_color,
            format,
        };
        Ok((parameters, width, height))
    }

    /// Returns what the job needs, and refuses one that can never run.
    fn memory_needed(&self, style: &Package, photo: &Header, width: u32, height: u32) -> Result<u64, Refusal> {
        let budget = self.config().limits.memory_bytes;
        let painting = self.0.footprints.of(style)?.memory_bytes(width, height, budget);
        painting.map(|bytes| bytes.max(photo.decoding_bytes)).map_err(|least| {
            Refusal::new(
                ErrorCode::TooMuchMemory,
                format!(
                    "painting {width}×{height} pixels takes at least {} MiB and limits.memory allows {} MiB; ask for a \
                     smaller size or raise limits.memory",
                    least.div_ceil(1 << 20),
                    budget >> 20
                ),
            )
        })
    }
}

/// Checks the fields that nothing else is needed for.
fn check_order(order: &StylizeOrder) -> Result<(), Refusal> {
    if let Some(strength) = order.strength.filter(|strength| !(0.0..=1.0).contains(strength)) {
        return Err(invalid(format!("strength must be between 0 and 1, not {strength}")));
    }
    if order.size == Some(0) {
        return Err(invalid("size must be at least 1 pixel"));
    }
    Ok(())
}

/// Lists what a repeated submit must have in common with the first: the route, the decoded fields, the file.
fn fields(route: &str, order: &StylizeOrder, photo_sha256: &str) -> serde_json::Value {
    let StylizeOrder { style, strength, size, preserve_color, format, priority, email, note } = order;
    json!([
        route,
        style,
        strength.unwrap_or(1.0),
        size,
        preserve_color,
        format,
        priority.unwrap_or(Priority::Interactive),
        email,
        note,
        photo_sha256
    ])
}
