#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::json;

use super::*;

fn parameters(value: Value) -> Parameters {
    serde_json::from_value(value).unwrap()
}

fn describe(name: &str, value: Value) -> Result<Network, ParameterError> {
    (find(name).unwrap().describe)(&parameters(value))
}

fn house() -> Value {
    json!({"widths": [16, 32, 64], "residuals": 3})
}

#[test]
fn the_published_nets_have_their_published_numbers_of_parameters() {
    let count = |name, value| describe(name, value).unwrap().parameter_count();
    assert_eq!(count("house", house()), 276_131);
    assert_eq!(count("pytorch-examples", json!({})), 1_679_235);
    assert_eq!(count("lengstrom", json!({})), 1_677_638);
    assert_eq!(count("prisma", json!({})), 1_674_432);
}

#[test]
fn every_layer_takes_what_the_one_before_it_gives() {
    for architecture in ARCHITECTURES {
        let net = (architecture.describe)(&parameters(house())).unwrap();
        let channels = net.convs().fold(3, |given, conv| {
            assert_eq!(conv.inputs, given, "{} {}", architecture.name, conv.name);
            conv.outputs
        });
        assert_eq!(channels, 3);
    }
}

#[test]
fn every_size_comes_back_at_least_as_large() {
    for architecture in ARCHITECTURES {
        let net = (architecture.describe)(&parameters(house())).unwrap();
        for side in 1..40 {
            let (height, width) = net.output_size(side, side + 1);
            let name = architecture.name;
            assert!(
                height >= side + net.margin && width > side + net.margin,
                "{name} makes {height}×{width} of {side}"
            );
        }
    }
}

#[test]
fn the_thesis_net_makes_the_sizes_it_is_known_for() {
    let net = describe("prisma", json!({})).unwrap();
    for side in [1usize, 17, 256, 321] {
        assert_eq!(net.output_size(side, side).0, 4 * (side + 20).div_ceil(4));
    }
}

#[test]
fn house_parameters_choose_norm_and_enlargement() {
    use crate::network::{NormKind, Upsample};
    let net = |norm: &str, upsample: &str| {
        let value = json!({"widths": [4, 8, 12], "residuals": 1, "norm": norm, "upsample": upsample});
        describe("house", value).unwrap()
    };
    let up = |net: &Network| net.convs().find(|c| c.name == "up.0").unwrap().clone();
    assert_eq!(up(&net("batch", "nearest")).norm.unwrap().kind, NormKind::Batch);
    assert_eq!(up(&net("instance", "bilinear")).upsample, Upsample::Bilinear(2));
    assert_eq!(up(&net("instance", "transposed")).upsample, Upsample::Transposed);
    assert_eq!(net("instance", "transposed").output_size(12, 20), (12, 20));
}

#[test]
fn absurd_parameters_are_refused_with_the_reason() {
    let check = |value, expected: &str| {
        let error = describe("house", value).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(json!({"widths": [16, 32, 513], "residuals": 3}), "513 channels");
    check(json!({"widths": [0, 32, 64], "residuals": 3}), "0 channels");
    check(json!({"widths": [16, 32, 64], "residuals": 33}), "33 residual blocks");
    check(json!({"widths": [16, 32], "residuals": 3}), "3");
    check(json!({"widths": [16, 32, -1], "residuals": 3}), "-1");
    check(json!({"widths": [16, 32, 1e300], "residuals": 3}), "usize");
    check(json!({"widths": [16, 32, 64], "residuals": 3, "norm": "group"}), "group");
    check(json!({"widths": [16, 32, 64], "residuals": 3, "upsampel": "nearest"}), "upsampel");
    check(json!({"residuals": 3}), "widths");
}
