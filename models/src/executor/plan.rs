//! Which tensors are kept whole, which are computed again in strips, and how much memory and work that takes.
//!
//! Between two kept tensors lies a segment: a chain of convolutions, or one residual block, which works in place. All
//! ways to cut a network into segments are compared; the one with the least work of those that fit the budget wins.

use std::ops::Range;

use super::stage::{Element, Stage};
use super::{Executor, ExecutorError};
use crate::kernels::layout::Shape;
use crate::kernels::simd::{Block, LANES};
use crate::network::Network;

/// What a picture of one size takes, and how it is painted.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) height: usize,
    pub(super) width: usize,
    /// The input of each stage, and the output of the last.
    pub(super) shapes: Vec<Shape>,
    /// Which photo's row and column the first stage sees.
    pub(super) rows: Vec<usize>,
    pub(super) columns: Vec<usize>,
    pub(super) segments: Vec<Segment>,
    pub(super) work: f64,
    arena_blocks: usize,
    memory: usize,
}

/// What is done between two kept tensors.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    /// A chain of stages from the tensor at hand to a new one, or to the painting.
    Chain(Passes),
    /// A residual block on the tensor at hand.
    Residual {
        /// Its first stage.
        first: usize,
        /// What is kept of its inside.
        keep: Keep,
        /// Its passes, where something of the inside is not kept.
        passes: Passes,
    },
}

/// What of a residual block's inside is kept whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Both convolutions' outputs.
    Both,
    /// The first one's.
    First,
    /// Nothing.
    Nothing,
}

/// Passes over all strips of a chain of stages: one a norm inside, the last for the result.
#[derive(Clone, Debug)]
pub(super) struct Passes {
    pub(super) stages: Range<usize>,
    /// Rows of a strip, of the first stage's input.
    pub(super) strip: usize,
    /// Blocks of all strips of a pass together.
    pub(super) blocks: usize,
}

/// Multiplications of a strip, per thread: a few milliseconds.
pub(super) const WORK_A_STRIP: f64 = 6e8;
/// More memory than any machine has, in bytes.
const MOST_BUDGET: usize = 1 << 48;
/// Bytes that a thread's own scratch memory may take.
const SCRATCH: usize = 3 << 20;

impl Plan {
    pub(super) fn new(
        executor: &Executor,
        height: usize,
        width: usize,
        budget: usize,
        threads: usize,
    ) -> Result<Self, ExecutorError> {
        let network = &executor.network;
        let (rows, columns) = (network.source_indices(height), network.source_indices(width));
        let shapes = shapes(network, executor, rows.len(), columns.len());
        let fixed = threads * SCRATCH + size_of::<Block>();
        let blocks = budget.saturating_sub(fixed) / size_of::<Block>();
        let planner = Planner { executor, shapes: &shapes, budget: blocks, threads };
        let Some(cut) = planner.best() else {
            let is_enough = |budget: usize| {
                let blocks = budget.saturating_sub(fixed) / size_of::<Block>();
                Planner { budget: blocks, ..planner }.best().is_some()
            };
            // Roughly is enough, and each try takes as long as the picture is high.
            let (mut low, mut high) = (budget, budget.max(fixed));
            while !is_enough(high) && high < MOST_BUDGET {
                (low, high) = (high, high * 2);
            }
            while high - low > high / 1024 {
                let middle = low + (high - low) / 2;
                if is_enough(middle) { high = middle } else { low = middle }
            }
            return Err(ExecutorError::Memory { needed: high, budget });
        };
        let memory = cut.blocks * size_of::<Block>() + fixed;
        Ok(Self {
            height,
            width,
            rows,
            columns,
            segments: cut.segments,
            work: cut.work,
            arena_blocks: cut.blocks,
            memory,
            shapes,
        })
    }

    /// Returns how many bytes it takes, the photo and the painting not counted.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }

    pub(super) fn arena_blocks(&self) -> usize {
        self.arena_blocks
    }
}

fn shapes(network: &Network, executor: &Executor, height: usize, width: usize) -> Vec<Shape> {
    let mut shapes = vec![Shape { batch: 1, channels: 3, height, width }];
    let (mut height, mut width) = (height, width);
    debug_assert_eq!(network.convs().count(), executor.stages.len(), "a stage a convolution");
    for stage in &executor.stages {
        (height, width) = stage.conv.output_size(height, width);
        shapes.push(Shape { batch: 1, channels: stage.conv.outputs, height, width });
    }
    shapes
}

