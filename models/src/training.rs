//! Learning a style from one artwork: a transform network trained on photos (Johnson et al. 2016).
//!
//! A [`Trainer`] takes one optimiser step a call, has no thread of its own but the photos' readers, and is
//! deterministic: the same [`Lesson`] gives the same weights, whether it ran through or was taken up from a
//! [`Trainer::checkpoint`] any number of times. (On a graphics processor it is as deterministic as that one's libraries.)
//!
//! Network and loss are read in one of two ways, by the device; course, optimiser, data and checkpoints are the same, so
//! a lesson may go on on another device.

mod checkpoint;
mod course;
mod crops;
mod lesson;
mod loader;
mod photos;
mod recipe;
mod start;

use std::sync::Arc;

use crate::backprop::Learner;
use crate::compute::Compute;
use crate::kernels::layout::Shape;
use crate::losses::{Critic, LossTerms};
use crate::network::{Tensor, Weights};
use crate::optim::{Adam, AdamState};
use crate::package::{Manifest, Package, PackageError};
use crate::vgg::Vgg;

use course::{Course, Verdict};
use loader::Loader;

pub use lesson::{Lesson, TrainError, check_artwork};
pub(crate) use lesson::{planes, with_shorter_side};
pub(crate) use photos::BUILTIN;
pub use photos::{Photos, PhotosError, SkippedFile, reading_bytes};
pub use recipe::{Enlargement, Recipe, RecipeError};
pub use start::Search;

/// One step as it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its number, from 1. After a roll-back it is lower than before.
    pub number: u32,
    /// The losses before the step's change, averaged over its photos.
    pub terms: LossTerms,
    /// The learning rate it was taken with.
    pub learning_rate: f64,
    /// How often the run has been rolled back so far.
    pub roll_backs: u32,
}

/// A network in training.
pub struct Trainer {
    lesson: Lesson,
    vgg: Arc<Vgg>,
    loss: Critic,
    loader: Loader,
    net: Learner,
    adam: Adam,
    course: Course,
    /// Where a roll-back goes: the state after the last step whose number is a multiple of `checkpoint_every`.
    anchor: State,
    gradient: Vec<f32>,
    is_finished: bool,
}

/// Everything that a step changes.
#[derive(Clone, Debug, PartialEq)]
struct State {
    parameters: Vec<Vec<f32>>,
    adam: AdamState,
    course: Course,
}

impl Trainer {
    /// Begins a lesson.
    ///
    /// # Errors
    /// See [`TrainError`]: the recipe, the artwork, the photos or the start do not do, or the device fails.
    pub fn begin(compute: &Compute, vgg: Arc<Vgg>, lesson: Lesson) -> Result<Self, TrainError> {
        let weights = lesson.first_weights()?;
        let net = Learner::new(compute, &lesson.recipe.network(), &weights)?;
        let (adam, course) = (Adam::new(net.parameters()), Course::default());
        let state = State { parameters: net.parameters().to_vec(), adam: adam.state().clone(), course };
        Self::assemble(compute, vgg, lesson, net, state.clone(), state)
    }

    /// Takes a lesson up from a checkpoint.
    ///
    /// # Errors
    /// As [`Self::begin`]; [`TrainError::Checkpoint`] when it is damaged or of another lesson.
    pub fn resume(compute: &Compute, vgg: Arc<Vgg>, lesson: Lesson, bytes: &[u8]) -> Result<Self, TrainError> {
        let weights = lesson.first_weights()?;
        let net = Learner::new(compute, &lesson.recipe.network(), &weights)?;
        let (now, anchor) = checkpoint::read(bytes, &lesson.recipe, net.parameters())?;
        Self::assemble(compute, vgg, lesson, net, now, anchor)
    }

    fn assemble(
        compute: &Compute,
        vgg: Arc<Vgg>,
        lesson: Lesson,
        mut net: Learner,
        now: State,
        anchor: State,
    ) -> Result<Self, TrainError> {
        let (artwork, sides) = lesson.artwork_planes();
        let loss = Critic::new(compute, &vgg, lesson.recipe.losses.clone(), &[(&artwork, sides, 1.0)])?;
        net.parameters_and_gradients().0.clone_from_slice(&now.parameters);
        let adam = Adam::resume(&now.parameters, now.adam).ok_or(TrainError::Checkpoint)?;
        let loader = Loader::start(&lesson.photos, &lesson.recipe, u64::from(now.course.step()))?;
        let is_finished = now.course.is_finished(&lesson.recipe);
        let gradient = vec![0.0; shape(&lesson.recipe).elements()];
        Ok(Self { lesson, vgg, loss, loader, net, adam, course: now.course, anchor, gradient, is_finished })
    }

