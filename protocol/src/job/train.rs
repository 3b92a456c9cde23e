//! How a style is learned from an artwork.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bounds::{OutOfBounds, optional_weight, rate, weight, whole};
use crate::id::{InvalidStyleName, StyleName};
use crate::words::{UnknownWord, words};

/// The data set that needs no folder: a handful of free photos in the program itself.
pub const BUILTIN_DATASET: &str = "builtin";

words! {
    /// Which losses a style is learned with.
    Recipe {
        /// The project's own: means and covariances of features, relative to the artwork's.
        House = "house",
        /// Johnson et al. 2016, as the thesis has it: Gram matrices.
        Johnson = "johnson",
    }
}

words! {
    /// What normalises the network's features.
    Norm {
        /// Each picture by itself (Ulyanov et al. 2016).
        Instance = "instance",
        /// By statistics over all pictures.
        Batch = "batch",
    }
}

words! {
    /// How the network enlarges its features.
    Upsample {
        /// By repeating pixels.
        Nearest = "nearest",
        /// By mixing neighbours.
        Bilinear = "bilinear",
        /// By transposed convolutions.
        Transposed = "transposed",
    }
}

/// What a training starts from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum TrainInit {
    /// The ready style whose artwork is nearest, or chance where there is none.
    #[default]
    Auto,
    /// Chance.
    None,
    /// This style.
    Style(StyleName),
}

impl fmt::Display for TrainInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Style(name) => name.as_str(),
        })
    }
}

impl FromStr for TrainInit {
    type Err = InvalidStyleName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            name => name.parse().map(Self::Style),
        }
    }
}

impl Serialize for TrainInit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TrainInit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How a style is learned, every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainParameters {
    /// The new style's name.
    pub name: StyleName,
    /// The photos to learn on: `builtin`, or a name from the configuration.
    pub dataset: String,
    /// Whether a style of that name is replaced.
    pub replace: bool,
    /// Which losses.
    pub recipe: Recipe,
    /// Steps of the optimiser.
    #[schema(minimum = 1, maximum = 200_000)]
    pub steps: u32,
    /// Photos a step.
    #[schema(minimum = 1, maximum = 16)]
    pub batch: u32,
    /// Side of the photos' crops in pixels.
    #[schema(minimum = 64, maximum = 1024)]
    pub size: u32,
    /// Shorter side, in pixels, at which the artwork is looked at.
    #[schema(minimum = 64, maximum = 2048)]
    pub art_size: u32,
    /// Where chance begins: the same seed gives the same style.
    pub seed: u64,
    /// Rate of the optimiser at its height.
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    pub learning_rate: f64,
    /// Factor of the content loss.
    #[schema(exclusive_minimum = 0.0)]
    pub content_weight: f64,
    /// Factor of the style loss.
    #[schema(exclusive_minimum = 0.0)]
    pub style_weight: f64,
    /// Factor of the total variation.
    #[schema(minimum = 0.0)]
    pub tv_weight: f64,
    /// What normalises the network's features.
    pub norm: Norm,
    /// How the network enlarges its features.
    pub upsample: Upsample,
    /// Channels of the network's first layer.
    #[schema(minimum = 4, maximum = 128)]
    pub width: u32,
    /// Residual blocks of the network.
    #[schema(minimum = 0, maximum = 16)]
    pub residuals: u32,
    /// What it starts from: `auto`, `none` or a style's name.
    #[schema(value_type = String)]
    pub init: TrainInit,
    /// Whether it ends when the loss falls no further.
    pub early_stop: bool,
    /// Steps from one checkpoint to the next.
    #[schema(minimum = 1, maximum = 200_000)]
    pub checkpoint_every: u32,
    /// Steps from one preview to the next.
    #[schema(minimum = 1, maximum = 200_000)]
    pub preview_every: u32,
}

/// How a style is to be learned; what is absent takes the recipe's default.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of `TrainParameters`")]
pub struct TrainOrder {
    pub name: StyleName,
    pub dataset: Option<String>,
    pub replace: bool,
    pub recipe: Option<Recipe>,
    pub steps: Option<u32>,
    pub batch: Option<u32>,
    pub size: Option<u32>,
    pub art_size: Option<u32>,
    pub seed: Option<u64>,
    pub learning_rate: Option<f64>,
    pub content_weight: Option<f64>,
    pub style_weight: Option<f64>,
    pub tv_weight: Option<f64>,
    pub norm: Option<Norm>,
    pub upsample: Option<Upsample>,
    pub width: Option<u32>,
    pub residuals: Option<u32>,
    pub init: Option<TrainInit>,
    pub early_stop: bool,
    pub checkpoint_every: Option<u32>,
    pub preview_every: Option<u32>,
}

