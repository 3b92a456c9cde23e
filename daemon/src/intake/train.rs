//! Learning a style from an artwork.

use std::sync::Arc;

use models::picture::{Limits, Picture};
use models::training::{Photos, Recipe, TrainError, check_artwork, reading_bytes};
use protocol::job::OutOfBounds;
use protocol::job::train::{BUILTIN_DATASET, TrainInit};
use protocol::{ErrorCode, JobKind, Parameters, Priority, StateName, StyleName, TrainOrder, TrainParameters, Wishes};
use serde_json::json;

use super::photo::Checked;
use super::submit::{NewJob, invalid};
use super::{Intake, Submission, Ticket, blocking};
use crate::access::Role;
use crate::recipe;
use crate::refusal::Refusal;
use crate::spool::Draft;

impl Intake {
    /// Accepts an artwork to learn: checks everything that can be checked before the first step, writes job and artwork
    /// to the disk, and only then answers.
    ///
    /// # Errors
    /// What the order or the artwork has wrong, by its own code.
    pub async fn train(
        &self,
        ticket: Ticket,
        order: TrainOrder,
        wishes: Wishes,
        artwork: Draft,
    ) -> Result<Submission, Refusal> {
        let keeps_rate = order.learning_rate.is_some();
        let mut parameters = order.fill()?;
        if parameters.replace {
            // The style that has the name is lost, as with an import over it.
            ticket.caller.require(Role::Admin)?;
        }
        let priority = wishes.priority.unwrap_or(Priority::Batch);
        let Wishes { email, note, .. } = &wishes;
        let idempotency =
            ticket.idempotency(|route| json!([route, parameters, priority, email, note, artwork.sha256()]));
        if let Some(first) = self.repeated(&ticket.caller, idempotency.as_ref()).await? {
            return Ok(first);
        }
        let recipient = self.check_wishes(&ticket.caller, &wishes)?;
        let recipe = recipe::training(&parameters);
        recipe.check().map_err(TrainError::from).map_err(|error| train_refusal(&error))?;
        self.check_dataset(&parameters.dataset, recipe.size).await?;
        self.check_name(&parameters)?;
        if !self.starts_warm(&parameters.init, &recipe)? && !keeps_rate {
            parameters.learning_rate = TrainParameters::rate_from_chance(parameters.recipe);
        }
        let input = self.check_artwork(artwork, recipe.size).await?;
        let memory_bytes = self.training_memory(&recipe, &input, &parameters.dataset)?;
        // Two who want the same name at the same time must not both find it free.
        let naming = Some(Arc::clone(&self.0.naming).lock_owned().await);
        self.check_name(&parameters)?;
        let parameters = Parameters::Train(parameters);
        let artworks = Vec::new();
        let job =
            NewJob { parameters, priority, wishes, recipient, idempotency, input, artworks, memory_bytes, naming };
        self.accept(ticket, job).await
    }

    /// Refuses a name that is taken: by a style, or by one that is being learned.
    pub(super) fn check_name(&self, parameters: &TrainParameters) -> Result<(), Refusal> {
        let TrainParameters { name, replace, .. } = parameters;
        if *replace {
            return Ok(());
        }
        if self.style(name).is_ok() {
            let detail = format!("there is a style \"{name}\" already; choose another name or send replace=true");
            return Err(Refusal::new(ErrorCode::StyleExists, detail));
        }
        let Some(job) = self.job_that_makes(name) else { return Ok(()) };
        let detail =
            format!("job {job} is learning a style of the name \"{name}\"; choose another name or send replace=true");
        Err(Refusal::new(ErrorCode::StyleExists, detail))
    }

    /// Finds the unfinished training whose style will have a name.
    fn job_that_makes(&self, name: &StyleName) -> Option<protocol::JobId> {
        let unfinished = [StateName::Queued, StateName::Running, StateName::Paused];
        self.0.store.summaries(|jobs| {
            jobs.newest_first()
                .find(|(_, job)| {
                    job.kind == JobKind::Train && job.style.as_ref() == Some(name) && unfinished.contains(&job.state)
                })
                .map(|(id, _)| id)
        })
    }

