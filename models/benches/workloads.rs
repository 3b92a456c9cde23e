//! The workloads that README.md compares with other programs: `cargo bench -p models`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{Criterion, criterion_group, criterion_main};
use models::arch;
use models::backprop::Backprop;
use models::executor::{Arena, Executor, Painting};
use models::kernels::direct::{Direct, Form, Input, Narrow};
use models::kernels::layout::Shape;
use models::kernels::norm::Moments;
use models::kernels::output::Target;
use models::kernels::simd::Block;
use models::kernels::source::{Affine, Border, Growth, Pixels, Prelude, Source};
use models::kernels::winograd::{Geometry, Winograd};
use models::kernels::{ComputePool, Precision};
use models::losses::{LossWeights, Perceptual};
use models::network::{Conv, Layer, Network, Padding, Tensor, Upsample, Weights};
use models::optim::Adam;
use models::picture::{self, Limits};
use models::vgg::{Tap, Vgg};

/// The peers run with as many.
const THREADS: usize = 2;

fn pool() -> ComputePool {
    ComputePool::new(THREADS).expect("threads start")
}

fn noise(count: usize) -> impl Iterator<Item = f32> {
    let mut state = 1u32;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    })
    .take(count)
}

fn network(name: &str, parameters: &str) -> Network {
    let parameters = serde_json::from_str(parameters).expect("parameters are JSON");
    let architecture = arch::find(name).expect("the architecture exists");
    (architecture.describe)(&parameters).expect("the parameters are right")
}

