//! What training and painting leave: the package in the folder of styles, the result in the spool.

use std::io;

use models::package::Package;
use protocol::{ErrorCode, JobResult, Parameters, TrainParameters};
use registry::RegistryError;
use sha2::{Digest, Sha256};

use super::{Outcome, Workplace, failure, unwritten};
use crate::engine::Product;
use crate::record::Record;
use crate::spool::hex;

/// The media type of a style package in one file: safetensors has none of its own.
const PACKAGE_TYPE: &str = "application/octet-stream";

impl Workplace {
    /// Puts the result in the spool, and a style in the folder of styles: the result first, so that whatever happens to
    /// the name, the style is not lost.
    pub(super) fn make_result(&self, record: &Record, product: Product) -> Result<JobResult, Outcome> {
        let id = record.job.id;
        match (product, &record.job.parameters) {
            (Product::Style(package), Parameters::Train(parameters)) => {
                let bytes = package.to_bytes();
                self.spool.put_result(id, &bytes).map_err(|error| unwritten("result", &error))?;
                let result = JobResult {
                    url: format!("/v1/jobs/{id}/result"),
                    media_type: PACKAGE_TYPE.to_owned(),
                    width: None,
                    height: None,
                    bytes: bytes.len() as u64,
                    sha256: hex(&Sha256::digest(&bytes)),
                };
                self.publish(record, parameters, &package, result)
            }
            (Product::Painting(painting), Parameters::Paint(parameters)) => {
                let painting = if parameters.preserve_color {
                    painting.with_chroma_of(&self.photo(id, parameters.size)?)?
                } else {
                    painting
                };
                self.put_picture(id, &painting, parameters.format)
            }
            _ => {
                let detail = format!("the device made something that is not the result of a {} job", record.job.kind());
                Err(Outcome::Failed(failure(ErrorCode::DeviceFailed, detail)))
            }
        }
    }

    fn publish(
        &self,
        record: &Record,
        parameters: &TrainParameters,
        package: &Package,
        result: JobResult,
    ) -> Result<JobResult, Outcome> {
        // Painting the preview and writing the result took a while. Who has cancelled the job by now wants no style of it.
        if !self.is_wanted(record) {
            return Err(Outcome::Interrupted);
        }
        let TrainParameters { name, replace, .. } = parameters;
        let registry = &self.registry;
        let published = if *replace { registry.publish(name, package) } else { registry.publish_new(name, package) };
        let short = record.job.id.short();
        let (code, detail) = match published {
            Ok(_) => return Ok(result),
            Err(RegistryError::Storage { source, .. }) if is_full(&source) => {
                return Err(unwritten("style in the folder of styles", &source));
            }
            Err(RegistryError::Exists { .. }) => (
                ErrorCode::StyleExists,
                format!(
                    "there is another style \"{name}\" by now, so this one is kept apart: fetch it with `atelier result \
                     {short}` and give it another name with `atelier import`, or delete the other one and `atelier retry \
                     {short}`"
                ),
            ),
            Err(error) => (
                ErrorCode::StorageFailed,
                format!(
                    "the style is learned and kept, but could not be put into the folder of styles: {error}; mend that \
                     and `atelier retry {short}`"
                ),
            ),
        };
        Err(Outcome::Unpublished { failure: failure(code, detail), result: Box::new(result) })
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
