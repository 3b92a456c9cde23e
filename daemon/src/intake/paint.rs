//! Painting a photo by optimising its pixels.

use protocol::{ErrorCode, OutputFormat, PaintOrder, PaintParameters, Parameters, Priority, Wishes};
use serde_json::json;

use super::photo::{Checked, check_side, own_format};
use super::submit::NewJob;
use super::train::train_refusal;
use super::{Intake, Submission, Ticket};
use crate::recipe;
use crate::refusal::Refusal;
use crate::spool::Draft;

/// The least side of an artwork, in pixels: what is smaller has no style to speak of.
const LEAST_ARTWORK_PX: u32 = 32;

/// The files that a painting is made from.
#[derive(Debug)]
pub struct PaintFiles {
    /// The photo.
    pub photo: Draft,
    /// The artworks, in the order of their weights.
    pub artworks: Vec<Draft>,
}

impl Intake {
    /// Accepts a photo and the artworks to paint it after: decodes them, writes job and files to the disk, and only then
    /// answers.
    ///
    /// # Errors
    /// What the order or a picture has wrong, by its own code.
    pub async fn paint(
        &self,
        ticket: Ticket,
        order: PaintOrder,
        wishes: Wishes,
        files: PaintFiles,
    ) -> Result<Submission, Refusal> {
        let PaintFiles { photo, artworks } = files;
        let priority = wishes.priority.unwrap_or(Priority::Batch);
        // The photo's own format is not known yet, and follows from the photo.
        let (wanted, filled) = (order.format, order.clone().fill(artworks.len(), OutputFormat::Png)?);
        let idempotency = ticket.idempotency(|route| {
            let Wishes { email, note, .. } = &wishes;
            let digests: Vec<_> = std::iter::once(&photo).chain(&artworks).map(Draft::sha256).collect();
            json!([route, filled, wanted, priority, email, note, digests])
        });
        if let Some(first) = self.repeated(&ticket.caller, idempotency.as_ref()).await? {
            return Ok(first);
        }
        let recipient = self.check_wishes(&ticket.caller, &wishes)?;
        let recipe = recipe::painting(&filled);
        recipe.check().map_err(|error| train_refusal(&error.into()))?;
        if photo.is_empty() {
            return Err(Refusal::new(ErrorCode::InvalidPicture, "the picture is empty; send the file's content"));
        }
        let (input, ()) = self.0.decoding.verify(photo, &self.config().limits, |_| Ok(())).await?;
        let parameters = order.fill(artworks.len(), own_format(&input.header))?;
        let (width, height) = self.result_size(&input.header, parameters.size)?;
        check_side(parameters.format, width.max(height))?;
        let artworks = self.check_artworks(artworks).await?;
        let memory_bytes = self.painting_memory(&parameters, &input, &artworks)?;
        let parameters = Parameters::Paint(parameters);
        let naming = None;
        let job =
            NewJob { parameters, priority, wishes, recipient, idempotency, input, artworks, memory_bytes, naming };
        self.accept(ticket, job).await
    }

    /// Decodes the artworks; a refusal says which one it is about.
    async fn check_artworks(&self, artworks: Vec<Draft>) -> Result<Vec<Checked>, Refusal> {
        let count = artworks.len();
        let mut checked = Vec::with_capacity(count);
        for (number, artwork) in (1..).zip(artworks) {
            checked.push(self.check_artwork(artwork, LEAST_ARTWORK_PX).await.map_err(|refusal| {
                let which = if count == 1 { String::new() } else { format!("artwork {number} of {count}: ") };
                Refusal { detail: which + &refusal.detail, ..refusal }
            })?);
        }
        Ok(checked)
    }

    /// Returns what a painting needs, and refuses one that can never be made.
    fn painting_memory(
        &self,
        parameters: &PaintParameters,
        photo: &Checked,
        artworks: &[Checked],
    ) -> Result<u64, Refusal> {
        let (width, height) = self.result_size(&photo.header, parameters.size)?;
        let decoding = std::iter::once(photo).chain(artworks).map(|file| file.header.decoding_bytes).max();
        let sizes: Vec<_> = artworks.iter().map(|artwork| (artwork.header.width, artwork.header.height)).collect();
        let needed = recipe::painting(parameters).memory_bytes(width, height, &sizes).max(decoding.unwrap_or(0));
        let budget = self.config().limits.memory_bytes;
        if needed <= budget {
            return Ok(needed);
        }
        let detail = format!(
            "painting {width}×{height} pixels by optimising them takes {} MiB and limits.memory allows {} MiB; ask for a \
             smaller size, send smaller artworks, or raise limits.memory",
            needed.div_ceil(1 << 20),
            budget >> 20
        );
        Err(Refusal::new(ErrorCode::TooMuchMemory, detail))
    }
}