fn house() -> Network {
    network("house", r#"{"widths":[16,32,64],"residuals":3}"#)
}

/// The thesis' net as the peers have it: zero padding, and nearest enlargement by two with stride 1.
fn w1() -> Network {
    let mut network = network("prisma", r#"{"widths":[32,64,128],"residuals":5}"#);
    let adapt = |conv: &mut Conv| {
        conv.padding = Padding::Zero;
        if conv.upsample == Upsample::Nearest(4) {
            (conv.upsample, conv.stride) = (Upsample::Nearest(2), 1);
        }
    };
    for layer in &mut network.layers {
        match layer {
            Layer::Conv(conv) => adapt(conv),
            Layer::Residual { a, b } => {
                adapt(a);
                adapt(b);
            }
        }
    }
    network
}

fn weights(network: &Network) -> Weights {
    let tensor = |p: models::network::Parameter| {
        let reach = (p.shape.iter().skip(1).product::<usize>() as f32).powf(-0.5);
        let values = noise(p.shape.iter().product()).map(|v| (v * 2.0 - 1.0) * reach).collect();
        (p.name, Tensor { shape: p.shape, values })
    };
    let tensors: BTreeMap<_, _> = network.parameters().into_iter().map(tensor).collect();
    Weights::new(network, tensors).expect("the weights are the network's")
}

fn inference(c: &mut Criterion) {
    let pool = pool();
    let mut group = c.benchmark_group("inference");
    group.sample_size(10);
    for (name, network) in [("house", house()), ("w1", w1())] {
        let executor = Executor::prepare(&network, &weights(&network)).expect("it runs here");
        for side in [512, 1024] {
            let plan = executor.plan(side, side, 4 << 30, THREADS).expect("it fits");
            let photo: Vec<u8> = noise(side * side * 3).map(|v| (v * 255.0) as u8).collect();
            let (mut painting, mut arena) = (vec![0; photo.len()], Arena::default());
            group.bench_function(format!("{name}/{side}"), |b| {
                b.iter(|| {
                    let to = Painting::Rgb8(&mut painting);
                    let mut go_on = |_| ControlFlow::Continue(());
                    executor.run(&pool, &mut arena, &plan, Pixels::Rgb8(&photo), to, &mut go_on)
                });
            });
        }
    }
    group.finish();
}

fn training(c: &mut Criterion) {
    let (pool, vgg) = (pool(), Vgg::builtin());
    let mut group = c.benchmark_group("training step");
    group.sample_size(10);
    let art: Vec<f32> = noise(3 * 448 * 560).collect();
    let mut short = LossWeights::house();
    short.style_taps.pop();
    short.content_tap = Tap::STYLE[2];
    let thesis = network("house", r#"{"widths":[32,64,128],"residuals":5}"#);
    for (name, batch, network, loss) in [
        ("house to relu4_1", 2, house(), short),
        ("house", 2, house(), LossWeights::house()),
        ("w2", 4, thesis, LossWeights::johnson()),
    ] {
        let shape = Shape { batch, channels: 3, height: 256, width: 256 };
        let photos: Vec<f32> = noise(shape.elements()).collect();
        let mut net = Backprop::new(&network, &weights(&network)).expect("it can be trained");
        let mut loss = Perceptual::new(&pool, &vgg, loss, &[(&art, [448, 560], 1.0)]);
        let mut adam = Adam::new(net.parameters());
        let mut gradient = vec![0.0; photos.len()];
        group.bench_function(name, |b| {
            b.iter(|| {
                loss.set_content(&pool, &vgg, &photos, shape);
                let paintings = net.forward(&pool, &photos, shape).expect("it paints");
                black_box(loss.evaluate(&pool, &vgg, paintings, shape, &mut gradient));
                net.backward(&pool, &gradient);
                let (parameters, gradients) = net.parameters_and_gradients();
                adam.step(&pool, parameters, gradients, 1e-3);
            });
        });
    }
    group.finish();
}

fn painting(c: &mut Criterion) {
    let (pool, vgg) = (pool(), Vgg::builtin());
    let shape = Shape { batch: 1, channels: 3, height: 512, width: 512 };
    let pixels: Vec<f32> = noise(shape.elements()).collect();
    let art: Vec<f32> = noise(3 * 448 * 560).collect();
    let mut loss = Perceptual::new(&pool, &vgg, LossWeights::johnson(), &[(&art, [448, 560], 1.0)]);
    loss.set_content(&pool, &vgg, &pixels, shape);
    let mut gradient = vec![0.0; pixels.len()];
    let mut group = c.benchmark_group("painting step");
    group.sample_size(10);
    group.bench_function("w3", |b| b.iter(|| loss.evaluate(&pool, &vgg, &pixels, shape, &mut gradient)));
    group.finish();
}

/// The layers of the thesis' net at 512², each with the norm of the layer before it and the statistics of its own.
fn layers(c: &mut Criterion) {
    let pool = pool();
    let mut group = c.benchmark_group("layer");
    for (name, inputs, outputs, side, kernel, stride, growth) in [
        ("first", 3, 32, 512, 9, 1, Growth::None),
        ("down", 32, 64, 512, 3, 2, Growth::None),
        ("down", 64, 128, 256, 3, 2, Growth::None),
        ("residual", 128, 128, 128, 3, 1, Growth::None),
        ("up", 128, 64, 128, 3, 1, Growth::Nearest(2)),
        ("up", 64, 32, 256, 3, 1, Growth::Nearest(2)),
        ("last", 32, 3, 512, 9, 1, Growth::None),
    ] {
        let shape = Shape { batch: 1, channels: inputs, height: side, width: side };
        let large = side * growth.factor() / stride;
        let output = Shape { batch: 1, channels: outputs, height: large, width: large };
        let weights: Vec<f32> = noise(outputs * inputs * kernel * kernel).collect();
        let affine = vec![Affine { scale: Block([1.0; 16]), shift: Block([0.1; 16]) }; shape.channel_blocks()];
        let values = vec![Block([0.5; 16]); shape.blocks()];
        let source = Source { prelude: Prelude::NormRelu(&affine), ..Source::whole(&values, shape) };
        let form = Form { inputs, outputs, kernel, stride, before: kernel / 2 };
        let named = |way: &str| format!("{name} {inputs} to {outputs}, {side}, {way}");
        if outputs == 3 {
            let narrow = Narrow::new(&weights, &[], form, growth, Border::Zero);
            let mut planes = vec![0.0; output.elements()];
            group.bench_function(named("floats"), |b| {
                b.iter(|| narrow.run(&pool, &source, output, 0..large, &mut planes));
            });
            continue;
        }
        let mut to = vec![Block::ZERO; output.blocks()];
        for (way, precision) in [("floats", Precision::Floats), ("halves", Precision::Halves)] {
            let direct = Direct::new(&weights, form, growth, Border::Zero, precision);
            group.bench_function(named(way), |b| {
                b.iter(|| {
                    let mut moments = Moments::new(output);
                    let target = Target { moments: Some(&mut moments), ..Target::whole(&mut to, output) };
                    direct.run(&pool, &Input::Blocked(source), [0; 2], target);
                });
            });
        }
        if kernel == 3 && stride == 1 {
            let winograd = Winograd::new(&weights, outputs, inputs);
            let geometry = Geometry { doubled: growth != Growth::None, ..Geometry::same(Border::Zero) };
            let mut shared = Vec::new();
            group.bench_function(named("winograd"), |b| {
                b.iter(|| {
                    let mut moments = Moments::new(output);
                    let target = Target { moments: Some(&mut moments), ..Target::whole(&mut to, output) };
                    winograd.run(&pool, &source, geometry, target, &mut shared);
                });
            });
        }
    }
    group.finish();
}

/// A photo of 85 kB, 600×400, before it is let in and before it is painted.
fn photos(c: &mut Criterion) {
    let photo = include_bytes!("../assets/photos/china.jpg");
    let mut group = c.benchmark_group("photo");
    group.bench_function("probe", |b| b.iter(|| picture::probe(black_box(photo), Limits::default())));
    group.bench_function("verify", |b| b.iter(|| picture::verify(black_box(photo), Limits::default())));
    group.bench_function("decode", |b| b.iter(|| picture::decode(black_box(photo), Limits::default())));
    group.finish();
}

criterion_group!(benches, photos, inference, training, painting, layers);
criterion_main!(benches);