/// The best way so far to have the tensor after some elements.
#[derive(Clone)]
struct Cut {
    work: f64,
    blocks: usize,
    segments: Vec<Segment>,
}

#[derive(Clone, Copy)]
struct Planner<'a> {
    executor: &'a Executor,
    shapes: &'a [Shape],
    budget: usize,
    threads: usize,
}

impl Planner<'_> {
    fn best(&self) -> Option<Cut> {
        let elements = &self.executor.elements;
        let mut best: Vec<Option<Cut>> = vec![None; elements.len() + 1];
        best[0] = Some(Cut { work: 0.0, blocks: 0, segments: Vec::new() });
        for end in 1..=elements.len() {
            for start in (0..end).rev() {
                let before = best[start].clone();
                let (Some(before), Some(segment)) = (before, self.segment(start, end)) else { continue };
                let work = before.work + segment.work;
                if best[end].as_ref().is_none_or(|found| work < found.work) {
                    let mut segments = before.segments;
                    segments.extend(segment.segments);
                    best[end] = Some(Cut { work, blocks: before.blocks.max(segment.blocks), segments });
                }
            }
        }
        best.pop().flatten()
    }

    /// Returns the segment of some elements, if there is one within the budget.
    fn segment(&self, start: usize, end: usize) -> Option<Cut> {
        let elements = &self.executor.elements[start..end];
        if let [Element::Residual(first)] = elements {
            return self.residual(*first);
        }
        let stages = elements.iter().map(|e| if let Element::Conv(i) = e { Some(*i) } else { None });
        let stages: Vec<_> = stages.collect::<Option<_>>()?;
        let stages = stages[0]..stages[stages.len() - 1] + 1;
        let whole = self.kept(stages.start) + self.kept(stages.end);
        let passes = self.passes(stages.clone(), self.budget.checked_sub(whole)?)?;
        let work = self.passes_work(&stages);
        Some(Cut { work, blocks: whole + passes.blocks, segments: vec![Segment::Chain(passes)] })
    }

    /// Returns the blocks of a kept tensor: none for the photo and for the painting.
    fn kept(&self, index: usize) -> usize {
        let is_inner = index > 0 && index < self.executor.stages.len();
        if is_inner { self.shapes[index].blocks() } else { 0 }
    }

    fn residual(&self, first: usize) -> Option<Cut> {
        let both = [Keep::Both, Keep::First, Keep::Nothing];
        both.into_iter().filter_map(|keep| self.residual_keeping(first, keep)).min_by(|a, b| a.work.total_cmp(&b.work))
    }

    fn residual_keeping(&self, first: usize, keep: Keep) -> Option<Cut> {
        let [x, a, b] = [first, first + 1, first + 2].map(|i| self.shapes[i].blocks());
        let single = |stage: usize| self.passes_work(&(stage..stage + 1));
        let (whole, stages, work) = match keep {
            Keep::Both => (x + a + b, first + 1..first + 2, single(first) + single(first + 1)),
            Keep::First => {
                let again = if self.executor.stages[first + 1].needs_moments() { 2.0 } else { 1.0 };
                (x + a, first + 1..first + 2, single(first) + again * single(first + 1))
            }
            Keep::Nothing => {
                let stages = first..first + 2;
                let mut work = self.passes_work(&stages);
                if self.executor.stages[first + 1].needs_moments() {
                    work += single(first) + single(first + 1);
                }
                (x, stages, work)
            }
        };
        let budget = self.budget.checked_sub(whole)?;
        let strip_count = usize::from(keep == Keep::Nothing);
        for strip in self.strips(&stages) {
            let mut blocks = self.strip_blocks(&stages, strip);
            if keep != Keep::Both {
                // The last stage's own strip, and the old rows of what is overwritten.
                let rows = self.pass_rows(&stages, stages.end - 1, strip);
                blocks += self.shapes[stages.end].with_rows(rows).blocks();
                blocks += strip_count * self.shapes[first].with_rows(rows + 2 * HALO).blocks();
            }
            if blocks <= budget {
                let passes = Passes { stages, strip, blocks };
                return Some(Cut {
                    work,
                    blocks: whole + blocks,
                    segments: vec![Segment::Residual { first, keep, passes }],
                });
            }
        }
        None
    }

    fn passes(&self, stages: Range<usize>, budget: usize) -> Option<Passes> {
        for strip in self.strips(&stages) {
            let mut blocks = self.strip_blocks(&stages, strip);
            if stages.end == self.executor.stages.len() {
                let planes = self.shapes[stages.end].with_rows(self.pass_rows(&stages, stages.end - 1, strip));
                blocks += planes.elements().div_ceil(LANES);
            }
            // Inner passes throw their last stage's output away, but have to write it somewhere.
            let inner = (stages.start..stages.end - 1).filter(|i| self.executor.stages[*i].needs_moments());
            let thrown = inner.map(|i| self.shapes[i + 1].with_rows(self.pass_rows(&stages, i, strip)).blocks()).max();
            blocks += thrown.unwrap_or(0);
            if blocks <= budget {
                return Some(Passes { stages, strip, blocks });
            }
        }
        None
    }

    /// Returns heights of strips to try, tall ones first.
    fn strips(&self, stages: &Range<usize>) -> impl Iterator<Item = usize> + use<> {
        let height = self.shapes[stages.start].height;
        [1024, 512, 256, 128, 64, 32, 16].into_iter().skip_while(move |s| *s > height.next_multiple_of(16).max(16))
    }

    /// Returns the rows of a strip of a stage's output.
    fn pass_rows(&self, stages: &Range<usize>, stage: usize, strip: usize) -> usize {
        pass_rows(&self.executor.stages, self.shapes, stages, stage, strip, self.threads)
    }

    /// Returns the blocks of all inner strips of the pass that takes most.
    fn strip_blocks(&self, stages: &Range<usize>, strip: usize) -> usize {
        let mut most = 0;
        for last in stages.clone() {
            let rows = self.pass_rows(stages, last, strip);
            let height = self.shapes[last + 1].height;
            let mut tallest = vec![0; last - stages.start];
            for start in (0..height).step_by(rows) {
                let ranges =
                    chain_rows(&self.executor.stages, self.shapes, stages.start, last, start..height.min(start + rows));
                for (tallest, range) in tallest.iter_mut().zip(&ranges) {
                    *tallest = range.len().max(*tallest);
                }
            }
            let blocks =
                tallest.iter().enumerate().map(|(i, rows)| self.shapes[stages.start + i + 1].with_rows(*rows).blocks());
            most = most.max(blocks.sum());
        }
        most
    }

    /// Returns the multiplications of all passes of a chain.
    fn passes_work(&self, stages: &Range<usize>) -> f64 {
        let all = &self.executor.stages;
        let upto = |end: usize| -> f64 { (stages.start..end).map(|i| stage_work(&all[i], self.shapes[i + 1])).sum() };
        let inner = (stages.start..stages.end - 1).filter(|i| all[*i].needs_moments()).map(|i| upto(i + 1));
        let last = stages.end - 1;
        let again = last + 1 == all.len() && all[last].needs_moments();
        inner.sum::<f64>() + upto(stages.end) * if again { 2.0 } else { 1.0 }
    }
}

