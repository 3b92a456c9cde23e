//! Carries a plan out.

use std::ops::{ControlFlow, Range};

use super::finish::{Planes, finish};
use super::plan::{HALO, Keep, Passes, Plan, Segment, chain_rows, pass_rows, stage_work};
use super::{Executor, ExecutorError, Painting};
use crate::kernels::ComputePool;
use crate::kernels::direct::Input;
use crate::kernels::elementwise::residual_sum;
use crate::kernels::layout::Shape;
use crate::kernels::norm::{Moment, Moments};
use crate::kernels::output::{Epilogue, Target};
use crate::kernels::simd::{Block, LANES, floats_mut};
use crate::kernels::source::{Affine, Photo, Pixels, Prelude, Source};

/// One picture on its way.
pub(super) struct Run<'a> {
    executor: &'a Executor,
    pool: &'a ComputePool,
    plan: &'a Plan,
    photo: Pixels<'a>,
    painting: Painting<'a>,
    progress: &'a mut dyn FnMut(f32) -> ControlFlow<()>,
    /// Of each stage, once known: what its norm does.
    affines: Vec<Option<Vec<Affine>>>,
    /// Of each stage: the statistics of the pass under way.
    moments: Vec<Moments>,
    done: f64,
}

/// Where the last stage of a chain writes.
enum To<'t> {
    /// Some rows of a tensor, of which `held` are at hand.
    Tensor { blocks: &'t mut [Block], held: Range<usize> },
    /// A whole tensor, to which they are added.
    Sum(&'t mut [Block]),
    /// Planes of the rows that are written.
    Planes(&'t mut [f32]),
}

/// Which end of the arena the kept tensor lies at.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Low,
    High,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        executor: &'a Executor,
        pool: &'a ComputePool,
        plan: &'a Plan,
        photo: Pixels<'a>,
        painting: Painting<'a>,
        progress: &'a mut dyn FnMut(f32) -> ControlFlow<()>,
    ) -> Self {
        let count = plan.height * plan.width * 3;
        let photo_count = match photo {
            Pixels::Rgb8(bytes) => bytes.len(),
            Pixels::Planar(values) => values.len(),
        };
        let painting_count = match &painting {
            Painting::Rgb8(bytes) => bytes.len(),
            Painting::Planar(values) => values.len(),
        };
        assert_eq!((photo_count, painting_count), (count, count), "photo and painting have the plan's size");
        let moments: Vec<_> = plan.shapes[1..].iter().map(|shape| Moments::new(*shape)).collect();
        let known =
            |(i, stage): (usize, &super::Stage)| (!stage.needs_moments()).then(|| stage.affine(&moments[i])).flatten();
        let affines = executor.stages.iter().enumerate().map(known).collect();
        Self { executor, pool, plan, photo, painting, progress, affines, moments, done: 0.0 }
    }

    pub(super) fn all(mut self, arena: &mut [Block]) -> Result<(), ExecutorError> {
        // The kept tensor: its end of the arena, its size, and the stage whose norm its readers apply.
        let (mut end, mut kept, mut source) = (End::High, 0, None);
        let plan = self.plan;
        for segment in &plan.segments {
            let (low, high) = arena.split_at_mut(if end == End::Low { kept } else { arena.len() - kept });
            let (current, rest) = if end == End::Low { (low, high) } else { (high, low) };
            match segment {
                Segment::Residual { first, keep, passes } => {
                    self.residual(*first, *keep, passes, source, current, rest)?;
                    source = None;
                }
                Segment::Chain(passes) => {
                    let index = passes.stages.end;
                    let next = if index < self.executor.stages.len() { plan.shapes[index].blocks() } else { 0 };
                    // The new tensor goes to the other end.
                    let (strips, to) = if end == End::Low {
                        rest.split_at_mut(rest.len() - next)
                    } else {
                        let (to, strips) = rest.split_at_mut(next);
                        (strips, to)
                    };
                    self.chain(passes, source, current, strips, to)?;
                    end = if end == End::Low { End::High } else { End::Low };
                    (kept, source) = (next, Some(index - 1));
                }
            }
        }
        Ok(())
    }

    /// All passes of a chain of stages.
    fn chain(
        &mut self,
        passes: &Passes,
        source: Option<usize>,
        current: &[Block],
        strips: &mut [Block],
        to: &mut [Block],
    ) -> Result<(), ExecutorError> {
        let stages = passes.stages.clone();
        for last in stages.start..stages.end - 1 {
            if self.executor.stages[last].needs_moments() {
                self.pass(passes, last, source, current, strips, None)?;
            }
        }
        if stages.end == self.executor.stages.len() {
            self.paint(passes, source, current, strips)
        } else {
            self.pass(passes, stages.end - 1, source, current, strips, Some(to))
        }
    }

    /// One pass from the kept tensor to the output of stage `last`, which is stored in `to` or thrown away.
    fn pass(
        &mut self,
        passes: &Passes,
        last: usize,
        source: Option<usize>,
        current: &[Block],
        strips: &mut [Block],
        mut to: Option<&mut [Block]>,
    ) -> Result<(), ExecutorError> {
        let first = passes.stages.start;
        let shape = self.plan.shapes[last + 1];
        self.begin(first..last + 1);
        for rows in self.strips(passes, last) {
            let affines = self.affines.clone();
            let input = self.input(first, source, &affines, current);
            if let Some(blocks) = to.as_deref_mut() {
                let to = To::Tensor { blocks, held: 0..shape.height };
                self.strip(&affines, input, first, last, rows, strips, to)?;
            } else {
                let (thrown, strips) = strips.split_at_mut(Shape { height: rows.len(), ..shape }.blocks());
                let to = To::Tensor { blocks: thrown, held: rows.clone() };
                self.strip(&affines, input, first, last, rows, strips, to)?;
            }
        }
        self.end_with_norm(first..last + 1)
    }

    /// The last passes: to the planes, and from them to the painting.
    fn paint(
        &mut self,
        passes: &Passes,
        source: Option<usize>,
        current: &[Block],
        strips: &mut [Block],
    ) -> Result<(), ExecutorError> {
        let (first, last) = (passes.stages.start, passes.stages.end - 1);
        let (stage, shape) = (&self.executor.stages[last], self.plan.shapes[last + 1]);
        let margin = self.executor.network.margin;
        let mut moments = [Moment::default(); 3];
        for is_final in [false, true] {
            if !is_final && !stage.needs_moments() {
                continue;
            }
            self.begin(first..last);
            let finish = finish(&stage.conv, self.affines[last].as_ref(), self.executor.network.output);
            let mut finite = true;
            for rows in self.strips(passes, last) {
                let affines = self.affines.clone();
                let input = self.input(first, source, &affines, current);
                let count = 3 * rows.len() * shape.width;
                let (planes, strips) = strips.split_at_mut(count.div_ceil(LANES));
                let values = &mut floats_mut(planes)[..count];
                self.strip(&affines, input, first, last, rows.clone(), strips, To::Planes(values))?;
                let mut planes = Planes { values, shape, rows };
                if is_final {
                    finite &= planes.store(self.pool, &finish, self.plan, margin, &mut self.painting);
                } else {
                    planes.moments(self.pool, &mut moments);
                }
            }
            self.end(first..last)?;
            if !finite || !moments.iter().all(Moment::is_finite) {
                return Err(ExecutorError::NotFinite { layer: stage.conv.name.clone() });
            }
            if !is_final {
                self.affines[last] = stage.affine(&Moments::of(&moments));
            }
        }
        Ok(())
    }

    /// A residual block, in place.
    fn residual(
        &mut self,
        first: usize,
        keep: Keep,
        passes: &Passes,
        source: Option<usize>,
        x: &mut [Block],
        rest: &mut [Block],
    ) -> Result<(), ExecutorError> {
        let shape = self.plan.shapes[first];
        if keep == Keep::Nothing {
            return self.residual_in_strips(first, passes, source, x, rest);
        }
        let (a, rest) = rest.split_at_mut(self.plan.shapes[first + 1].blocks());
        let whole = |stage: usize| Passes { stages: stage..stage + 1, ..passes.clone() };
        self.pass(&whole(first), first, source, x, &mut [], Some(a))?;
        let second = whole(first + 1);
        if self.executor.stages[first + 1].is_plain()
            && matches!(self.executor.prelude(&self.affines, source), Prelude::Plain)
        {
            return self.sum_in_place(&second, first + 1, a, x);
        }
        if keep == Keep::Both {
            let (b, _) = rest.split_at_mut(shape.blocks());
            self.pass(&second, first + 1, Some(first), a, &mut [], Some(b))?;
            let affines = self.affines.clone();
            let prelude = self.executor.prelude(&affines, source);
            let b = Source { prelude: self.executor.prelude(&affines, Some(first + 1)), ..Source::whole(b, shape) };
            for rows in self.strips(&second, first + 1) {
                residual_sum(self.pool, x, shape, prelude, &b, rows);
                self.tell()?;
            }
            return Ok(());
        }
        if self.executor.stages[first + 1].needs_moments() {
            self.pass(&second, first + 1, Some(first), a, rest, None)?;
        }
        self.begin(first + 1..first + 2);
        for rows in self.strips(&second, first + 1) {
            let affines = self.affines.clone();
            let input = self.input(first + 1, Some(first), &affines, a);
            self.sum_strip(&affines, input, first + 1, first, source, rows, x, rest)?;
        }
        self.end(first + 1..first + 2)
    }

    /// The second stage of a residual block, added to `x` as it is stored: neither has anything left to be done to it.
    fn sum_in_place(
        &mut self,
        passes: &Passes,
        stage: usize,
        a: &[Block],
        x: &mut [Block],
    ) -> Result<(), ExecutorError> {
        self.begin(stage..stage + 1);
        for rows in self.strips(passes, stage) {
            let affines = self.affines.clone();
            let input = self.input(stage, Some(stage - 1), &affines, a);
            self.strip(&affines, input, stage, stage, rows, &mut [], To::Sum(&mut *x))?;
        }
        self.end(stage..stage + 1)
    }

    /// A residual block of which nothing is kept: old rows that the next strip still needs are set aside.
    fn residual_in_strips(
        &mut self,
        first: usize,
        passes: &Passes,
        source: Option<usize>,
        x: &mut [Block],
        strips: &mut [Block],
    ) -> Result<(), ExecutorError> {
        for last in [first, first + 1] {
            if self.executor.stages[last].needs_moments() {
                self.pass(passes, last, source, x, strips, None)?;
            }
        }
        let shape = self.plan.shapes[first];
        self.begin(first..first + 2);
        let mut held = 0..0;
        let most = strips
            .len()
            .min(Shape { height: shape.height.min(self.rows(passes, first + 1) + 2 * HALO), ..shape }.blocks());
        let (old, strips) = strips.split_at_mut(most);
        for rows in self.strips(passes, first + 1) {
            let stages = &self.executor.stages;
            let inner = chain_rows(stages, &self.plan.shapes, first, first + 1, rows.clone());
            let needed = stages[first].input_rows(inner[0].clone(), shape);
            let count = Shape { height: needed.len(), ..shape }.blocks();
            set_aside(x, shape, old, &held, &needed);
            held = needed;
            let affines = self.affines.clone();
            let source_rows = Source {
                blocks: &old[..count],
                shape,
                first_row: held.start,
                rows: held.len(),
                prelude: self.executor.prelude(&affines, source),
            };
            self.sum_strip(&affines, Input::Blocked(source_rows), first, first, source, rows, x, strips)?;
        }
        self.end(first..first + 2)
    }

    /// Computes some rows of a residual block's second stage from stage `from` on, and adds them to `x`.
    #[expect(clippy::too_many_arguments, reason = "a step shared by two ways to run a residual block")]
    fn sum_strip(
        &mut self,
        affines: &[Option<Vec<Affine>>],
        input: Input<'_>,
        from: usize,
        first: usize,
        source: Option<usize>,
        rows: Range<usize>,
        x: &mut [Block],
        strips: &mut [Block],
    ) -> Result<(), ExecutorError> {
        let shape = self.plan.shapes[first];
        let count = Shape { height: rows.len(), ..shape }.blocks();
        let (b, strips) = strips.split_at_mut(count);
        let to = To::Tensor { blocks: b, held: rows.clone() };
        self.strip(affines, input, from, first + 1, rows.clone(), strips, to)?;
        let prelude = self.executor.prelude(affines, Some(first + 1));
        let b = Source { blocks: b, shape, first_row: rows.start, rows: rows.len(), prelude };
        residual_sum(self.pool, x, shape, self.executor.prelude(affines, source), &b, rows);
        Ok(())
    }

    /// Computes some rows of stage `last` from the input of stage `first`.
    #[expect(clippy::too_many_arguments, reason = "the one place where a chain is computed")]
    fn strip(
        &mut self,
        affines: &[Option<Vec<Affine>>],
        input: Input<'_>,
        first: usize,
        last: usize,
        rows: Range<usize>,
        mut strips: &mut [Block],
        to: To<'_>,
    ) -> Result<(), ExecutorError> {
        let (executor, plan, pool) = (self.executor, self.plan, self.pool);
        let ranges = chain_rows(&executor.stages, &plan.shapes, first, last, rows.clone());
        let mut input = input;
        for (i, held) in (first..last).zip(ranges) {
            let shape = plan.shapes[i + 1];
            let (blocks, rest) = strips.split_at_mut(Shape { height: held.len(), ..shape }.blocks());
            strips = rest;
            let moments = self.collected(i, last);
            let target =
                Target { held: held.clone(), rows: held.clone(), moments, ..Target::whole(&mut *blocks, shape) };
            executor.stages[i].run(pool, &input, target);
            let prelude = executor.prelude(affines, Some(i));
            input = Input::Blocked(Source { blocks, shape, first_row: held.start, rows: held.len(), prelude });
        }
        let (stage, shape, count) = (&executor.stages[last], plan.shapes[last + 1], rows.len());
        match (to, &input) {
            (To::Tensor { blocks, held }, input) => {
                let moments = self.collected(last, last);
                stage.run(pool, input, Target { held, rows, moments, ..Target::whole(blocks, shape) });
            }
            (To::Sum(blocks), input) => {
                let sum = Epilogue { adds: true, ..Epilogue::default() };
                let moments = self.collected(last, last);
                stage.run(pool, input, Target { rows, moments, ..Target::whole(blocks, shape) }.with(sum));
            }
            (To::Planes(values), Input::Blocked(source)) => stage.run_narrow(pool, source, shape, rows, values),
            (To::Planes(_), Input::Photo(_)) => unreachable!("a network's first stage is not its last"),
        }
        let work = (first..=last).map(|i| stage_work(&executor.stages[i], plan.shapes[i + 1])).sum::<f64>();
        self.done += work * count as f64 / shape.height as f64;
        self.tell()
    }

    fn tell(&mut self) -> Result<(), ExecutorError> {
        match (self.progress)((self.done / self.plan.work).min(1.0) as f32) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ExecutorError::Interrupted),
        }
    }

    /// Returns where the statistics of a stage go in a pass that ends with stage `last`, if anywhere.
    fn collected(&mut self, stage: usize, last: usize) -> Option<&mut Moments> {
        let again = stage != last && self.executor.stages[stage].needs_moments();
        (!again).then(|| &mut self.moments[stage])
    }

    fn begin(&mut self, stages: Range<usize>) {
        self.moments[stages].iter_mut().for_each(Moments::clear);
    }

    /// Checks what a pass has computed.
    fn end(&mut self, stages: Range<usize>) -> Result<(), ExecutorError> {
        for i in stages.clone() {
            if !self.moments[i].is_finite() {
                return Err(ExecutorError::NotFinite { layer: self.executor.stages[i].conv.name.clone() });
            }
        }
        Ok(())
    }

    /// The same, and takes the last stage's norm from what the pass has gathered of it.
    fn end_with_norm(&mut self, stages: Range<usize>) -> Result<(), ExecutorError> {
        let last = stages.end - 1;
        self.end(stages)?;
        if self.executor.stages[last].needs_moments() {
            self.affines[last] = self.executor.stages[last].affine(&self.moments[last]);
        }
        Ok(())
    }

    /// Returns the input of stage `first`: the kept tensor, or the photo.
    fn input<'m>(
        &self,
        first: usize,
        source: Option<usize>,
        affines: &'m [Option<Vec<Affine>>],
        current: &'m [Block],
    ) -> Input<'m>
    where
        'a: 'm,
    {
        let plan: &'a Plan = self.plan;
        if first > 0 {
            let prelude = self.executor.prelude(affines, source);
            return Input::Blocked(Source { prelude, ..Source::whole(current, plan.shapes[first]) });
        }
        let map = self.executor.network.input;
        let (pixels, width, scale, shift) = (self.photo, plan.width, map.scale, map.shift);
        Input::Photo(Photo { pixels, width, rows: &plan.rows, columns: &plan.columns, scale, shift })
    }

    fn rows(&self, passes: &Passes, last: usize) -> usize {
        let threads = self.pool.threads();
        pass_rows(&self.executor.stages, &self.plan.shapes, &passes.stages, last, passes.strip, threads)
    }

    /// Returns the strips of stage `last`'s output.
    fn strips(&self, passes: &Passes, last: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (rows, height) = (self.rows(passes, last), self.plan.shapes[last + 1].height);
        (0..height).step_by(rows).map(move |start| start..height.min(start + rows))
    }
}

impl Executor {
    /// Returns what a reader of a stage's output applies; nothing to a sum.
    fn prelude<'m>(&self, affines: &'m [Option<Vec<Affine>>], stage: Option<usize>) -> Prelude<'m> {
        stage.map_or(Prelude::Plain, |i| self.stages[i].prelude(affines[i].as_ref()))
    }
}

/// Brings the rows `needed` of `x` to `old`, which holds the rows `held`: rows of `x` that come before the end of those
/// may have been overwritten since.
fn set_aside(x: &[Block], shape: Shape, old: &mut [Block], held: &Range<usize>, needed: &Range<usize>) {
    let width = shape.width;
    let (had, have) = (held.len() * width, needed.len() * width);
    let common = held.end.saturating_sub(needed.start).min(held.len()) * width;
    // Planes change their size, so that they move up from the first or down from the last.
    let order: Vec<_> =
        if have <= had { (0..shape.channel_blocks()).collect() } else { (0..shape.channel_blocks()).rev().collect() };
    for cb in order {
        old.copy_within((cb + 1) * had - common..(cb + 1) * had, cb * have);
        let from = (cb * shape.height + needed.start) * width;
        old[cb * have + common..(cb + 1) * have].copy_from_slice(&x[from + common..from + have]);
    }
}
