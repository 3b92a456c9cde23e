#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod plainly;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::plan::WORK_A_STRIP;
use super::{Arena, Executor, ExecutorError, Painting};
use crate::fixtures::{describe, some_weights};
use crate::kernels::ComputePool;
use crate::kernels::source::Pixels;
use crate::network::{Network, Weights};

fn networks() -> Vec<(&'static str, Network)> {
    let house = |norm: &str, upsample: &str| {
        describe("house", json!({"widths": [4, 20, 16], "residuals": 2, "norm": norm, "upsample": upsample}))
    };
    let rest: Value = json!({"widths": [5, 8, 18], "residuals": 2});
    vec![
        ("house", house("instance", "nearest")),
        ("house batch", house("batch", "bilinear")),
        ("house transposed", house("instance", "transposed")),
        ("pytorch-examples", describe("pytorch-examples", rest.clone())),
        ("lengstrom", describe("lengstrom", rest.clone())),
        ("prisma", describe("prisma", rest)),
    ]
}

fn photo(height: usize, width: usize) -> Vec<f32> {
    let wave = |i: usize| (i * 7919 % 1000) as f32 / 2000.0 + (i as f32 * 0.01).sin().abs() * 0.5;
    (0..height * width * 3).map(wave).collect()
}

fn paint(
    executor: &Executor,
    pool: &ComputePool,
    (height, width): (usize, usize),
    budget: usize,
) -> Result<Vec<f32>, ExecutorError> {
    let plan = executor.plan(height, width, budget, pool.threads())?;
    assert!(plan.memory() <= budget);
    let (photo, mut painting) = (photo(height, width), vec![f32::NAN; height * width * 3]);
    let mut arena = Arena::default();
    executor.run(pool, &mut arena, &plan, Pixels::Planar(&photo), Painting::Planar(&mut painting), &mut |_| {
        ControlFlow::Continue(())
    })?;
    assert!(arena.bytes() <= budget);
    Ok(painting)
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |m, d| if d.is_nan() { d } else { d.max(m) })
}

#[test]
fn whoever_wants_to_stop_is_asked_after_each_little_piece_of_work() {
    let (name, network) = networks().swap_remove(0);
    let executor = Executor::prepare(&network, &some_weights(&network)).unwrap();
    let pool = ComputePool::new(1).unwrap();
    let (height, width) = (900, 700);
    let plan = executor.plan(height, width, usize::MAX / 4, 1).unwrap();
    assert!(plan.work > 4.0 * WORK_A_STRIP, "{name}: {} is too little to tell", plan.work);
    let (photo, mut painting) = (photo(height, width), vec![0.0; height * width * 3]);
    let mut told = vec![0.0];
    let mut tell = |done: f32| {
        told.push(f64::from(done));
        ControlFlow::Continue(())
    };
    let (from, to) = (Pixels::Planar(&photo), Painting::Planar(&mut painting));
    executor.run(&pool, &mut Arena::default(), &plan, from, to, &mut tell).unwrap();
    let most = told.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max) * plan.work;
    assert!(most <= 1.01 * WORK_A_STRIP, "{name}: {most} of {} at once", plan.work);
}

#[test]
fn every_architecture_paints_as_its_definition_says() {
    let pool = ComputePool::new(2).unwrap();
    for (name, network) in networks() {
        let weights = some_weights(&network);
        let executor = Executor::prepare(&network, &weights).unwrap();
        for (height, width) in [(1, 1), (2, 9), (13, 21), (40, 33)] {
            let found = paint(&executor, &pool, (height, width), usize::MAX / 4).unwrap();
            let expected = plainly::paint(&network, &weights, &photo(height, width), height, width);
            let error = furthest(&found, &expected);
            // A photo of one pixel is one colour; the thesis' norm, eps 1e-9, magnifies what rounding leaves of it.
            let bound = if name == "prisma" && height * width == 1 { 1e-2 } else { 2e-4 };
            assert!(error < bound, "{name} at {height}x{width}: {error}");
        }
    }
}

#[test]
fn strips_change_nothing_but_the_memory() {
    let pool = ComputePool::new(2).unwrap();
    let size = (217, 96);
    for (name, network) in networks() {
        let executor = Executor::prepare(&network, &some_weights(&network)).unwrap();
        let whole = paint(&executor, &pool, size, usize::MAX / 4).unwrap();
        let ExecutorError::Memory { needed, .. } = paint(&executor, &pool, size, 0).unwrap_err() else {
            panic!("no budget")
        };
        let most = executor.memory(size.0, size.1, pool.threads());
        assert!(needed < most, "{name}: {needed} of {most}");
        for share in 0..4 {
            let budget = needed + (most - needed) * share / 4;
            let error = furthest(&paint(&executor, &pool, size, budget).unwrap(), &whole);
            assert!(error < 2e-5, "{name} in {budget} of {needed} to {most}: {error}");
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_traced_to_their_layer() {
    let pool = ComputePool::new(2).unwrap();
    for (name, network) in networks() {
        for layer in [1, 3, network.convs().count() - 1] {
            let conv = network.convs().nth(layer).unwrap();
            let mut tensors: BTreeMap<_, _> =
                some_weights(&network).iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
            tensors.get_mut(&conv.weight_name()).unwrap().values.fill(f32::MAX);
            let weights = Weights::new(&network, tensors).unwrap();
            let executor = Executor::prepare(&network, &weights).unwrap();
            let error = paint(&executor, &pool, (16, 16), usize::MAX / 4).unwrap_err();
            assert_eq!(error, ExecutorError::NotFinite { layer: conv.name.clone() }, "{name}");
        }
    }
}

#[test]
fn an_interrupt_ends_the_work_at_once() {
    let pool = ComputePool::new(1).unwrap();
    let network = describe("house", json!({"widths": [4, 4, 4], "residuals": 1}));
    let executor = Executor::prepare(&network, &some_weights(&network)).unwrap();
    let plan = executor.plan(20, 20, usize::MAX / 4, 1).unwrap();
    let (photo, mut painting) = (vec![0; 1200], vec![0; 1200]);
    let mut heard = Vec::new();
    let mut stop = |share| {
        heard.push(share);
        if heard.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let result = executor.run(
        &pool,
        &mut Arena::default(),
        &plan,
        Pixels::Rgb8(&photo),
        Painting::Rgb8(&mut painting),
        &mut stop,
    );
    assert_eq!(result, Err(ExecutorError::Interrupted));
    assert!(heard.len() == 3 && heard.is_sorted(), "{heard:?}");
}