    /// Says whether a training starts from a style. A style that is named must be ready and have the recipe's network.
    fn starts_warm(&self, init: &TrainInit, recipe: &Recipe) -> Result<bool, Refusal> {
        let network = recipe.network();
        match init {
            TrainInit::None => Ok(false),
            TrainInit::Auto => {
                let styles = self.0.registry.snapshot();
                Ok(styles.iter().filter_map(|entry| entry.package.as_ref()).any(|style| *style.network() == network))
            }
            TrainInit::Style(name) if *self.ready_style(name)?.network() == network => Ok(true),
            TrainInit::Style(name) => Err(invalid(format!("init={name}: {}", TrainError::Start))),
        }
    }

    /// Decodes an artwork, and refuses one that has nothing to learn.
    pub(super) async fn check_artwork(&self, artwork: Draft, least_px: u32) -> Result<Checked, Refusal> {
        if artwork.is_empty() {
            return Err(Refusal::new(ErrorCode::InvalidPicture, "the artwork is empty; send the file's content"));
        }
        let look = move |picture: &Picture| check_artwork(picture, least_px).map_err(|error| train_refusal(&error));
        self.0.decoding.look(artwork, &self.config().limits, look).await
    }

    /// Returns what a training needs, and refuses one that can never run.
    fn training_memory(&self, recipe: &Recipe, artwork: &Checked, dataset: &str) -> Result<u64, Refusal> {
        let header = &artwork.header;
        let limits = &self.config().limits;
        let reading = if dataset == BUILTIN_DATASET { 0 } else { reading_bytes(Limits { pixels: limits.pixels }) };
        let needed = (recipe.memory_bytes(header.width, header.height) + reading).max(header.decoding_bytes);
        let budget = limits.memory_bytes;
        if needed <= budget {
            return Ok(needed);
        }
        let Recipe { batch, size, art_size, width, .. } = recipe;
        let detail = format!(
            "learning with batch={batch}, size={size}, art_size={art_size} and width={width} takes {} MiB and \
             limits.memory allows {} MiB; ask for less or raise limits.memory",
            needed.div_ceil(1 << 20),
            budget >> 20
        );
        Err(Refusal::new(ErrorCode::TooMuchMemory, detail))
    }

    /// Checks that a data set is configured and has photos for crops of this size.
    async fn check_dataset(&self, name: &str, size: u32) -> Result<(), Refusal> {
        if name == BUILTIN_DATASET {
            return Ok(());
        }
        let config = self.config();
        let datasets = &config.train.datasets;
        let Some(folder) = datasets.get(name).cloned() else {
            let known: Vec<_> = std::iter::once(BUILTIN_DATASET).chain(datasets.keys().map(String::as_str)).collect();
            let detail = format!("there is no dataset \"{}\"; there is: {}", name.escape_debug(), known.join(", "));
            return Err(Refusal::new(ErrorCode::UnknownDataset, detail));
        };
        let (name, limits) = (name.to_owned(), self.picture_limits());
        let core = self.0.decoding.core().await;
        blocking(move || {
            let _core = core;
            let checked = Photos::folder(&name, &folder, limits).and_then(|photos| photos.check(size));
            checked.map_err(|error| train_refusal(&TrainError::Photos(error)))
        })
        .await
    }
}

impl From<OutOfBounds> for Refusal {
    fn from(error: OutOfBounds) -> Self {
        invalid(error.to_string())
    }
}

/// Says why nothing can be learned, by its code.
pub(super) fn train_refusal(error: &TrainError) -> Refusal {
    let code = match error {
        TrainError::Artwork(_) => ErrorCode::ArtworkUnusable,
        TrainError::Photos(_) => ErrorCode::DatasetUnusable,
        _ => ErrorCode::InvalidField,
    };
    Refusal::new(code, error.to_string())
}
