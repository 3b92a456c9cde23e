//! The styles at hand.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::StyleName;
use crate::words::{UnknownWord, words};

words! {
    /// Whether a style can paint.
    StyleState {
        /// It can.
        Ready = "ready",
        /// It never could, or not since the last start.
        Broken = "broken",
    }
}

/// One style in the models folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Style {
    /// Its name: the folder's.
    pub name: StyleName,
    /// Its title for people.
    pub title: Option<String>,
    /// Whether it can paint.
    pub state: StyleState,
    /// Its network's architecture.
    pub architecture: Option<String>,
    /// SHA-256 of its weights, in lower-case hexadecimal.
    pub digest: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// Its licence, as an SPDX expression.
    pub licence: Option<String>,
    /// The artwork it was learned from.
    pub artwork: Option<String>,
    /// What it was trained on.
    pub trained_on: Option<String>,
    /// Number of trained parameters.
    pub parameters: Option<u64>,
    /// Whether it has a preview picture.
    pub has_preview: bool,
    /// Why the folder's present version is refused; a ready style then serves its last good one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<StyleProblem>,
}

/// Why a package is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StyleProblem {
    /// A stable code for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}