    /// Takes one step; `None` once the lesson is finished.
    ///
    /// A loss that is not finite or leaps up takes the run back to its last anchor, with half the learning rate.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] when roll-backs do not help, [`TrainError::Photos`] when no photo can be read any more,
    /// [`TrainError::Device`] when the device fails.
    pub fn step(&mut self, compute: &Compute) -> Result<Option<Step>, TrainError> {
        while !self.is_finished {
            let learning_rate = self.course.learning_rate(&self.lesson.recipe);
            let terms = self.descend(compute, learning_rate)?;
            match self.course.judge(&self.lesson.recipe, terms.as_ref().map(|terms| terms.total)) {
                Verdict::GoOn => {}
                Verdict::Finished => self.is_finished = true,
                Verdict::RollBack => {
                    self.roll_back()?;
                    continue;
                }
            }
            let number = self.course.step();
            if number.is_multiple_of(self.lesson.recipe.checkpoint_every) {
                self.anchor = self.state();
            }
            let roll_backs = self.course.roll_backs();
            return Ok(terms.map(|terms| Step { number, terms, learning_rate, roll_backs }));
        }
        Ok(None)
    }

    /// Computes losses and gradients and changes the parameters; `None` when a number is not finite.
    fn descend(&mut self, compute: &Compute, learning_rate: f64) -> Result<Option<LossTerms>, TrainError> {
        let shape = shape(&self.lesson.recipe);
        let photos = self.loader.next_batch()?;
        self.loss.set_content(compute, &self.vgg, &photos, shape)?;
        let Some(paintings) = self.net.forward(compute, &photos, shape)? else { return Ok(None) };
        let terms = self.loss.evaluate(compute, &self.vgg, &paintings, shape, &mut self.gradient)?;
        if !terms.total.is_finite() || !self.gradient.iter().all(|g| g.is_finite()) {
            return Ok(None);
        }
        drop(paintings);
        self.net.backward(compute, &self.gradient)?;
        let (parameters, gradients) = self.net.parameters_and_gradients();
        if !gradients.iter().flatten().all(|g| g.is_finite()) {
            return Ok(None);
        }
        self.adam.step(compute.pool(), parameters, gradients, learning_rate);
        Ok(Some(terms))
    }

    fn roll_back(&mut self) -> Result<(), TrainError> {
        let course = self.course.rolled_back_to(&self.anchor.course).ok_or(TrainError::Diverged)?;
        self.net.parameters_and_gradients().0.clone_from_slice(&self.anchor.parameters);
        self.adam = Adam::resume(&self.anchor.parameters, self.anchor.adam.clone()).ok_or(TrainError::Checkpoint)?;
        self.loader = Loader::start(&self.lesson.photos, &self.lesson.recipe, u64::from(course.step()))?;
        self.course = course;
        Ok(())
    }

    fn state(&self) -> State {
        let (parameters, adam) = (self.net.parameters().to_vec(), self.adam.state().clone());
        State { parameters, adam, course: self.course.clone() }
    }

    /// Returns everything that a later [`Self::resume`] needs: network, optimiser, place in the data, and the last
    /// anchor. All that is random follows from the seed and the step.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        checkpoint::write(&self.lesson.recipe, &self.state(), &self.anchor)
    }

    /// Returns how many steps are done.
    #[must_use]
    pub fn steps_done(&self) -> u32 {
        self.course.step()
    }

    /// Returns the recipe.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.lesson.recipe
    }

    /// Returns the photos that were passed over so far, by path.
    #[must_use]
    pub fn skipped(&self) -> Vec<SkippedFile> {
        self.lesson.photos.skipped()
    }

    /// Returns the network as it is now as a package. Of `about`, architecture, parameters, recipe, seed and steps are
    /// filled in here.
    ///
    /// # Errors
    /// A text of `about` is too long or the like; the weights can't be wrong.
    pub fn package(&self, about: Manifest, preview: Option<Vec<u8>>) -> Result<Package, PackageError> {
        let recipe = &self.lesson.recipe;
        let manifest = Manifest {
            architecture: "house".to_owned(),
            parameters: recipe.parameters(),
            trained_on: Some(self.lesson.photos.describe()),
            recipe: Some(recipe.describe()),
            seed: Some(recipe.seed),
            steps: Some(u64::from(self.course.step())),
            ..about
        };
        let names = recipe.network().parameters().into_iter();
        let tensor = |values: &Vec<f32>, shape| Tensor { shape, values: values.clone() };
        let tensors = names.zip(self.net.parameters()).map(|(p, values)| (p.name, tensor(values, p.shape)));
        Package::new(manifest, tensors.collect(), preview)
    }
}

fn shape(recipe: &Recipe) -> Shape {
    let side = recipe.size as usize;
    Shape { batch: recipe.batch as usize, channels: 3, height: side, width: side }
}

/// Returns the weights of a network from values in the order of its parameters.
fn weights_of(network: &crate::network::Network, values: impl Iterator<Item = Vec<f32>>) -> Weights {
    let tensors = network.parameters().into_iter().zip(values);
    let tensors = tensors.map(|(p, values)| (p.name, Tensor { shape: p.shape, values })).collect();
    Weights::new(network, tensors).expect("the values were made for the network's parameters")
}

#[cfg(test)]
mod tests;
