//! What is known about a style, and its two written forms: `style.toml` and header metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PackageError;
use super::files::WEIGHTS_FILE;
use crate::arch::Parameters;
use crate::text::printable;

/// The most characters a text of the manifest may have.
const LONGEST_TEXT: usize = 500;

/// What is known about a style.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// Its title for people.
    pub title: String,
    /// The name of its network's architecture.
    pub architecture: String,
    /// The architecture's parameters.
    pub parameters: Parameters,
    /// Its licence, as an SPDX expression.
    pub licence: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// The artwork it was learned from.
    pub artwork: Option<String>,
    /// What it was trained on.
    pub trained_on: Option<String>,
    /// How it was trained.
    pub recipe: Option<String>,
    /// How many steps it was trained for.
    pub steps: Option<u64>,
    /// Where everything random in its training came from.
    pub seed: Option<u64>,
    /// The command that trains it again.
    pub command: Option<String>,
    /// Its losses at the end.
    pub losses: Option<String>,
}

/// The weights file that a `style.toml` speaks of.
pub(super) struct WeightsFile {
    pub(super) name: String,
    pub(super) sha256: String,
}

/// `style.toml`, key by key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StyleToml {
    title: String,
    architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artwork: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trained_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    losses: Option<String>,
    #[serde(default = "usual_weights_file")]
    weights: String,
    sha256: String,
    #[serde(default)]
    parameters: Parameters,
}

fn usual_weights_file() -> String {
    WEIGHTS_FILE.to_owned()
}

impl Manifest {
    /// Refuses texts that are empty, endless or would command a terminal.
    pub(super) fn check(&self) -> Result<(), PackageError> {
        let texts = [
            ("title", Some(&self.title)),
            ("architecture", Some(&self.architecture)),
            ("licence", self.licence.as_ref()),
            ("author", self.author.as_ref()),
            ("artwork", self.artwork.as_ref()),
            ("trained_on", self.trained_on.as_ref()),
            ("recipe", self.recipe.as_ref()),
            ("command", self.command.as_ref()),
            ("losses", self.losses.as_ref()),
        ];
        for (key, text) in texts {
            let Some(text) = text else { continue };
            let wrong = if text.trim().is_empty() {
                "is empty"
            } else if text.chars().count() > LONGEST_TEXT {
                "has more than 500 characters"
            } else if text.chars().any(char::is_control) {
                "holds control characters"
            } else {
                continue;
            };
            return Err(invalid(format!("`{key}` {wrong}")));
        }
        Ok(())
    }
}

/// Reads a `style.toml`.
pub(super) fn from_toml(bytes: &[u8]) -> Result<(Manifest, WeightsFile), PackageError> {
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("style.toml is not UTF-8 text"))?;
    let toml: StyleToml = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        invalid(format!("style.toml line {line}: {}", error.message()))
    })?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if toml.weights.is_empty() || toml.weights.starts_with('.') || !toml.weights.chars().all(is_plain) {
        return Err(invalid("`weights` is not the name of a file in the style's folder"));
    }
    check_hexadecimal(&toml.sha256)?;
    let weights = WeightsFile { name: toml.weights, sha256: toml.sha256 };
    let manifest = Manifest {
        title: toml.title,
        architecture: toml.architecture,
        parameters: toml.parameters,
        licence: toml.licence,
        author: toml.author,
        artwork: toml.artwork,
        trained_on: toml.trained_on,
        recipe: toml.recipe,
        steps: toml.steps,
        seed: toml.seed,
        command: toml.command,
        losses: toml.losses,
    };
    Ok((manifest, weights))
}

/// Returns the `style.toml` of a package whose weights have this SHA-256.
pub(super) fn to_toml(manifest: &Manifest, sha256: &str) -> String {
    let manifest = manifest.clone();
    let (weights, sha256) = (usual_weights_file(), sha256.to_owned());
    let toml = StyleToml {
        title: manifest.title,
        architecture: manifest.architecture,
        licence: manifest.licence,
        author: manifest.author,
        artwork: manifest.artwork,
        trained_on: manifest.trained_on,
        recipe: manifest.recipe,
        steps: manifest.steps,
        seed: manifest.seed,
        command: manifest.command,
        losses: manifest.losses,
        weights,
        sha256,
        parameters: manifest.parameters,
    };
    toml::to_string(&toml).expect("parameters that describe a network are values that TOML has")
}

/// Reads the header metadata of a single file; the SHA-256 is that of its tensors, if it says one.
pub(super) fn from_header(keys: &BTreeMap<String, String>) -> Result<(Manifest, Option<String>), PackageError> {
    let text = |key: &str| keys.get(key).cloned();
    let architecture = text("architecture").ok_or(PackageError::ManifestMissing)?;
    let title = text("title").ok_or_else(|| invalid("the header has no `title`"))?;
    let parameters = match keys.get("parameters") {
        Some(json) => {
            serde_json::from_str(json).map_err(|error| invalid(format!("`parameters` in the header: {error}")))?
        }
        None => Parameters::new(),
    };
    let sha256 = text("sha256");
    sha256.as_deref().map_or(Ok(()), check_hexadecimal)?;
    let number = |key: &str| {
        let number = text(key).map(|text| text.parse()).transpose();
        number.map_err(|_| invalid(format!("`{key}` in the header is not a number")))
    };
    let manifest = Manifest {
        title,
        architecture,
        parameters,
        licence: text("licence"),
        author: text("author"),
        artwork: text("artwork"),
        trained_on: text("trained_on"),
        recipe: text("recipe"),
        steps: number("steps")?,
        seed: number("seed")?,
        command: text("command"),
        losses: text("losses"),
    };
    Ok((manifest, sha256))
}

/// Returns the header metadata of a single file whose tensors have this SHA-256.
pub(super) fn to_header(manifest: &Manifest, sha256: String) -> BTreeMap<String, String> {
    let parameters = serde_json::to_string(&manifest.parameters).expect("JSON values always have a text");
    let pairs = [
        ("title", Some(manifest.title.clone())),
        ("architecture", Some(manifest.architecture.clone())),
        ("parameters", Some(parameters)),
        ("licence", manifest.licence.clone()),
        ("author", manifest.author.clone()),
        ("artwork", manifest.artwork.clone()),
        ("trained_on", manifest.trained_on.clone()),
        ("recipe", manifest.recipe.clone()),
        ("steps", manifest.steps.map(|steps| steps.to_string())),
        ("seed", manifest.seed.map(|seed| seed.to_string())),
        ("command", manifest.command.clone()),
        ("losses", manifest.losses.clone()),
        ("sha256", Some(sha256)),
    ];
    pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn check_hexadecimal(sha256: &str) -> Result<(), PackageError> {
    if sha256.len() == 64 && sha256.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(invalid("`sha256` is not 64 hexadecimal digits (as `sha256sum` prints them)"))
}

fn invalid(detail: impl AsRef<str>) -> PackageError {
    PackageError::ManifestInvalid { detail: printable(detail.as_ref()) }
}