/// Rows beyond a strip that a 3x3 convolution of a 3x3 convolution reads, rounded up.
pub(super) const HALO: usize = 4;

impl Shape {
    fn with_rows(self, rows: usize) -> Self {
        Self { height: rows.min(self.height), ..self }
    }
}

pub(super) fn stage_work(stage: &Stage, output: Shape) -> f64 {
    stage.row_work(output) * output.height as f64
}

/// Returns the rows of a strip of a stage's output: a share of `strip`, fewer where that is too much work at once.
pub(super) fn pass_rows(
    all: &[Stage],
    shapes: &[Shape],
    stages: &Range<usize>,
    stage: usize,
    strip: usize,
    threads: usize,
) -> usize {
    let (from, to) = (shapes[stages.start].height, shapes[stage + 1].height);
    let share = (strip * to).div_ceil(from.max(1));
    let work: f64 = (stages.start..=stage).map(|i| stage_work(&all[i], shapes[i + 1])).sum();
    let quick = WORK_A_STRIP * threads as f64 / (work / to as f64).max(1.0);
    let single = stages.start == stage;
    let rows = if single { quick } else { quick.min(share as f64) };
    (rows as usize).clamp(4, to.next_multiple_of(4)) / 4 * 4
}

/// Returns the rows that each stage of a chain but the last has to compute for some rows of the last one.
pub(super) fn chain_rows(
    all: &[Stage],
    shapes: &[Shape],
    first: usize,
    last: usize,
    rows: Range<usize>,
) -> Vec<Range<usize>> {
    let mut ranges = Vec::with_capacity(last - first);
    let mut rows = rows;
    for i in (first + 1..=last).rev() {
        let needed = all[i].input_rows(rows, shapes[i]);
        // Doubled tiles begin at even rows.
        rows = needed.start / 2 * 2..needed.end;
        ranges.push(rows.clone());
    }
    ranges.reverse();
    ranges
}
