#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;
use crate::config::LossNetwork;

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
        "devices.use: the device `cuda:1000` is not at hand: "
    } else {
        "devices.use: \"cuda:1000\" needs an atelierd that was built with the feature `cuda`, and this one was not; \
         build it so, or use \"auto\" or \"cpu\""
    };
    assert!(refused.starts_with(expected), "{refused}");
}
