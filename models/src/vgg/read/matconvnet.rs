//! The VGG19 of MatConvNet, `imagenet-vgg-verydeep-19.mat`, in its older and newer form.
//!
//! `layers` is a list of structs with a `name` and either `weights`, a list of kernel and bias, or `filters` and
//! `biases`. The first side of a kernel is its width, and MATLAB's arrays run along their first side, so the numbers
//! lie as they do in `[outputs][inputs][height][width]`. The mean is `normalization.averageImage` or
//! `meta.normalization.averageImage`.

use std::io::{Read, Seek};

use super::matlab::{Array, Element, Kind, variables};
use super::{LAYERS, each_layer, expect_shape};
use crate::vgg::error::VggProblem;
use crate::vgg::weights::{Layer, Reading, VggWeights};

/// The most numbers that are read from an array: those of the largest kernel.
const MOST_NUMBERS: usize = 512 * 512 * 9;
/// The most layers of a net; VGG19 has 43.
const MOST_LAYERS: usize = 1000;
/// Means of 0..255 that can be those of photos.
const MEANS: std::ops::RangeInclusive<f32> = 60.0..=190.0;

/// An array of numbers, its sides as the file has them.
type Numbers = (Vec<usize>, Vec<f32>);

/// What is known of one layer.
#[derive(Default)]
struct Found {
    name: String,
    kernel: Option<Numbers>,
    bias: Option<Numbers>,
}

/// Reads such a file.
pub(super) fn read<R: Read + Seek>(file: &mut R) -> Result<VggWeights, VggProblem> {
    let mut header = [0; 128];
    file.read_exact(&mut header)?;
    if header[126..] != *b"IM" {
        let what = "numbers of a big-endian machine".to_owned();
        return Err(VggProblem::Unsupported { what, way_out: "save it again on another machine" });
    }
    let mut layers: [Found; LAYERS.len()] = Default::default();
    let mut mean = None;
    variables(file, |array, element| match array.name.as_str() {
        "layers" => read_layers(&array, element, &mut layers),
        "normalization" => read_normalization(&array, element, &mut mean),
        "meta" => fields(&array, element, |name, array, element| match name {
            "normalization" => read_normalization(&array, element, &mut mean),
            _ => Ok(()),
        }),
        _ => Ok(()),
    })?;
    let mut found = layers.into_iter();
    let layers = each_layer(|layer| {
        let Found { kernel, bias, .. } = found.next().unwrap_or_default();
        let (name, [outputs, inputs, height, width]) = (layer.convolution(), layer.shape());
        let kernel = numbers(&format!("{name}, filters"), &[width, height, inputs, outputs], kernel)?;
        // A row in some files and a column in others.
        let bias = bias.map(|(sides, numbers)| (vec![sides.iter().product()], numbers));
        let bias = numbers(&format!("{name}, biases"), &[outputs], bias)?;
        Ok(Layer { kernel, bias })
    })?;
    let reading = Reading { mean: mean.unwrap_or(Reading::MATCONVNET.mean), ..Reading::MATCONVNET };
    if let Some(odd) = reading.mean.iter().find(|mean| !MEANS.contains(mean)) {
        let detail = format!("its averageImage is {odd} in the mean, where 100 to 125 of 0..255 was expected");
        return Err(VggProblem::Implausible { detail });
    }
    VggWeights::new(layers, reading)
}

fn numbers(name: &str, sides: &[usize], found: Option<Numbers>) -> Result<Vec<f32>, VggProblem> {
    expect_shape(name, sides, found.as_ref().map(|(sides, _)| sides.as_slice()))?;
    Ok(found.unwrap_or_default().1)
}

fn read_layers(array: &Array, element: &mut Element, layers: &mut [Found]) -> Result<(), VggProblem> {
    each_cell(array, element, MOST_LAYERS, |_, array, element| {
        let mut found = Found::default();
        fields(&array, element, |name, array, element| {
            match (name, &array.kind) {
                ("name", Kind::Text) => found.name = element.letters()?,
                ("filters", Kind::Numbers) => found.kernel = some(array, element)?,
                ("biases", Kind::Numbers) => found.bias = some(array, element)?,
                ("weights", Kind::Cell) => each_cell(&array, element, MOST_LAYERS, |place, array, element| {
                    match (place, &array.kind) {
                        (0, Kind::Numbers) => found.kernel = some(array, element)?,
                        (1, Kind::Numbers) => found.bias = some(array, element)?,
                        _ => {}
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        if let Some(place) = LAYERS.iter().position(|layer| layer.convolution() == found.name) {
            layers[place] = found;
        }
        Ok(())
    })
}

fn read_normalization(array: &Array, element: &mut Element, mean: &mut Option<[f32; 3]>) -> Result<(), VggProblem> {
    fields(array, element, |name, array, element| {
        if name == "averageImage" && array.kind == Kind::Numbers {
            let Some((sides, numbers)) = some(array, element)? else { return Ok(()) };
            // A picture or a pixel, its colours last, or just three numbers.
            if sides.last() == Some(&3) || numbers.len() == 3 {
                let plane = (numbers.len() / 3).max(1);
                let average = |c: usize| {
                    let sum: f64 = numbers.iter().skip(c * plane).take(plane).map(|v| f64::from(*v)).sum();
                    (sum / plane as f64) as f32
                };
                *mean = Some([0, 1, 2].map(average));
            }
        }
        Ok(())
    })
}

/// Reads an array's numbers, unless they are more than any that are needed.
fn some(array: Array, element: &mut Element) -> Result<Option<Numbers>, VggProblem> {
    match array.count() {
        Some(count) if count <= MOST_NUMBERS => Ok(Some((array.sides, element.numbers(count)?))),
        _ => Ok(None),
    }
}

/// Calls `each` with every array in a list.
fn each_cell(
    array: &Array,
    element: &mut Element,
    most: usize,
    mut each: impl FnMut(usize, Array, &mut Element) -> Result<(), VggProblem>,
) -> Result<(), VggProblem> {
    if array.kind != Kind::Cell {
        return Ok(());
    }
    let count = array.count().filter(|count| *count <= most);
    let count = count.ok_or_else(|| VggProblem::damaged("a list in it is too long"))?;
    for place in 0..count {
        if let Some(mut element) = element.array()? {
            let array = element.begin()?;
            each(place, array, &mut element)?;
            element.finish()?;
        }
    }
    Ok(())
}

/// Calls `each` with every field of a single struct.
fn fields(
    array: &Array,
    element: &mut Element,
    mut each: impl FnMut(&str, Array, &mut Element) -> Result<(), VggProblem>,
) -> Result<(), VggProblem> {
    let (Kind::Struct(names), Some(1)) = (&array.kind, array.count()) else { return Ok(()) };
    for name in names {
        if let Some(mut element) = element.array()? {
            let array = element.begin()?;
            each(name, array, &mut element)?;
            element.finish()?;
        }
    }
    Ok(())
}
