//! Products of channels, averaged over the pixels of each picture: what style is measured by.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use super::Ops;
use super::blocked::{Blocked, values};
use super::operation::{Operation, Pass, record};
use crate::kernels::ComputePool;
use crate::kernels::gram::{gram, mix};
use crate::kernels::layout::Shape;

/// Which products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// Of the values: the Gram matrix.
    Zero,
    /// Of their distances from the channels' means: covariances.
    Mean,
}

struct Products {
    about: About,
    kernels: Option<Arc<ComputePool>>,
}

impl Operation for Products {
    const NAME: &'static str = "products of channels";

    fn backward(&self, pass: &Pass<'_>) -> Result<Vec<Option<Tensor>>> {
        let (x, gradient) = (&pass.arguments[0], &pass.gradient);
        let (.., height, width) = x.dims4()?;
        // Each product is of two channels, and has a gradient with respect to both. (That through the means is 0.)
        let matrix = (gradient + gradient.t()?)?.affine(1.0 / (height * width) as f64, 0.0)?;
        let by_x = match &self.kernels {
            Some(pool) => self.mixed(pool, x, &matrix)?,
            None => matrix.contiguous()?.matmul(&self.flat(x)?)?.reshape(x.shape())?,
        };
        Ok(vec![Some(by_x)])
    }
}

impl Products {
    /// Returns `(n, c, h * w)`, about the means where they are asked for.
    fn flat(&self, x: &Tensor) -> Result<Tensor> {
        let flat = x.flatten_from(2)?.contiguous()?;
        match self.about {
            About::Zero => Ok(flat),
            About::Mean => {
                let mean = x.mean_keepdim(3)?.mean_keepdim(2)?.flatten_from(2)?;
                flat.broadcast_sub(&mean)
            }
        }
    }

    fn on_kernels(&self, pool: &ComputePool, x: &Tensor) -> Result<Tensor> {
        let x = Blocked::of(pool, x)?;
        let (pixels, c) = (x.shape.plane() as f64, x.shape.channels);
        let mut products = Vec::with_capacity(x.shape.batch * c * c);
        for gram in gram(pool, x.shape, &x.blocks) {
            let mean = |c: usize| if self.about == About::Mean { gram.sums[c] / pixels } else { 0.0 };
            let own = gram.products.iter().enumerate();
            products.extend(own.map(|(i, product)| (product / pixels - mean(i / c) * mean(i % c)) as f32));
        }
        Tensor::from_vec(products, (x.shape.batch, c, c), &Device::Cpu)
    }

    /// Returns the matrix times the features, about their means where they are asked for.
    fn mixed(&self, pool: &ComputePool, x: &Tensor, matrix: &Tensor) -> Result<Tensor> {
        let (x, matrix) = (Blocked::of(pool, x)?, values(matrix)?);
        let (c, picture) = (x.shape.channels, x.shape.channel_blocks() * x.shape.plane());
        let (one, pixels) = (Shape { batch: 1, ..x.shape }, x.shape.plane() as f64);
        let mut out = Blocked::zeros(x.shape);
        let sums: Vec<_> = gram(pool, x.shape, &x.blocks).into_iter().map(|gram| gram.sums).collect();
        for (n, (sums, matrix)) in sums.iter().zip(matrix.chunks_exact(c * c)).enumerate() {
            let through_mean = |row: &[f32]| {
                let products = row.iter().zip(sums).map(|(m, sum)| f64::from(*m) * sum / pixels);
                if self.about == About::Mean { -products.sum::<f64>() as f32 } else { 0.0 }
            };
            let bias: Vec<_> = matrix.chunks_exact(c).map(through_mean).collect();
            let range = n * picture..(n + 1) * picture;
            mix(pool, one, &x.blocks[range.clone()], matrix, &bias, &mut out.blocks[range]);
        }
        out.tensor(pool)
    }
}

/// Returns the means of channels: `(n, c, h, w) -> (n, c)`.
pub(crate) fn channel_means(x: &Tensor) -> Result<Tensor> {
    x.mean(3)?.mean(2)
}

impl Ops {
    /// Returns the mean products of channels: `(n, c, h, w) -> (n, c, c)`.
    pub(crate) fn gram(&self, x: &Tensor) -> Result<Tensor> {
        self.products(x, About::Zero)
    }

    /// Returns the covariances of channels: `(n, c, h, w) -> (n, c, c)`.
    pub(crate) fn covariance(&self, x: &Tensor) -> Result<Tensor> {
        self.products(x, About::Mean)
    }

    fn products(&self, x: &Tensor, about: About) -> Result<Tensor> {
        let products = Products { about, kernels: self.kernels.clone() };
        let result = if let Some(pool) = &self.kernels {
            products.on_kernels(pool, x)?
        } else {
            let (flat, (.., height, width)) = (products.flat(&x.detach())?, x.dims4()?);
            flat.matmul(&flat.t()?.contiguous()?)?.affine(1.0 / (height * width) as f64, 0.0)?
        };
        record(products, &[x], result)
    }
}
