//! What a network means, in plain f64 loops.

use crate::network::{Conv, Layer, Network, NormKind, OutputMap, Padding, Upsample, Weights, reflect};

#[derive(Clone)]
struct Planes {
    height: usize,
    width: usize,
    values: Vec<Vec<f64>>,
}

pub(super) fn paint(network: &Network, weights: &Weights, photo: &[f32], height: usize, width: usize) -> Vec<f32> {
    let (rows, columns) = (network.source_indices(height), network.source_indices(width));
    let plane = |c: usize| {
        let pixel = |y: &usize, x: &usize| {
            f64::from(photo[(c * height + y) * width + x] * network.input.scale[c] + network.input.shift[c])
        };
        rows.iter().flat_map(|y| columns.iter().map(move |x| pixel(y, x))).collect()
    };
    let mut x = Planes { height: rows.len(), width: columns.len(), values: (0..3).map(plane).collect() };
    for layer in &network.layers {
        x = match layer {
            Layer::Conv(conv) => convolve(conv, weights, &x),
            Layer::Residual { a, b } => {
                let mut sum = convolve(b, weights, &convolve(a, weights, &x));
                for (sum, x) in sum.values.iter_mut().flatten().zip(x.values.iter().flatten()) {
                    *sum += x;
                }
                sum
            }
        };
    }
    let finish = |v: f64| match network.output {
        OutputMap::Tanh { scale, shift } => f64::from(scale) * v.tanh() + f64::from(shift),
        OutputMap::Linear { scale, shift } => f64::from(scale) * v + f64::from(shift),
    };
    let mut painting = Vec::new();
    for values in &x.values {
        for y in network.margin..network.margin + height {
            let row = &values[y * x.width + network.margin..][..width];
            painting.extend(row.iter().map(|v| finish(*v).clamp(0.0, 1.0) as f32));
        }
    }
    painting
}

fn enlarge(x: &Planes, upsample: Upsample) -> Planes {
    let (factor, bilinear) = match upsample {
        Upsample::Nearest(factor) => (factor, false),
        Upsample::Bilinear(factor) => (factor, true),
        _ => return x.clone(),
    };
    let (height, width) = (x.height * factor, x.width * factor);
    let find = |i: usize, side: usize| {
        if !bilinear {
            return (i / factor, i / factor, 0.0);
        }
        let at = ((i as f64 + 0.5) / factor as f64 - 0.5).max(0.0);
        (at as usize, (at as usize + 1).min(side - 1), at.fract())
    };
    let plane = |values: &Vec<f64>| {
        let mut out = Vec::new();
        for y in 0..height {
            for c in 0..width {
                let ((y0, y1, v), (x0, x1, u)) = (find(y, x.height), find(c, x.width));
                let row = |y: usize| values[y * x.width + x0] * (1.0 - u) + values[y * x.width + x1] * u;
                out.push(row(y0) * (1.0 - v) + row(y1) * v);
            }
        }
        out
    };
    Planes { height, width, values: x.values.iter().map(plane).collect() }
}

fn convolve(conv: &Conv, weights: &Weights, x: &Planes) -> Planes {
    let tensor = |name: String| &weights.get(&name).unwrap().values;
    let (height, width) = conv.output_size(x.height, x.width);
    let x = enlarge(x, conv.upsample);
    let (kernel, k) = (tensor(conv.weight_name()), conv.kernel);
    let mut values = vec![vec![0.0; height * width]; conv.outputs];
    let (top, left) = (conv.pads(x.height).0 as isize, conv.pads(x.width).0 as isize);
    let find = |i: isize, side: usize| match conv.padding {
        Padding::Reflect => Some(reflect(i, side)),
        _ => (0..side as isize).contains(&i).then_some(i as usize),
    };
    for (o, out) in values.iter_mut().enumerate() {
        for (c, plane) in x.values.iter().enumerate() {
            for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
                if conv.upsample == Upsample::Transposed {
                    let w = f64::from(kernel[((c * conv.outputs + o) * k + ky) * k + kx]);
                    for (y, xx) in (0..x.height).flat_map(|y| (0..x.width).map(move |x| (y, x))) {
                        let oy = (y * conv.stride + ky) as isize - top;
                        let ox = (xx * conv.stride + kx) as isize - left;
                        if (0..height as isize).contains(&oy) && (0..width as isize).contains(&ox) {
                            out[oy as usize * width + ox as usize] += w * plane[y * x.width + xx];
                        }
                    }
                    continue;
                }
                let w = f64::from(kernel[((o * conv.inputs + c) * k + ky) * k + kx]);
                for (y, xx) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let iy = find((y * conv.stride + ky) as isize - top, x.height);
                    let ix = find((xx * conv.stride + kx) as isize - left, x.width);
                    if let (Some(iy), Some(ix)) = (iy, ix) {
                        out[y * width + xx] += w * plane[iy * x.width + ix];
                    }
                }
            }
        }
    }
    for (o, out) in values.iter_mut().enumerate() {
        finish(conv, weights, o, out);
    }
    Planes { height, width, values }
}

fn finish(conv: &Conv, weights: &Weights, channel: usize, out: &mut [f64]) {
    let element = |name: String| f64::from(weights.get(&name).unwrap().values[channel]);
    if conv.bias {
        let bias = element(conv.bias_name());
        for v in out.iter_mut() {
            *v += bias;
        }
    }
    if let Some(norm) = conv.norm {
        let count = out.len() as f64;
        let (mean, variance) = match norm.kind {
            NormKind::Batch => (element(conv.norm_name("running_mean")), element(conv.norm_name("running_var"))),
            NormKind::Instance => {
                let mean = out.iter().sum::<f64>() / count;
                (mean, out.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count)
            }
        };
        let (scale, shift) =
            if norm.affine { (element(conv.norm_name("weight")), element(conv.norm_name("bias"))) } else { (1.0, 0.0) };
        for v in out.iter_mut() {
            *v = (*v - mean) / (variance + f64::from(norm.eps)).sqrt() * scale + shift;
        }
    }
    if conv.relu {
        for v in out {
            *v = v.max(0.0);
        }
    }
}
