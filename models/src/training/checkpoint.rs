//! What a checkpoint of training holds.
//!
//! `now.*` is the state after the last step, `anchor.*` the one that a roll-back goes to. Of each: `parameters.N`,
//! `first.N` and `second.N` (Adam's means), in the order of the network's parameters.

use serde::{Deserialize, Serialize};

use super::course::Course;
use super::{Recipe, State, TrainError};
use crate::checkpoint::{self, Contents};
use crate::optim::AdamState;

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

/// Writes a checkpoint.
pub(super) fn write(recipe: &Recipe, now: &State, anchor: &State) -> Vec<u8> {
    let (course, fingerprint) = (|state: &State| state.course.clone(), recipe.fingerprint());
    let header = Header { version: VERSION, fingerprint, now: course(now), anchor: course(anchor) };
    let mut vectors = Vec::new();
    for (name, state) in [("now", now), ("anchor", anchor)] {
        let parts = [("parameters", &state.parameters), ("first", &state.adam.first), ("second", &state.adam.second)];
        for (part, values) in parts {
            vectors.extend(values.iter().enumerate().map(|(i, v)| (format!("{name}.{part}.{i}"), v.as_slice())));
        }
    }
    checkpoint::write(&header, &vectors)
}

/// Reads a checkpoint of parameters like `parameters`: the state after its last step, and its anchor.
///
/// # Errors
/// [`TrainError::Checkpoint`].
pub(super) fn read(bytes: &[u8], recipe: &Recipe, parameters: &[Vec<f32>]) -> Result<(State, State), TrainError> {
    parse(bytes, recipe, parameters).ok_or(TrainError::Checkpoint)
}

fn parse(bytes: &[u8], recipe: &Recipe, parameters: &[Vec<f32>]) -> Option<(State, State)> {
    let (header, contents) = Contents::read::<Header>(bytes)?;
    if header.version != VERSION || header.fingerprint != recipe.fingerprint() {
        return None;
    }
    let vectors = |name: &str, part: &str| {
        let vector = |(i, like): (usize, &Vec<f32>)| contents.vector(&format!("{name}.{part}.{i}"), like.len());
        parameters.iter().enumerate().map(vector).collect::<Option<Vec<_>>>()
    };
    let state = |name: &str, course: Course| {
        let steps = u64::from(course.step());
        let adam = AdamState { steps, first: vectors(name, "first")?, second: vectors(name, "second")? };
        Some(State { parameters: vectors(name, "parameters")?, adam, course })
    };
    Some((state("now", header.now)?, state("anchor", header.anchor)?))
}
