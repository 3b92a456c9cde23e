//! Holds published checkpoints, which can't be part of this project, against the pictures they are known to paint.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::ops::ControlFlow;
use std::path::Path;

use models::compute::Compute;
use models::package::PackageLimits;
use models::picture::{Limits, Picture, decode};
use models::stylize::{Outcome, Stylizer};

/// Names a folder that holds a folder a checkpoint: its own files, `input-256.png` and `expected.png`.
const FOLDER: &str = "ATELIER_CHECKPOINTS";

fn picture(file: &Path) -> Picture {
    decode(&std::fs::read(file).unwrap(), Limits::default()).unwrap().1
}

#[test]
#[ignore = "needs published checkpoints, in a folder named by ATELIER_CHECKPOINTS"]
fn published_checkpoints_paint_what_they_are_known_to_paint() {
    let folder = std::env::var(FOLDER).unwrap();
    let mut compared = 0;
    for checkpoint in std::fs::read_dir(folder).unwrap() {
        let checkpoint = checkpoint.unwrap().path();
        let package = models::import::read(&checkpoint, "Published", &PackageLimits::default()).unwrap();
        let photo = picture(&checkpoint.join("input-256.png"));
        let expected = picture(&checkpoint.join("expected.png"));
        let compute = Compute::cpu(2).unwrap();
        let outcome = Stylizer::load(&package, &compute)
            .unwrap()
            .paint(&photo, &compute, u64::MAX, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        let Outcome::Painted(painting) = outcome else { panic!("nobody interrupted") };
        assert_eq!((painting.width(), painting.height()), (expected.width(), expected.height()));
        let differences = painting.rgb().iter().zip(expected.rgb()).map(|(a, b)| a.abs_diff(*b));
        let (largest, unequal) = differences.fold((0, 0), |(largest, n), d| (d.max(largest), n + u32::from(d > 0)));
        eprintln!("{}: largest difference {largest}/255, {unequal} samples differ", checkpoint.display());
        assert!(largest <= 1);
        compared += 1;
    }
    assert!(compared > 0, "{FOLDER} names an empty folder");
}
