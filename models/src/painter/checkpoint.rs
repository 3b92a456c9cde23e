//! What a checkpoint of a painting holds: the pixels, and what their optimiser remembers.

use serde::{Deserialize, Serialize};

use super::levels::Level;
use super::{Canvas, Commission};
use crate::checkpoint::{self, Contents};
use crate::optim::{Adam, AdamState, Lbfgs, LbfgsState, Pair};

/// The format's version.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    /// Of the commission.
    fingerprint: String,
    level: usize,
    done: u32,
    optimizer: Memory,
}

/// What is no vector. Numbers are the bits of `f64`: text would round them.
#[derive(Serialize, Deserialize)]
enum Memory {
    Adam { steps: u64 },
    Lbfgs { loss: u64, rhos: Vec<u64>, evaluations: usize },
}

/// A painting as it was saved.
pub(super) struct Saved {
    pub(super) level: usize,
    pub(super) done: u32,
    pub(super) canvas: Canvas,
}

pub(super) fn write(commission: &Commission, level: usize, done: u32, canvas: &Canvas) -> Vec<u8> {
    let mut vectors = vec![("pixels".to_owned(), canvas.pixels())];
    let optimizer = match canvas {
        Canvas::Adam { adam, .. } => {
            let AdamState { steps, first, second } = adam.state();
            vectors.extend([("first".to_owned(), first[0].as_slice()), ("second".to_owned(), second[0].as_slice())]);
            Memory::Adam { steps: *steps }
        }
        Canvas::Lbfgs(lbfgs) => {
            let LbfgsState { pairs, gradient, loss, evaluations, .. } = lbfgs.state();
            vectors.push(("gradient".to_owned(), gradient));
            for (i, pair) in pairs.iter().enumerate() {
                vectors.extend([(format!("step.{i}"), pair.step.as_slice()), (format!("change.{i}"), &pair.change)]);
            }
            let rhos = pairs.iter().map(|pair| pair.rho.to_bits()).collect();
            Memory::Lbfgs { loss: loss.to_bits(), rhos, evaluations: *evaluations }
        }
    };
    let header = Header { version: VERSION, fingerprint: commission.fingerprint(), level, done, optimizer };
    checkpoint::write(&header, &vectors)
}

/// Reads a checkpoint; `None` when it is damaged or of another commission.
pub(super) fn read(bytes: &[u8], commission: &Commission, levels: &[Level]) -> Option<Saved> {
    let (header, contents) = Contents::read::<Header>(bytes)?;
    if header.version != VERSION || header.fingerprint != commission.fingerprint() {
        return None;
    }
    let len = levels.get(header.level)?.shape().elements();
    let vector = |name: &str| contents.vector(name, len);
    let point = vector("pixels")?;
    let canvas = match header.optimizer {
        Memory::Adam { steps } => {
            let state = AdamState { steps, first: vec![vector("first")?], second: vec![vector("second")?] };
            let pixels = vec![point];
            Canvas::Adam { adam: Adam::resume(&pixels, state)?, pixels }
        }
        Memory::Lbfgs { loss, rhos, evaluations } => {
            let pair = |(i, rho): (usize, u64)| {
                let (step, change) = (vector(&format!("step.{i}"))?, vector(&format!("change.{i}"))?);
                Some(Pair { step, change, rho: f64::from_bits(rho) })
            };
            let pairs = rhos.into_iter().enumerate().map(pair).collect::<Option<_>>()?;
            let (gradient, loss) = (vector("gradient")?, f64::from_bits(loss));
            Canvas::Lbfgs(Box::new(Lbfgs::resume(LbfgsState { pairs, point, gradient, loss, evaluations })))
        }
    };
    Some(Saved { level: header.level, done: header.done, canvas })
}
