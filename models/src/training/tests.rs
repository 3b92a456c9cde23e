#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::{Arc, OnceLock};

use super::*;
use crate::picture::{self, Limits, Picture};

fn vgg() -> Arc<Vgg> {
    static VGG: OnceLock<Arc<Vgg>> = OnceLock::new();
    Arc::clone(VGG.get_or_init(|| Arc::new(Vgg::builtin())))
}

fn compute() -> Compute {
    Compute::cpu(2).unwrap()
}

/// A lesson of seconds.
fn lesson() -> Lesson {
    let recipe = Recipe {
        width: 4,
        residuals: 1,
        steps: 12,
        batch: 1,
        size: 64,
        art_size: 64,
        checkpoint_every: 5,
        ..Recipe::house()
    };
    let (_, artwork) = picture::decode(photos::BUILTIN[1].1, Limits { pixels: 1 << 24 }).unwrap();
    Lesson { recipe, artwork, photos: Photos::builtin(), start: None }
}

fn run(trainer: &mut Trainer, compute: &Compute) -> Vec<Step> {
    std::iter::from_fn(|| trainer.step(compute).unwrap()).collect()
}

fn package(trainer: &Trainer) -> Vec<u8> {
    let about = Manifest { title: "A cat".to_owned(), ..Manifest::default() };
    trainer.package(about, None).unwrap().to_bytes()
}

