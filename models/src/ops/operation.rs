//! An operation whose gradient is written here and not candle's.
//!
//! The result is computed first, from tensors without a history, by whatever way suits the device. Then it enters the
//! graph as the outcome of a custom operation, whose backward pass is the operation's own. Where no gradient is wanted
//! nothing of this happens.

use std::sync::{Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Error, Layout, MetalStorage, Result, Shape, Storage,
    Tensor,
};

/// The way back through an operation.
pub(super) trait Operation: Send + Sync + 'static {
    /// Its name, for candle's errors.
    const NAME: &'static str;

    /// Returns the gradient with respect to each argument; what [`Pass::wants`] not may be left out.
    fn backward(&self, pass: &Pass<'_>) -> Result<Vec<Option<Tensor>>>;
}

/// What the way back starts from; no tensor has a history.
pub(super) struct Pass<'a> {
    pub(super) arguments: Vec<Tensor>,
    /// What the operation gave.
    pub(super) result: Tensor,
    /// The gradient with respect to it.
    pub(super) gradient: Tensor,
    wanted: &'a [bool],
}

impl Pass<'_> {
    /// Returns whether the gradient with respect to an argument has a use: frozen weights have none.
    pub(super) fn wants(&self, argument: usize) -> bool {
        self.wanted[argument]
    }
}

/// Puts the result of an operation, computed from `arguments` (one to three), into the graph.
pub(super) fn record<O: Operation>(operation: O, arguments: &[&Tensor], result: Tensor) -> Result<Tensor> {
    let wanted: Vec<_> = arguments.iter().map(|argument| argument.track_op()).collect();
    if !wanted.contains(&true) {
        return Ok(result);
    }
    let recorded = Recorded { operation, wanted, result: Mutex::new(Some(result)) };
    match arguments {
        [a] => a.apply_op1(recorded),
        [a, b] => a.apply_op2(b, recorded),
        [a, b, c] => a.apply_op3(b, c, recorded),
        _ => unreachable!("operations have one to three arguments"),
    }
}

/// An operation whose result is there already.
struct Recorded<O> {
    operation: O,
    wanted: Vec<bool>,
    /// Taken when candle asks for it.
    result: Mutex<Option<Tensor>>,
}

impl<O: Operation> Recorded<O> {
    /// Hands the result over: once, as candle runs an operation forward.
    fn stored<S: BackendStorage>(&self, of_device: impl Fn(&Storage) -> Option<&S>) -> Result<(S, Shape)> {
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = result.ok_or_else(|| Error::Msg(format!("{} was run forward twice", O::NAME)))?;
        let (_, layout) = result.storage_and_layout();
        let whole = layout.is_contiguous() && layout.start_offset() == 0;
        let result = if whole { result.clone() } else { result.force_contiguous()? };
        let (storage, layout) = result.storage_and_layout();
        let storage = of_device(&storage).ok_or_else(|| Error::Msg(format!("{} left its device", O::NAME)))?;
        Ok((storage.try_clone(layout)?, result.shape().clone()))
    }

    fn cpu(&self) -> Result<(CpuStorage, Shape)> {
        self.stored(|storage| if let Storage::Cpu(storage) = storage { Some(storage) } else { None })
    }

    fn cuda(&self) -> Result<(CudaStorage, Shape)> {
        self.stored(|storage| if let Storage::Cuda(storage) = storage { Some(storage) } else { None })
    }

    fn metal(&self) -> Result<(MetalStorage, Shape)> {
        self.stored(|storage| if let Storage::Metal(storage) = storage { Some(storage) } else { None })
    }

    fn backward(&self, arguments: &[&Tensor], result: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let pass = Pass {
            arguments: arguments.iter().map(|argument| argument.detach()).collect(),
            result: result.detach(),
            gradient: gradient.detach(),
            wanted: &self.wanted,
        };
        let mut gradients = self.operation.backward(&pass)?;
        gradients.resize(arguments.len(), None);
        Ok(gradients)
    }
}

impl<O: Operation> CustomOp1 for Recorded<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.metal()
    }

    fn bwd(&self, a: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(self.backward(&[a], result, gradient)?.remove(0))
    }
}

impl<O: Operation> CustomOp2 for Recorded<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.metal()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.backward(&[a, b], result, gradient)?;
        Ok((gradients.remove(0), gradients.remove(0)))
    }
}

impl<O: Operation> CustomOp3 for Recorded<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        self.metal()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.backward(&[a, b, c], result, gradient)?;
        Ok((gradients.remove(0), gradients.remove(0), gradients.remove(0)))
    }
}
