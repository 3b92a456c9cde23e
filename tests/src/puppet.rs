//! A device that says when it begins and waits to be told how to go on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use daemon::engine::{
    Course, Engine, EngineError, Opening, Painted, PixelCommission, Product, Profile, Step, TrainLesson, Watch,
};
use models::losses::LossTerms;
use models::package::{Manifest, Package};
use models::picture::Picture;
use protocol::{DeviceKind, LossPoint};

/// How a test waits for what must happen before it counts as never.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a puppet does with the picture it has begun.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Finish: the painting is the photo.
    Finish,
    /// Fail as a network does that produces NaN.
    NotFinite,
    /// Panic.
    Panic,
}

/// What a puppet does in the next turn of a course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Take a step.
    Step,
    /// Take all the steps that are left, without asking again.
    Run,
    /// Go back to this step, as after a leap of the loss; the next one is taken from there.
    RollBack(u64),
    /// Fail as a training does whose losses never settle.
    Fail,
    /// Panic.
    Panic,
}

/// What a puppet has been seen doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It has begun a photo.
    Photo,
    /// It has been asked to go on making a course ready, and waits to be told; only after [`Puppet::open_slowly`].
    Opening,
    /// It has made a course that goes on after this step.
    Open(u64),
    /// It has been asked to make what it has into a result, and waits to be told; only after [`Puppet::finish_slowly`].
    Finishing,
    /// It has been asked for a step, and waits to be told.
    Asked,
    /// It has dropped a course.
    Dropped,
}

/// The strings of one puppet.
pub struct Puppet {
    slowly: Arc<AtomicBool>,
    finishes_slowly: Arc<AtomicBool>,
    deeds: Receiver<Deed>,
    acts: Sender<Act>,
    moves: Sender<Move>,
}

impl Puppet {
    /// Waits until the device has begun a picture.
    pub fn begun(&self) {
        assert_eq!(self.deed(), Deed::Photo);
    }

    /// Waits for the next thing that the device does.
    pub fn deed(&self) -> Deed {
        self.deeds.recv_timeout(PATIENCE).expect("the device does something")
    }

    /// Tells the device what to do with the picture it has begun, or with the next one.
    pub fn act(&self, act: Act) {
        self.acts.send(act).unwrap();
    }

    /// Makes the device ask, from now on, before each piece of making a course ready; it is ready once this is over.
    pub fn open_slowly(&self, slowly: bool) {
        self.slowly.store(slowly, Ordering::Release);
    }

    /// Makes the device ask, from now on, before it makes a course's result; any move lets it go on.
    pub fn finish_slowly(&self) {
        self.finishes_slowly.store(true, Ordering::Release);
    }

    /// Tells the device what to do in the next turn of its course.
    pub fn play(&self, next: Move) {
        self.moves.send(next).unwrap();
    }

    /// Lets the step end that the course has asked for. The word that stops it may come a little later: whatever it asks
    /// for until then it gets. Returns how many steps that were, once the course is gone.
    pub fn until_dropped(&self) -> u64 {
        self.play(Move::Step);
        let mut steps = 1;
        loop {
            match self.deed() {
                Deed::Asked => self.play(Move::Step),
                Deed::Dropped => return steps,
                other => panic!("{other:?}"),
            }
            steps += 1;
        }
    }

    /// Lets the course take so many steps, each when it asks for it.
    pub fn steps(&self, count: u64) {
        for _ in 0..count {
            assert_eq!(self.deed(), Deed::Asked);
            self.play(Move::Step);
        }
    }
}

struct Device {
    name: String,
    slowly: Arc<AtomicBool>,
    finishes_slowly: Arc<AtomicBool>,
    deeds: Sender<Deed>,
    acts: Receiver<Act>,
    moves: Arc<Moves>,
}

/// What courses, one after another, share with their device.
type Moves = Mutex<Receiver<Move>>;

/// Makes a device and its strings.
#[must_use]
pub fn puppet(name: &str) -> (Box<dyn Engine>, Puppet) {
    let (deeds_sender, deeds) = channel();
    let (acts, acts_receiver) = channel();
    let (moves, moves_receiver) = channel();
    let moves_receiver = Arc::new(Mutex::new(moves_receiver));
    let [slowly, finishes_slowly] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let device = Device {
        name: name.to_owned(),
        slowly: Arc::clone(&slowly),
        finishes_slowly: Arc::clone(&finishes_slowly),
        deeds: deeds_sender,
        acts: acts_receiver,
        moves: moves_receiver,
    };
    (Box::new(device), Puppet { slowly, finishes_slowly, deeds, acts, moves })
}

impl Engine for Device {
    fn profile(&self) -> Profile {
        Profile { name: self.name.clone(), kind: DeviceKind::Cpu, model: None, threads: 1, memory_bytes: 1 << 30 }
    }

