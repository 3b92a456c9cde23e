//! A job's parameters in the terms of the numerics.

use models::losses::LossWeights;
use models::network::NormKind;
use models::painter::{self, PaintRecipe, Start};
use models::training::{Enlargement, Recipe};
use protocol::job::paint::{Optimizer, PaintInit};
use protocol::job::train::{self, Norm, Upsample};
use protocol::{PaintParameters, TrainParameters};

/// Returns the recipe that a training follows.
pub(crate) fn training(parameters: &TrainParameters) -> Recipe {
    let losses = match parameters.recipe {
        train::Recipe::House => LossWeights::house(),
        train::Recipe::Johnson => LossWeights::johnson(),
    };
    Recipe {
        losses: LossWeights {
            content: parameters.content_weight,
            style: parameters.style_weight,
            total_variation: parameters.tv_weight,
            ..losses
        },
        width: parameters.width,
        residuals: parameters.residuals,
        norm: match parameters.norm {
            Norm::Instance => NormKind::Instance,
            Norm::Batch => NormKind::Batch,
        },
        enlargement: match parameters.upsample {
            Upsample::Nearest => Enlargement::Nearest,
            Upsample::Bilinear => Enlargement::Bilinear,
            Upsample::Transposed => Enlargement::Transposed,
        },
        steps: parameters.steps,
        batch: parameters.batch,
        size: parameters.size,
        art_size: parameters.art_size,
        learning_rate: parameters.learning_rate,
        seed: parameters.seed,
        checkpoint_every: parameters.checkpoint_every,
        early_stop: parameters.early_stop,
    }
}

/// Returns the recipe that a painting follows.
pub(crate) fn painting(parameters: &PaintParameters) -> PaintRecipe {
    PaintRecipe {
        losses: LossWeights {
            content: parameters.content_weight,
            style: parameters.style_weight,
            total_variation: parameters.tv_weight,
            ..LossWeights::house()
        },
        steps: parameters.steps,
        optimizer: match parameters.optimizer {
            Optimizer::Lbfgs => painter::Optimizer::Lbfgs,
            Optimizer::Adam => painter::Optimizer::Adam,
        },
        start: match parameters.init {
            PaintInit::Content => Start::Content,
            PaintInit::Noise => Start::Noise,
        },
        seed: parameters.seed,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::{OutputFormat, PaintOrder, TrainOrder};

    use super::*;

    fn order(recipe: train::Recipe) -> TrainOrder {
        TrainOrder { recipe: Some(recipe), ..TrainOrder::new("wave".parse().unwrap()) }
    }

    #[test]
    fn what_is_promised_as_default_is_what_the_numerics_call_their_recipes() {
        let house = order(train::Recipe::House).fill().unwrap();
        assert_eq!(training(&house), Recipe { learning_rate: 2e-3, ..Recipe::house() }, "with a warm start");
        assert_eq!(training(&order(train::Recipe::Johnson).fill().unwrap()), Recipe::johnson());
    }

    #[test]
    fn a_paintings_defaults_are_those_of_the_numerics_too() {
        let order = PaintOrder::default().fill(1, OutputFormat::Png).unwrap();
        assert_eq!(painting(&order), PaintRecipe::default());
        let order = PaintOrder {
            steps: Some(7),
            optimizer: Some(Optimizer::Adam),
            init: Some(PaintInit::Noise),
            seed: Some(9),
            content_weight: Some(1.5),
            style_weight: Some(2.5),
            tv_weight: Some(3.5),
            ..PaintOrder::default()
        };
        let losses = LossWeights { content: 1.5, style: 2.5, total_variation: 3.5, ..LossWeights::house() };
        let expected =
            PaintRecipe { losses, steps: 7, optimizer: painter::Optimizer::Adam, start: Start::Noise, seed: 9 };
        assert_eq!(painting(&order.fill(1, OutputFormat::Png).unwrap()), expected);
    }

    #[test]
    fn every_knob_arrives() {
        let order = TrainOrder {
            steps: Some(7),
            batch: Some(3),
            size: Some(128),
            art_size: Some(200),
            seed: Some(9),
            learning_rate: Some(0.5),
            content_weight: Some(1.5),
            style_weight: Some(2.5),
            tv_weight: Some(3.5),
            norm: Some(Norm::Batch),
            upsample: Some(Upsample::Transposed),
            width: Some(24),
            residuals: Some(4),
            early_stop: true,
            checkpoint_every: Some(11),
            ..order(train::Recipe::House)
        };
        let recipe = training(&order.fill().unwrap());
        let losses = LossWeights { content: 1.5, style: 2.5, total_variation: 3.5, ..LossWeights::house() };
        let expected = Recipe {
            losses,
            width: 24,
            residuals: 4,
            norm: NormKind::Batch,
            enlargement: Enlargement::Transposed,
            steps: 7,
            batch: 3,
            size: 128,
            art_size: 200,
            learning_rate: 0.5,
            seed: 9,
            checkpoint_every: 11,
            early_stop: true,
        };
        assert_eq!(recipe, expected);
    }
}