#[test]
fn a_run_that_was_taken_up_again_equals_one_that_was_not() {
    let compute = compute();
    let mut whole = Trainer::begin(&compute, vgg(), lesson()).unwrap();
    let expected = run(&mut whole, &compute);
    assert_eq!(expected.iter().map(|step| step.number).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    let mut checkpoint = Trainer::begin(&compute, vgg(), lesson()).unwrap().checkpoint();
    let mut steps = Vec::new();
    for stop_after in [3, 1, 4, 2, 9] {
        let mut part = Trainer::resume(&compute, vgg(), lesson(), &checkpoint).unwrap();
        for _ in 0..stop_after {
            steps.extend(part.step(&compute).unwrap());
        }
        checkpoint = part.checkpoint();
    }
    assert_eq!(steps, expected);
    let mut last = Trainer::resume(&compute, vgg(), lesson(), &checkpoint).unwrap();
    assert_eq!(last.step(&compute).unwrap(), None);
    assert_eq!(last.checkpoint(), whole.checkpoint());
    assert_eq!(package(&last), package(&whole));
}

#[test]
fn training_brings_the_loss_down_and_says_how_it_was_done() {
    let compute = compute();
    let recipe = Recipe { steps: 60, ..lesson().recipe };
    let mut trainer = Trainer::begin(&compute, vgg(), Lesson { recipe, ..lesson() }).unwrap();
    let steps = run(&mut trainer, &compute);
    let mean = |steps: &[Step]| steps.iter().map(|step| step.terms.total).sum::<f64>() / steps.len() as f64;
    assert!(mean(&steps[50..]) < 0.9 * mean(&steps[..10]), "{} {}", mean(&steps[..10]), mean(&steps[50..]));
    let read = Package::from_bytes(&package(&trainer), &crate::package::PackageLimits::default()).unwrap();
    assert_eq!((read.manifest.steps, read.manifest.seed), (Some(60), Some(1)));
    assert_eq!(read.manifest.trained_on.as_deref(), Some("builtin (6 photos)"));
    assert!(read.manifest.recipe.unwrap().starts_with("house: weights 1 content, 3 style"));
}

/// Parameters by then, and the losses of each step.
fn learned(compute: &Compute, lesson: Lesson, steps: usize) -> (Vec<f32>, Vec<f64>) {
    let mut trainer = Trainer::begin(compute, vgg(), lesson).unwrap();
    let losses = (0..steps).map(|_| trainer.step(compute).unwrap().unwrap().terms.total).collect();
    (trainer.net.parameters().concat(), losses)
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

/// A card's way, on the processor. Adam's first steps are as long where a gradient is nearly zero as anywhere, so the two
/// ways part a little where rounding decides its sign, more with every step.
#[test]
fn a_card_learns_what_the_processor_learns() {
    const STEPS: usize = 3;
    for norm in [crate::network::NormKind::Instance, crate::network::NormKind::Batch] {
        let lesson = || Lesson { recipe: Recipe { norm, batch: 2, ..lesson().recipe }, ..lesson() };
        let start = learned(&compute(), lesson(), 0).0;
        let (expected, losses) = learned(&compute(), lesson(), STEPS);
        for card in [Compute::as_on_card(candle_core::DType::F32), Compute::layered(2).unwrap()] {
            let (found, found_losses) = learned(&card, lesson(), STEPS);
            for (i, (found, expected)) in found_losses.iter().zip(&losses).enumerate() {
                assert!(
                    (found - expected).abs() < [1e-3, 5e-3, 3e-2][i] * expected,
                    "{norm:?}, step {i}: {found} for {expected}"
                );
            }
            let (off, moved) = (distance(&found, &expected), distance(&start, &expected));
            assert!(off < 0.4 * moved, "{norm:?}: {off} off after a way of {moved}");
        }
    }
}

#[test]
fn a_card_takes_a_run_up_again_its_own_and_the_processors() {
    let card = Compute::as_on_card(candle_core::DType::F32);
    let mut whole = Trainer::begin(&card, vgg(), lesson()).unwrap();
    let mut part = Trainer::begin(&card, vgg(), lesson()).unwrap();
    for i in 0..4 {
        let step = whole.step(&card).unwrap();
        assert_eq!(part.step(&card).unwrap(), step);
        if i == 1 {
            part = Trainer::resume(&card, vgg(), lesson(), &part.checkpoint()).unwrap();
        }
    }
    assert_eq!(part.checkpoint(), whole.checkpoint());
    let cores = compute();
    let mut moved = Trainer::resume(&cores, vgg(), lesson(), &whole.checkpoint()).unwrap();
    let (on_card, on_cores) = (whole.step(&card).unwrap().unwrap(), moved.step(&cores).unwrap().unwrap());
    assert_eq!((on_card.number, on_cores.number), (5, 5));
    assert!((on_card.terms.total - on_cores.terms.total).abs() < 1e-3 * on_cores.terms.total);
    assert_eq!(package(&moved).len(), package(&whole).len());
}

#[test]
fn a_step_that_goes_wrong_on_a_card_is_taken_again_from_the_anchor() {
    let card = Compute::layered(2).unwrap();
    let mut trainer = Trainer::begin(&card, vgg(), lesson()).unwrap();
    trainer.step(&card).unwrap();
    trainer.net.parameters_and_gradients().0[0].fill(f32::NAN);
    let step = trainer.step(&card).unwrap().unwrap();
    assert_eq!((step.number, step.roll_backs), (1, 1));
}

#[test]
fn another_seed_is_another_run() {
    let compute = compute();
    let step = |seed| {
        let recipe = Recipe { seed, ..lesson().recipe };
        Trainer::begin(&compute, vgg(), Lesson { recipe, ..lesson() }).unwrap().step(&compute).unwrap().unwrap()
    };
    assert_eq!(step(1), step(1));
    assert_ne!(step(1).terms, step(2).terms);
}

#[test]
fn a_run_that_can_only_diverge_says_so() {
    let compute = compute();
    let recipe = Recipe { learning_rate: 1.0, steps: 200, norm: crate::network::NormKind::Batch, ..lesson().recipe };
    let losses = crate::losses::LossWeights { total_variation: 1e9, style: 1e9, ..recipe.losses.clone() };
    let recipe = Recipe { losses, ..recipe };
    let mut trainer = Trainer::begin(&compute, vgg(), Lesson { recipe, ..lesson() }).unwrap();
    trainer.net.parameters_and_gradients().0[0].fill(f32::NAN);
    trainer.anchor.parameters[0].fill(f32::NAN);
    assert!(matches!(trainer.step(&compute), Err(TrainError::Diverged)));
}

#[test]
fn a_step_that_goes_wrong_is_taken_again_from_the_anchor() {
    let compute = compute();
    let mut trainer = Trainer::begin(&compute, vgg(), lesson()).unwrap();
    for _ in 0..7 {
        trainer.step(&compute).unwrap();
    }
    trainer.net.parameters_and_gradients().0[0].fill(f32::NAN);
    let step = trainer.step(&compute).unwrap().unwrap();
    assert_eq!((step.number, step.roll_backs), (6, 1));
    assert!((step.learning_rate * 2.0 - trainer.recipe().learning_rate_after(5)).abs() < 1e-12);
    assert_eq!(run(&mut trainer, &compute).last().map(|step| step.number), Some(12));
}

#[test]
fn the_nearest_style_is_the_one_that_paints_most_like_the_artwork() {
    let compute = compute();
    let all: Vec<_> = crate::builtin::builtin_styles()
        .map(|s| (s.name, s.package(&crate::package::PackageLimits::default()).unwrap()))
        .collect();
    let packages: Vec<_> = all.iter().map(|(_, package)| package).collect();
    let wave = all.iter().position(|(name, _)| *name == "great-wave").unwrap();
    let artwork = picture::decode(packages[wave].preview.as_ref().unwrap(), Limits { pixels: 1 << 24 }).unwrap().1;
    let recipe = Recipe { batch: 2, size: 128, art_size: 128, ..Recipe::house() };
    let lesson = Lesson { recipe, artwork, ..lesson() };
    let nearest = |compute: &Compute, lesson: &Lesson, packages: &[&Package]| {
        let mut search = Search::begin(compute, &vgg(), lesson).unwrap();
        packages.iter().enumerate().for_each(|(i, package)| search.look(compute, &vgg(), (i, package)).unwrap());
        search.nearest()
    };
    assert_eq!(nearest(&compute, &lesson, &packages), Some(wave));
    let smaller = Lesson { recipe: Recipe { batch: 1, size: 64, ..lesson.recipe.clone() }, ..lesson.clone() };
    let two = [packages[(wave + 1) % packages.len()], packages[wave]];
    assert_eq!(nearest(&Compute::layered(2).unwrap(), &smaller, &two), Some(1));
    let recipe = Recipe { width: 8, ..lesson.recipe.clone() };
    assert_eq!(nearest(&compute, &Lesson { recipe, ..lesson }, &packages), None);
}

#[test]
fn what_nothing_can_be_learned_from_is_refused_with_the_reason() {
    let refusal = |lesson: Lesson| Trainer::begin(&compute(), vgg(), lesson).err().unwrap().to_string();
    let flat = Picture::new(100, 100, vec![90; 30_000], None).unwrap();
    assert!(refusal(Lesson { artwork: flat, ..lesson() }).contains("one colour"));
    let small = lesson().artwork.resized(63, 200).unwrap();
    assert!(refusal(Lesson { artwork: small, ..lesson() }).contains("63×200 pixels, less than the 64"));
    let recipe = Recipe { steps: 0, ..lesson().recipe };
    assert_eq!(refusal(Lesson { recipe, ..lesson() }), "steps must be between 1 and 200000, not 0");
    let recipe = Recipe { learning_rate: f64::NAN, ..lesson().recipe };
    assert!(refusal(Lesson { recipe, ..lesson() }).contains("learning_rate must be above 0"));
    let start = Some(crate::fixtures::small_package());
    assert!(refusal(Lesson { start, ..lesson() }).contains("another network"));
}

#[test]
fn a_checkpoint_that_is_damaged_or_of_another_lesson_is_refused() {
    let compute = compute();
    let checkpoint = Trainer::begin(&compute, vgg(), lesson()).unwrap().checkpoint();
    let resume = |lesson, bytes: &[u8]| Trainer::resume(&compute, vgg(), lesson, bytes).err().unwrap();
    let recipe = Recipe { seed: 9, ..lesson().recipe };
    assert!(matches!(resume(Lesson { recipe, ..lesson() }, &checkpoint), TrainError::Checkpoint));
    for length in [0, 7, 100, checkpoint.len() / 2, checkpoint.len() - 1] {
        assert!(matches!(resume(lesson(), &checkpoint[..length]), TrainError::Checkpoint), "{length}");
    }
}

#[test]
fn a_folder_with_rubbish_in_it_is_used_for_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let limits = Limits { pixels: 1 << 24 };
    let open = || Photos::folder("holidays", folder.path(), limits);
    assert!(matches!(open(), Err(PhotosError::Empty { .. })));
    write("broken.jpg", &photos::BUILTIN[0].1[..4000]);
    write("not-a-picture.png", b"hello");
    assert!(matches!(open().unwrap().check(64), Err(PhotosError::AllBad { count: 2, .. })));
    let compute = compute();
    let trainer = |photos| Trainer::begin(&compute, vgg(), Lesson { photos, ..lesson() }).unwrap();
    let error = trainer(open().unwrap()).step(&compute).unwrap_err().to_string();
    assert!(error.contains("none of the 2 photos of holidays can be used"), "{error}");
    write("deep/er/CAT.JPG", photos::BUILTIN[1].1);
    write("notes.txt", b"not looked at");
    let photos = open().unwrap();
    assert_eq!((photos.count(), photos.check(64)), (3, Ok(())));
    let mut trainer = trainer(photos);
    assert_eq!(run(&mut trainer, &compute).len(), 12);
    let skipped: Vec<_> = trainer.skipped().into_iter().map(|file| file.path).collect();
    assert!(skipped.len() == 2 && skipped[0].ends_with("broken.jpg"), "{skipped:?}");
    assert!(matches!(Photos::folder("x", &folder.path().join("gone"), limits), Err(PhotosError::Unreadable { .. })));
}

#[test]
fn so_many_bad_photos_that_looking_takes_long_are_left_for_the_training_to_find_out() {
    let folder = tempfile::tempdir().unwrap();
    let write = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            std::fs::write(folder.path().join(format!("{number:03}.jpg")), b"no picture").unwrap();
        }
        Photos::folder("holidays", folder.path(), Limits { pixels: 1 << 24 }).unwrap()
    };
    assert!(matches!(write(0..100).check(64), Err(PhotosError::AllBad { count: 100, .. })));
    let more = write(100..101);
    assert_eq!((more.check(64), more.skipped().len()), (Ok(()), 100));
}
