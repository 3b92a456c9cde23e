//! A run's state as a file: safetensors, with the course in its header.
//!
//! `now.*` is the state after the last step, `anchor.*` the one that a roll-back goes to. Of each: `parameters.N`,
//! `first.N` and `second.N` (Adam's means), in the order of the network's parameters.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::course::Course;
use super::{Recipe, State, TrainError};
use crate::optim::AdamState;

/// The header's key.
const KEY: &str = "atelier-checkpoint";
/// The format's version.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    /// Of the recipe.
    fingerprint: String,
    now: Course,
    anchor: Course,
}

/// Writes a checkpoint; the same state gives the same bytes.
pub(super) fn write(recipe: &Recipe, now: &State, anchor: &State) -> Vec<u8> {
    let header = Header {
        version: VERSION,
        fingerprint: recipe.fingerprint(),
        now: now.course.clone(),
        anchor: anchor.course.clone(),
    };
    let mut tensors = Vec::new();
    for (name, state) in [("now", now), ("anchor", anchor)] {
        let parts = [("parameters", &state.parameters), ("first", &state.adam.first), ("second", &state.adam.second)];
        for (part, vectors) in parts {
            for (i, values) in vectors.iter().enumerate() {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                tensors.push((format!("{name}.{part}.{i}"), values.len(), bytes));
            }
        }
    }
    let views = tensors.iter().map(|(name, len, bytes)| {
        let view = TensorView::new(Dtype::F32, vec![*len], bytes).expect("a vector has four bytes a number");
        (name.as_str(), view)
    });
    let header = serde_json::to_string(&header).expect("a header is plain data");
    let metadata = HashMap::from([(KEY.to_owned(), header)]);
    safetensors::serialize(views, Some(metadata)).expect("a checkpoint's tensors have names of their own")
}

/// Reads a checkpoint of parameters like `parameters`: the state after its last step, and its anchor.
///
/// # Errors
/// [`TrainError::Checkpoint`].
pub(super) fn read(bytes: &[u8], recipe: &Recipe, parameters: &[Vec<f32>]) -> Result<(State, State), TrainError> {
    parse(bytes, recipe, parameters).ok_or(TrainError::Checkpoint)
}

fn parse(bytes: &[u8], recipe: &Recipe, parameters: &[Vec<f32>]) -> Option<(State, State)> {
    let (_, about) = SafeTensors::read_metadata(bytes).ok()?;
    let header: Header = serde_json::from_str(about.metadata().as_ref()?.get(KEY)?).ok()?;
    if header.version != VERSION || header.fingerprint != recipe.fingerprint() {
        return None;
    }
    let file = SafeTensors::deserialize(bytes).ok()?;
    let vectors = |name: &str, part: &str| {
        let vector = |(i, like): (usize, &Vec<f32>)| {
            let view = file.tensor(&format!("{name}.{part}.{i}")).ok()?;
            let values: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            let fits = view.dtype() == Dtype::F32 && values.len() == like.len();
            (fits && values.iter().all(|v| v.is_finite())).then_some(values)
        };
        parameters.iter().enumerate().map(vector).collect::<Option<Vec<_>>>()
    };
    let state = |name: &str, course: Course| {
        let steps = u64::from(course.step());
        let adam = AdamState { steps, first: vectors(name, "first")?, second: vectors(name, "second")? };
        Some(State { parameters: vectors(name, "parameters")?, adam, course })
    };
    Some((state("now", header.now)?, state("anchor", header.anchor)?))
}