    fn paint(&mut self, _: &Arc<Package>, photo: &Picture, _: u64, watch: Watch<'_>) -> Result<Painted, EngineError> {
        let _ = self.deeds.send(Deed::Photo);
        loop {
            if watch(0.5).is_break() {
                return Ok(Painted::Interrupted);
            }
            match self.acts.recv_timeout(Duration::from_millis(2)) {
                Ok(Act::Finish) => return Ok(Painted::Finished(photo.clone())),
                Ok(Act::NotFinite) => return Err(EngineError::NotFinite("layer x is not finite".to_owned())),
                Ok(Act::Panic) => panic!("the puppet was told to panic"),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Painted::Interrupted),
            }
        }
    }

    fn train(&mut self, lesson: TrainLesson) -> Box<dyn Opening> {
        let made = Made::Style(lesson.parameters.name.to_string());
        self.course(lesson.parameters.steps, made, lesson.artwork, lesson.checkpoint)
    }

    fn paint_pixels(&mut self, commission: PixelCommission) -> Box<dyn Opening> {
        let PixelCommission { parameters, photo, checkpoint, .. } = commission;
        self.course(parameters.steps, Made::Painting, photo, checkpoint)
    }
}

impl Device {
    fn course(&self, steps: u32, made: Made, picture: Picture, checkpoint: Option<Vec<u8>>) -> Box<dyn Opening> {
        let (slowly, deeds, moves) = (Arc::clone(&self.slowly), self.deeds.clone(), Arc::clone(&self.moves));
        let finishes_slowly = Arc::clone(&self.finishes_slowly);
        let mut what = Some((made, picture));
        Box::new(move || {
            if slowly.load(Ordering::Acquire) {
                let _ = deeds.send(Deed::Opening);
                let _ = moves.lock().unwrap().recv_timeout(PATIENCE);
                return Ok(None);
            }
            let done = match &checkpoint {
                None => 0,
                Some(bytes) => {
                    let done = bytes.as_slice().try_into().map(u64::from_le_bytes);
                    done.map_err(|_| EngineError::Checkpoint("it is not a puppet's".to_owned()))?
                }
            };
            let Some((made, picture)) = what.take() else { return Ok(None) };
            let _ = deeds.send(Deed::Open(done));
            let (deeds, moves, finishes_slowly) = (deeds.clone(), Arc::clone(&moves), Arc::clone(&finishes_slowly));
            let course: Box<dyn Course> =
                Box::new(Play { finishes_slowly, deeds, moves, steps: steps.into(), done, runs: false, made, picture });
            Ok(Some(course))
        })
    }
}

/// A course whose every step is told from outside. Its state is the number of its steps.
struct Play {
    finishes_slowly: Arc<AtomicBool>,
    deeds: Sender<Deed>,
    moves: Arc<Moves>,
    steps: u64,
    done: u64,
    runs: bool,
    made: Made,
    picture: Picture,
}

/// What a course makes.
enum Made {
    Style(String),
    Painting,
}

impl Play {
    fn next(&mut self) -> Move {
        if self.runs {
            return Move::Step;
        }
        self.ask(Deed::Asked)
    }

    fn ask(&self, deed: Deed) -> Move {
        let _ = self.deeds.send(deed);
        // A test that has ended pulls no strings any more; its house is about to close, and waits for this.
        self.moves.lock().unwrap().recv_timeout(PATIENCE).unwrap_or(Move::Step)
    }
}

impl Course for Play {
    fn step(&mut self) -> Result<Option<Step>, EngineError> {
        if self.done >= self.steps {
            return Ok(None);
        }
        match self.next() {
            Move::Step => {}
            Move::Run => self.runs = true,
            Move::RollBack(to) => self.done = to,
            Move::Fail => return Err(EngineError::NotFinite("the losses leap".to_owned())),
            Move::Panic => panic!("the puppet was told to panic"),
        }
        self.done += 1;
        Ok(Some(Step { number: self.done, terms: terms(self.done) }))
    }

    fn checkpoint(&self) -> Vec<u8> {
        self.done.to_le_bytes().to_vec()
    }

    fn preview(&mut self) -> Result<Picture, EngineError> {
        Ok(self.picture.clone())
    }

    fn finish(&mut self, last: Option<&LossPoint>) -> Result<Product, EngineError> {
        if self.finishes_slowly.load(Ordering::Acquire) {
            self.ask(Deed::Finishing);
        }
        Ok(match &self.made {
            Made::Painting => Product::Painting(self.picture.clone()),
            Made::Style(title) => Product::Style(Box::new(style(title, last.map_or(0, |point| point.step)))),
        })
    }

    fn skipped(&self) -> Vec<String> {
        vec!["broken.jpg: cut short".to_owned()]
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        let _ = self.deeds.send(Deed::Dropped);
    }
}

/// The losses of a puppet's step; they depend on nothing else.
fn terms(step: u64) -> LossTerms {
    let total = 10.0 / step as f64;
    LossTerms {
        total,
        content: total / 2.0,
        style: total / 6.0,
        total_variation: 0.0,
        layers: vec![("relu1_1", total)],
    }
}

/// A style that paints like a built-in one, with a trace of how far its training came.
fn style(title: &str, steps: u64) -> Package {
    let builtin = models::builtin::builtin_styles().next().expect("there are built-in styles");
    let package = builtin.package(&models::package::PackageLimits::default()).unwrap();
    let named = package.weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
    let mut weights: BTreeMap<_, _> = named.collect();
    if let Some(tensor) = weights.values_mut().next() {
        tensor.values[0] = steps as f32;
    }
    let manifest = Manifest { title: title.to_owned(), steps: Some(steps), ..package.manifest };
    Package::new(manifest, weights, package.preview).unwrap()
}
