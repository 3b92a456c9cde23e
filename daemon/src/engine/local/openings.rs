//! Making a training or painting ready, piece by piece.

use std::sync::Arc;

use models::compute::Compute;
use models::package::Package;
use models::painter::{Commission, Painter};
use models::training::{Lesson, Photos, Search, TrainError, Trainer};
use models::vgg::Vgg;
use protocol::TrainParameters;

use super::courses::{Painting, Training};
use super::eyes::{EyesOpening, LossEyes};
use crate::engine::{Course, EngineError, Opening, PixelCommission, Start, TrainLesson};
use crate::recipe;

/// A training on its way to its first step: eyes, photos, the style to start from, then the trainer.
pub(super) struct TrainingOpening {
    compute: Arc<Compute>,
    parameters: TrainParameters,
    next: Piece,
}

/// What is to be done next, with what has been got so far.
enum Piece {
    Eyes(EyesOpening, TrainLesson),
    Photos(Arc<Vgg>, TrainLesson),
    Search(Arc<Vgg>, Lesson, Vec<Arc<Package>>),
    Look(Arc<Vgg>, Lesson, Box<Search>, Vec<Arc<Package>>, usize),
    Trainer(Arc<Vgg>, Lesson, Option<Vec<u8>>),
    Nothing,
}

impl TrainingOpening {
    pub(super) fn new(compute: &Arc<Compute>, eyes: &LossEyes, lesson: TrainLesson) -> Self {
        let parameters = lesson.parameters.clone();
        Self { compute: Arc::clone(compute), parameters, next: Piece::Eyes(eyes.opening(), lesson) }
    }

    /// Lists the photos, and decides how to begin.
    fn photos(&self, vgg: Arc<Vgg>, lesson: TrainLesson) -> Result<Piece, EngineError> {
        let TrainLesson { parameters, artwork, dataset, limits, start, checkpoint } = lesson;
        let photos = match dataset {
            None => Photos::builtin(),
            Some(folder) => Photos::folder(&parameters.dataset, &folder, limits).map_err(TrainError::from)?,
        };
        let lesson = Lesson { recipe: recipe::training(&self.parameters), artwork, photos, start: None };
        Ok(match start {
            _ if checkpoint.is_some() => Piece::Trainer(vgg, lesson, checkpoint),
            Start::Chance => Piece::Trainer(vgg, lesson, None),
            Start::Style(package) => {
                let start = Some(package.as_ref().clone());
                Piece::Trainer(vgg, Lesson { start, ..lesson }, None)
            }
            Start::Nearest(ready) => Piece::Search(vgg, lesson, ready),
        })
    }
}

impl Opening for TrainingOpening {
    fn advance(&mut self) -> Result<Option<Box<dyn Course>>, EngineError> {
        let compute = &self.compute;
        self.next = match std::mem::replace(&mut self.next, Piece::Nothing) {
            Piece::Eyes(mut eyes, lesson) => match eyes.advance()? {
                Some(vgg) => Piece::Photos(vgg, lesson),
                None => Piece::Eyes(eyes, lesson),
            },
            Piece::Photos(vgg, lesson) => self.photos(vgg, lesson)?,
            Piece::Search(vgg, lesson, ready) => {
                let search = Search::begin(compute, &vgg, &lesson)?;
                Piece::Look(vgg, lesson, Box::new(search), ready, 0)
            }
            Piece::Look(vgg, lesson, mut search, ready, number) => {
                if let Some(candidate) = ready.get(number) {
                    search.look(compute, &vgg, (number, candidate))?;
                    Piece::Look(vgg, lesson, search, ready, number + 1)
                } else {
                    let start = search.nearest().map(|number| ready[number].as_ref().clone());
                    Piece::Trainer(vgg, Lesson { start, ..lesson }, None)
                }
            }
            Piece::Trainer(vgg, lesson, checkpoint) => {
                let trainer = match checkpoint {
                    Some(bytes) => Trainer::resume(compute, vgg, lesson, &bytes)?,
                    None => Trainer::begin(compute, vgg, lesson)?,
                };
                return Ok(Some(Box::new(Training::new(compute, trainer, self.parameters.clone())?)));
            }
            Piece::Nothing => return Err(EngineError::Device("it has been made ready before".to_owned())),
        };
        Ok(None)
    }
}

/// A painting on its way to its first step.
pub(super) fn painting(compute: &Arc<Compute>, eyes: &LossEyes, commission: PixelCommission) -> Box<dyn Opening> {
    let PixelCommission { parameters, photo, artworks, checkpoint } = commission;
    let artworks = artworks.into_iter().zip(parameters.artwork_weights.iter().copied()).collect();
    let commission = Arc::new(Commission { recipe: recipe::painting(&parameters), photo, artworks });
    let (compute, mut eyes) = (Arc::clone(compute), eyes.opening());
    Box::new(move || {
        let Some(vgg) = eyes.advance()? else { return Ok(None) };
        let painter = match &checkpoint {
            Some(bytes) => Painter::resume(&compute, vgg, Arc::clone(&commission), bytes)?,
            None => Painter::begin(&compute, vgg, Arc::clone(&commission))?,
        };
        let course: Box<dyn Course> = Box::new(Painting::new(&compute, painter));
        Ok(Some(course))
    })
}