/// What differs between the recipes where nothing is asked for.
struct Defaults {
    steps: u32,
    batch: u32,
    width: u32,
    residuals: u32,
    style_weight: f64,
    tv_weight: f64,
    init: TrainInit,
    /// From chance, and from another style.
    learning_rates: [f64; 2],
}

impl Defaults {
    const fn of(recipe: Recipe) -> Self {
        match recipe {
            Recipe::House => Self {
                steps: 400,
                batch: 2,
                width: 16,
                residuals: 3,
                style_weight: 3.0,
                tv_weight: 0.0,
                init: TrainInit::Auto,
                learning_rates: [3e-3, 2e-3],
            },
            Recipe::Johnson => Self {
                steps: 2000,
                batch: 4,
                width: 32,
                residuals: 5,
                style_weight: 10.0,
                tv_weight: 1e-6,
                init: TrainInit::None,
                learning_rates: [1e-3, 1e-3],
            },
        }
    }
}

impl TrainParameters {
    /// Returns the learning rate that a recipe has where nothing is asked for and there is no style to start from.
    #[must_use]
    pub fn rate_from_chance(recipe: Recipe) -> f64 {
        Defaults::of(recipe).learning_rates[0]
    }
}

impl TrainOrder {
    /// The most steps that a training or painting may have.
    pub const MOST_STEPS: u32 = 200_000;

    /// Orders a style with every default.
    #[must_use]
    pub const fn new(name: StyleName) -> Self {
        Self {
            name,
            dataset: None,
            replace: false,
            recipe: None,
            steps: None,
            batch: None,
            size: None,
            art_size: None,
            seed: None,
            learning_rate: None,
            content_weight: None,
            style_weight: None,
            tv_weight: None,
            norm: None,
            upsample: None,
            width: None,
            residuals: None,
            init: None,
            early_stop: false,
            checkpoint_every: None,
            preview_every: None,
        }
    }

