#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use models::picture::Limits;
use models::training::Photos;
use protocol::{OutputFormat, PaintOrder, TrainOrder};

use super::*;
use crate::config::LossNetwork;
use crate::engine::{Course, Product, Start};

fn made(name: &str) -> Result<Vec<Profile>, String> {
    let engines = engines(&[name.to_owned()], 1 << 30, &LossEyes::new(LossNetwork::Builtin));
    engines.map(|engines| engines.iter().map(|engine| engine.profile()).collect()).map_err(|error| error.to_string())
}

#[test]
fn what_is_left_to_the_machine_always_works() {
    let devices = made("auto").unwrap();
    let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
    assert!(names == ["cpu"] || names.iter().all(|name| name.starts_with("cuda:") || *name == "metal"), "{names:?}");
}

#[test]
fn a_device_that_is_named_and_not_there_is_refused_with_a_way_out() {
    let refused = made("cuda:1000").unwrap_err();
    let expected = if cfg!(feature = "cuda") {
        "the device `cuda:1000` is not at hand: "
    } else {
        "\"cuda:1000\" needs an atelierd that was built with the feature `cuda`, and this one was not; \
         build it so, or use \"auto\" or \"cpu\""
    };
    assert!(refused.starts_with(expected), "{refused}");
}

/// A device that works as a graphics processor does.
fn card() -> Local {
    let profile = Profile { name: "card".to_owned(), kind: DeviceKind::Cuda, model: None, threads: 0, memory_bytes: 0 };
    let (compute, eyes) = (Arc::new(Compute::layered(2).unwrap()), LossEyes::new(LossNetwork::Builtin));
    Local { profile, compute, eyes, warm: Vec::new() }
}

/// Makes a course ready, piece by piece.
fn opened(mut opening: Box<dyn Opening>) -> Box<dyn Course> {
    loop {
        if let Some(course) = opening.advance().unwrap() {
            return course;
        }
    }
}

#[test]
fn a_card_learns_a_style_and_paints_with_it() {
    let mut card = card();
    let order = TrainOrder {
        steps: Some(2),
        batch: Some(1),
        size: Some(64),
        art_size: Some(64),
        width: Some(4),
        residuals: Some(0),
        init: Some("none".parse().unwrap()),
        ..TrainOrder::new("card".parse().unwrap())
    };
    let parameters = order.fill().unwrap();
    let mut train = |checkpoint: Option<Vec<u8>>| {
        let limits = Limits { pixels: 1 << 24 };
        let (artwork, start) = (Photos::sample(), Start::Chance);
        let parameters = parameters.clone();
        opened(card.train(TrainLesson { parameters, artwork, dataset: None, limits, start, checkpoint }))
    };
    let mut course = train(None);
    assert_eq!(course.step().unwrap().unwrap().number, 1);
    let mut course = train(Some(course.checkpoint()));
    assert_eq!(course.step().unwrap().unwrap().number, 2);
    assert_eq!(course.step().unwrap(), None);
    let Product::Style(style) = course.finish(None).unwrap() else { panic!("a training makes a style") };
    assert!(style.preview.is_some());
    let photo = Photos::sample().resized(40, 30).unwrap();
    let painted = card.paint(&Arc::new(*style), &photo, 1 << 30, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    let Painted::Finished(painting) = painted else { panic!("nobody interrupted it") };
    assert_eq!((painting.width(), painting.height()), (40, 30));
}

#[test]
fn a_card_paints_by_pixels() {
    let order = PaintOrder { steps: Some(2), ..PaintOrder::default() };
    let parameters = order.fill(1, OutputFormat::Png).unwrap();
    let photo = Photos::sample().resized(48, 32).unwrap();
    let artworks = vec![Photos::sample().resized(64, 64).unwrap()];
    let commission = PixelCommission { parameters, photo, artworks, checkpoint: None };
    let mut course = opened(card().paint_pixels(commission));
    assert_eq!(course.step().unwrap().unwrap().number, 1);
    let Product::Painting(painting) = course.finish(None).unwrap() else { panic!("painting makes a picture") };
    assert_eq!((painting.width(), painting.height()), (48, 32));
}
