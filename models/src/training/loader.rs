//! Photos ahead of the step: threads that decode and crop while the network computes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::crops::{Variation, crop};
use super::{Photos, PhotosError, Recipe};
use crate::picture::Picture;

/// Threads that read.
const READERS: usize = 2;
/// Crops that each has ready ahead.
const AHEAD: usize = 4;
/// The stream of random numbers that shuffles begin with; crops count up from zero.
const SHUFFLES: u64 = 1 << 63;

type Crop = Result<Vec<f32>, PhotosError>;

/// The run's crops in their order, which only the seed decides.
///
/// Crop `k` is of the photo at place `k` of the shuffled set (shuffled anew each time round), and is cut by random
/// numbers of its own. So a place in the data is one number, and any number of readers brings the same crops.
pub(super) struct Loader {
    readers: Vec<Reader>,
    next: u64,
    batch: usize,
}

struct Reader {
    /// `None` once the reader is to end.
    crops: Option<Receiver<Crop>>,
    thread: Option<JoinHandle<()>>,
}

struct Order {
    photos: Photos,
    size: u32,
    seed: u64,
    variation: Variation,
    round: Option<u64>,
    shuffled: Vec<usize>,
}

impl Loader {
    /// Starts reading for the step after `done` ones.
    pub(super) fn start(photos: &Photos, recipe: &Recipe, done: u64) -> Result<Self, PhotosError> {
        let batch = recipe.batch as usize;
        let first = done * batch as u64;
        let mut readers = Vec::new();
        for number in 0..READERS {
            let (sender, crops) = sync_channel(AHEAD);
            let mut order = Order {
                photos: photos.clone(),
                size: recipe.size,
                seed: recipe.seed,
                variation: if photos.is_small() { Variation::Strong } else { Variation::Mild },
                round: None,
                shuffled: (0..photos.count()).collect(),
            };
            let own = first + number as u64;
            let thread = thread::Builder::new()
                .name(format!("photos-{number}"))
                .spawn(move || order.read(own, &sender))
                .map_err(|error| PhotosError::Thread(error.to_string()))?;
            readers.push(Reader { crops: Some(crops), thread: Some(thread) });
        }
        Ok(Self { readers, next: 0, batch })
    }

    /// Returns the next step's photos, `[batch][3][size][size]` in 0..1.
    pub(super) fn next_batch(&mut self) -> Crop {
        let mut photos = Vec::new();
        for _ in 0..self.batch {
            let reader = &self.readers[(self.next % READERS as u64) as usize];
            let crop = reader.crops.as_ref().and_then(|crops| crops.recv().ok());
            photos.extend(crop.unwrap_or_else(|| Err(PhotosError::Thread("it ended early".to_owned())))?);
            self.next += 1;
        }
        Ok(photos)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        for reader in &mut self.readers {
            reader.crops = None;
        }
        for thread in self.readers.iter_mut().filter_map(|reader| reader.thread.take()) {
            // A reader that panicked has nothing left to say: its channel is closed.
            let _ = thread.join();
        }
    }
}

impl Order {
    /// Makes this reader's crops until nobody wants them.
    fn read(&mut self, first: u64, to: &SyncSender<Crop>) {
        let mut number = first;
        loop {
            let crop = self.crop(number);
            let is_last = crop.is_err();
            if to.send(crop).is_err() || is_last {
                return;
            }
            number += READERS as u64;
        }
    }

    fn crop(&mut self, number: u64) -> Crop {
        let photo = self.photo(number).ok_or_else(|| self.photos.all_bad())?;
        let mut random = self.random(number);
        Ok(crop(&photo, self.size, self.variation, &mut random))
    }

    fn random(&self, stream: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(stream);
        random
    }

    /// Returns the photo at a place; for one that can't be used the next that can.
    fn photo(&mut self, number: u64) -> Option<Arc<Picture>> {
        let count = self.photos.count();
        let (round, place) = (number / count as u64, (number % count as u64) as usize);
        if self.round != Some(round) {
            self.round = Some(round);
            self.shuffled = (0..count).collect();
            let mut random = self.random(SHUFFLES + round);
            self.shuffled.shuffle(&mut random);
        }
        let from: Range<usize> = place..place + count;
        from.into_iter().find_map(|place| self.photos.photo(self.shuffled[place % count], self.size))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn recipe(seed: u64) -> Recipe {
        Recipe { size: 64, batch: 3, seed, ..Recipe::house() }
    }

    fn batches(seed: u64, done: u64, count: usize) -> Vec<Vec<f32>> {
        let mut loader = Loader::start(&Photos::builtin(), &recipe(seed), done).unwrap();
        (0..count).map(|_| loader.next_batch().unwrap()).collect()
    }

    #[test]
    fn crops_are_decided_by_seed_and_place_alone() {
        let whole = batches(1, 0, 5);
        assert_eq!(batches(1, 2, 3), whole[2..]);
        assert_ne!(batches(2, 0, 1)[0], whole[0]);
        assert!(whole.iter().all(|batch| batch.len() == 3 * 3 * 64 * 64));
    }

    #[test]
    fn every_photo_comes_up_once_a_round() {
        let photos = Photos::builtin();
        let mut order = Order {
            photos: photos.clone(),
            size: 64,
            seed: 5,
            variation: Variation::Strong,
            round: None,
            shuffled: Vec::new(),
        };
        let mut rounds = Vec::new();
        for round in 0..4 {
            for place in 0..photos.count() as u64 {
                assert!(order.photo(round * photos.count() as u64 + place).is_some());
            }
            let mut once = order.shuffled.clone();
            rounds.push(once.clone());
            once.sort_unstable();
            assert!(once.into_iter().eq(0..photos.count()));
        }
        assert!(rounds.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
