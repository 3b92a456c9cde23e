//! Styles: listed from the registry's snapshot, changed through the watched folder only.

use std::sync::Arc;

use bytes::Bytes;
use models::package::{Package, PackageLimits};
use protocol::{ErrorCode, Style, StyleName};
use registry::RegistryError;

use super::{Intake, Receiving, blocking};
use crate::access::{Caller, Role};
use crate::refusal::Refusal;
use crate::spool::{Draft, storage_refusal};

impl Intake {
    /// Lists the styles by name.
    #[must_use]
    pub fn styles(&self) -> Vec<Style> {
        self.0.registry.snapshot().iter().map(|entry| entry.style.clone()).collect()
    }

    /// Finds one style.
    ///
    /// # Errors
    /// `style_not_found`.
    pub fn style(&self, name: &StyleName) -> Result<Style, Refusal> {
        let snapshot = self.0.registry.snapshot();
        snapshot.get(name).map(|entry| entry.style.clone()).ok_or_else(|| not_found(name))
    }

    /// Returns a style's preview picture, a JPEG.
    ///
    /// # Errors
    /// `style_not_found`, `preview_not_found`.
    pub fn style_preview(&self, name: &StyleName) -> Result<Bytes, Refusal> {
        let snapshot = self.0.registry.snapshot();
        let entry = snapshot.get(name).ok_or_else(|| not_found(name))?;
        let preview = entry.package.as_ref().and_then(|package| package.preview.clone());
        preview.map(Bytes::from).ok_or_else(|| {
            Refusal::new(ErrorCode::PreviewNotFound, format!("the style \"{name}\" has no preview picture"))
        })
    }

    /// Begins to receive a package. Needs `admin`.
    ///
    /// # Errors
    /// `forbidden`, `draining`, `storage_full`, `storage_failed`.
    pub fn receive_package(&self, caller: &Caller) -> Result<Receiving, Refusal> {
        caller.require(Role::Admin)?;
        self.accepts()?;
        Receiving::begin(&self.0.spool, self.package_limit())
    }

    /// Returns the largest package that is taken, in bytes.
    #[must_use]
    pub fn package_limit(&self) -> u64 {
        self.config().limits.upload_bytes.max(PackageLimits::default().weights_bytes)
    }

    /// Publishes an uploaded package or foreign weight file under a name, replacing what was there. Others that come
    /// meanwhile wait their turn.
    ///
    /// # Errors
    /// `invalid_package` with its reason; `storage_full`, `storage_failed`.
    pub async fn import_style(&self, caller: &Caller, name: StyleName, package: Draft) -> Result<Style, Refusal> {
        caller.require(Role::Admin)?;
        let registry = self.0.registry.clone();
        let one_at_a_time = Arc::clone(&self.0.importing).lock_owned().await;
        blocking(move || {
            let _one_at_a_time = one_at_a_time;
            let bytes = package.read().map_err(|error| storage_refusal(&error))?;
            let package = models::import::read_bytes(&bytes, name.as_str(), &PackageLimits::default())
                .map_err(|error| Refusal::new(ErrorCode::InvalidPackage, error.to_string()))?;
            let entry = registry.publish(&name, &package).map_err(|error| registry_refusal(&error))?;
            Ok(entry.style.clone())
        })
        .await
    }

    /// Deletes a style's folder. Needs `admin`.
    ///
    /// # Errors
    /// `style_not_found`, `forbidden`.
    pub async fn delete_style(&self, caller: &Caller, name: &StyleName) -> Result<(), Refusal> {
        caller.require(Role::Admin)?;
        self.style(name)?;
        let (registry, name) = (self.0.registry.clone(), name.clone());
        blocking(move || registry.remove(&name).map_err(|error| registry_refusal(&error))).await
    }

    /// Finds a style that can paint.
    pub(super) fn ready_style(&self, name: &StyleName) -> Result<Arc<Package>, Refusal> {
        let snapshot = self.0.registry.snapshot();
        let Some(entry) = snapshot.get(name) else {
            let ready: Vec<_> =
                snapshot.iter().filter(|e| e.package.is_some()).map(|e| e.style.name.as_str()).collect();
            let detail = format!("there is no style \"{name}\"; there are: {}", ready.join(", "));
            return Err(Refusal::new(ErrorCode::UnknownStyle, detail));
        };
        entry.package.clone().ok_or_else(|| {
            let why = entry.style.problem.as_ref().map_or("", |problem| problem.detail.as_str());
            Refusal::new(ErrorCode::UnknownStyle, format!("the style \"{name}\" is broken: {why}"))
        })
    }
}

fn not_found(name: &StyleName) -> Refusal {
    Refusal::new(ErrorCode::StyleNotFound, format!("there is no style \"{name}\""))
}

fn registry_refusal(error: &RegistryError) -> Refusal {
    match error {
        RegistryError::NotFound { name } => not_found(name),
        RegistryError::Exists { .. } => Refusal::new(ErrorCode::StyleExists, error.to_string()),
        RegistryError::Refused { .. } => Refusal::new(ErrorCode::InvalidPackage, error.to_string()),
        RegistryError::Folder { source, .. } | RegistryError::Storage { source, .. } => storage_refusal(source),
    }
}