    /// Fills the defaults in.
    ///
    /// # Errors
    /// For the first field whose value no training can have.
    pub fn fill(self) -> Result<TrainParameters, OutOfBounds> {
        let recipe = self.recipe.unwrap_or(Recipe::House);
        let defaults = Defaults::of(recipe);
        let init = self.init.unwrap_or(defaults.init);
        let [from_chance, from_a_style] = defaults.learning_rates;
        let usual_rate = if init == TrainInit::None { from_chance } else { from_a_style };
        let steps = 1..=Self::MOST_STEPS;
        Ok(TrainParameters {
            name: self.name,
            dataset: self.dataset.unwrap_or_else(|| BUILTIN_DATASET.to_owned()),
            replace: self.replace,
            recipe,
            steps: whole("steps", self.steps.unwrap_or(defaults.steps), steps.clone())?,
            batch: whole("batch", self.batch.unwrap_or(defaults.batch), 1..=16)?,
            size: whole("size", self.size.unwrap_or(256), 64..=1024)?,
            art_size: whole("art_size", self.art_size.unwrap_or(448), 64..=2048)?,
            seed: self.seed.unwrap_or(1),
            learning_rate: rate("learning_rate", self.learning_rate.unwrap_or(usual_rate))?,
            content_weight: weight("content_weight", self.content_weight.unwrap_or(1.0))?,
            style_weight: weight("style_weight", self.style_weight.unwrap_or(defaults.style_weight))?,
            tv_weight: optional_weight("tv_weight", self.tv_weight.unwrap_or(defaults.tv_weight))?,
            norm: self.norm.unwrap_or(Norm::Instance),
            upsample: self.upsample.unwrap_or(Upsample::Nearest),
            width: whole("width", self.width.unwrap_or(defaults.width), 4..=128)?,
            residuals: whole("residuals", self.residuals.unwrap_or(defaults.residuals), 0..=16)?,
            init,
            early_stop: self.early_stop,
            checkpoint_every: whole("checkpoint_every", self.checkpoint_every.unwrap_or(50), steps.clone())?,
            preview_every: whole("preview_every", self.preview_every.unwrap_or(20), steps)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn order() -> TrainOrder {
        TrainOrder::new("my-wave".parse().unwrap())
    }

    #[test]
    fn the_house_recipe_is_the_default() {
        let json = serde_json::to_value(order().fill().unwrap()).unwrap();
        let expected = serde_json::json!({
            "name": "my-wave", "dataset": "builtin", "replace": false, "recipe": "house", "steps": 400, "batch": 2,
            "size": 256, "art_size": 448, "seed": 1, "learning_rate": 2e-3, "content_weight": 1.0,
            "style_weight": 3.0, "tv_weight": 0.0, "norm": "instance", "upsample": "nearest", "width": 16,
            "residuals": 3, "init": "auto", "early_stop": false, "checkpoint_every": 50, "preview_every": 20,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn the_thesis_recipe_brings_its_own_defaults() {
        let filled = TrainOrder { recipe: Some(Recipe::Johnson), ..order() }.fill().unwrap();
        assert_eq!((filled.steps, filled.batch, filled.width, filled.residuals), (2000, 4, 32, 5));
        assert_eq!((filled.style_weight, filled.tv_weight, filled.learning_rate), (10.0, 1e-6, 1e-3));
        assert_eq!(filled.init, TrainInit::None);
    }

    #[test]
    fn a_cold_start_learns_faster_than_a_warm_one() {
        let cold = TrainOrder { init: Some(TrainInit::None), ..order() }.fill().unwrap();
        let warm = TrainOrder { init: Some("great-wave".parse().unwrap()), ..order() }.fill().unwrap();
        assert_eq!((cold.learning_rate, warm.learning_rate), (3e-3, 2e-3));
    }

    fn check(order: TrainOrder, expected: &str) {
        assert_eq!(order.fill().unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_number_that_no_training_can_have_is_refused_in_a_sentence() {
        check(TrainOrder { steps: Some(0), ..order() }, "steps must be between 1 and 200000, not 0");
        check(
            TrainOrder { steps: Some(1_000_000_000), ..order() },
            "steps must be between 1 and 200000, not 1000000000",
        );
        check(TrainOrder { batch: Some(17), ..order() }, "batch must be between 1 and 16, not 17");
        check(TrainOrder { size: Some(63), ..order() }, "size must be between 64 and 1024, not 63");
        check(TrainOrder { art_size: Some(4096), ..order() }, "art_size must be between 64 and 2048, not 4096");
        check(TrainOrder { width: Some(3), ..order() }, "width must be between 4 and 128, not 3");
        check(TrainOrder { residuals: Some(17), ..order() }, "residuals must be between 0 and 16, not 17");
        check(
            TrainOrder { checkpoint_every: Some(0), ..order() },
            "checkpoint_every must be between 1 and 200000, not 0",
        );
        check(TrainOrder { preview_every: Some(0), ..order() }, "preview_every must be between 1 and 200000, not 0");
        let rate = "learning_rate must be a number above 0 and at most 1, not";
        for (given, said) in [(f64::NAN, "NaN"), (0.0, "0"), (-1.0, "-1"), (2.0, "2"), (f64::INFINITY, "inf")] {
            check(TrainOrder { learning_rate: Some(given), ..order() }, &format!("{rate} {said}"));
        }
        let weight = "style_weight must be a number above 0 and at most 1e9, not";
        for (given, said) in [(f64::NAN, "NaN"), (0.0, "0"), (-3.0, "-3"), (f64::INFINITY, "inf")] {
            check(TrainOrder { style_weight: Some(given), ..order() }, &format!("{weight} {said}"));
        }
        check(
            TrainOrder { content_weight: Some(0.0), ..order() },
            "content_weight must be a number above 0 and at most 1e9, not 0",
        );
        check(
            TrainOrder { tv_weight: Some(-1e-9), ..order() },
            "tv_weight must be a number between 0 and 1e9, not -0.000000001",
        );
    }

    #[test]
    fn the_bounds_themselves_are_allowed() {
        let least = TrainOrder {
            steps: Some(1),
            batch: Some(1),
            size: Some(64),
            art_size: Some(64),
            width: Some(4),
            residuals: Some(0),
            tv_weight: Some(0.0),
            ..order()
        };
        let most = TrainOrder {
            steps: Some(200_000),
            batch: Some(16),
            size: Some(1024),
            art_size: Some(2048),
            width: Some(128),
            residuals: Some(16),
            learning_rate: Some(1.0),
            ..order()
        };
        assert!(least.fill().is_ok() && most.fill().is_ok());
    }
}
