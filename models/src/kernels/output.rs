//! What happens to a convolution's sums before they are stored, and the statistics taken on the way.

use std::ops::Range;

use super::disjoint::Disjoint;
use super::layout::Shape;
use super::norm::{Moment, Moments};
use super::simd::{Block, LANES, Simd};
use super::threads::ComputePool;

/// What is done to every sum, in this order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Added to every pixel, one block a channel block.
    pub bias: Option<&'a [Block]>,
    /// Whether they are added to what the output holds.
    pub adds: bool,
    /// Whether negative values become zero.
    pub relu: bool,
    /// Zeroes what stands where this tensor, laid out as the output is, is not positive: the gradient of its `ReLU`.
    pub gate: Option<&'a [Block]>,
}

/// Where a convolution writes: a blocked tensor, perhaps only some of its rows.
#[derive(Debug)]
pub struct Target<'a> {
    /// The blocks of the rows at hand.
    pub blocks: &'a mut [Block],
    /// The sides of the whole tensor.
    pub shape: Shape,
    /// The rows at hand.
    pub held: Range<usize>,
    /// The rows to be written, all at hand.
    pub rows: Range<usize>,
    /// What is done to every sum.
    pub epilogue: Epilogue<'a>,
    /// Takes the statistics of what is stored, where they are wanted.
    pub moments: Option<&'a mut Moments>,
}

impl<'a> Target<'a> {
    /// Writes a whole tensor.
    #[must_use]
    pub fn whole(blocks: &'a mut [Block], shape: Shape) -> Self {
        Self {
            blocks,
            shape,
            held: 0..shape.height,
            rows: 0..shape.height,
            epilogue: Epilogue::default(),
            moments: None,
        }
    }

    /// Sets what is done to every sum.
    #[must_use]
    pub fn with(self, epilogue: Epilogue<'a>) -> Self {
        Self { epilogue, ..self }
    }

    /// Writes in tasks of equal number a picture, each with `scratch` blocks of scratch memory.
    pub(crate) fn in_tasks(
        self,
        pool: &ComputePool,
        tasks_a_picture: usize,
        scratch: usize,
        work: impl Fn(&Sink<'_>, Turn<'_>, &mut [Block]) + Sync,
    ) {
        let (batch, blocks) = (self.shape.batch, self.shape.channel_blocks());
        let (sink, mut tallies) = self.split(tasks_a_picture);
        let slots = tallies.slots();
        pool.for_each_with_scratch(batch * tasks_a_picture, scratch, |index, scratch| {
            let tallies = slots.map(|slots| {
                // SAFETY: each task has slots of its own.
                #[expect(unsafe_code, reason = "tasks write disjoint tallies")]
                unsafe {
                    slots.range(index * blocks..(index + 1) * blocks)
                }
            });
            let (n, task) = (index / tasks_a_picture, index % tasks_a_picture);
            work(&sink, Turn { n, task, tallies }, scratch);
        });
        tallies.finish();
    }

    /// Splits into what tasks share and where their statistics go; checks the sizes.
    pub(crate) fn split(self, tasks_a_picture: usize) -> (Sink<'a>, Tallies<'a>) {
        let blocks = self.shape.batch * self.shape.channel_blocks() * self.held.len() * self.shape.width;
        assert_eq!(self.blocks.len(), blocks, "the output holds its rows");
        assert!(self.held.start <= self.rows.start && self.rows.end <= self.held.end, "the rows are at hand");
        assert!(self.epilogue.gate.is_none_or(|gate| gate.len() == blocks), "a gate is laid out as the output is");
        let tallies = Tallies::new(self.shape, tasks_a_picture, self.moments);
        let sink = Sink {
            blocks: Disjoint::new(self.blocks),
            shape: self.shape,
            skipped: self.rows.start - self.held.start,
            rows: self.rows.len(),
            plane: self.held.len() * self.shape.width,
            epilogue: self.epilogue,
        };
        (sink, tallies)
    }
}

/// Which part of the work a task is.
pub(crate) struct Turn<'a> {
    /// The picture.
    pub(crate) n: usize,
    /// The task's number among those of the picture.
    pub(crate) task: usize,
    /// Where its statistics go, one of each channel block, if they are wanted.
    pub(crate) tallies: Option<&'a mut [Tally]>,
}

/// The output as tasks see it; rows count from the first one to be written.
#[derive(Clone, Copy)]
pub(crate) struct Sink<'a> {
    pub(crate) blocks: Disjoint<'a, Block>,
    pub(crate) shape: Shape,
    /// Rows at hand before the first one to be written.
    skipped: usize,
    pub(crate) rows: usize,
    /// Blocks of one channel block.
    pub(crate) plane: usize,
    pub(crate) epilogue: Epilogue<'a>,
}

impl Sink<'_> {
    /// Returns the index of a pixel's block.
    #[inline(always)]
    pub(crate) fn index(&self, n: usize, kb: usize, y: usize, x: usize) -> usize {
        (n * self.shape.channel_blocks() + kb) * self.plane + (self.skipped + y) * self.shape.width + x
    }

    /// Returns the bias of a channel block.
    #[inline(always)]
    pub(crate) fn bias<S: Simd>(&self, simd: S, kb: usize) -> S::V {
        self.epilogue.bias.map_or(simd.zero(), |bias| simd.load(&bias[kb]))
    }

    /// Finishes and stores the sums of one pixel, to which the bias has been added.
    ///
    /// # Safety
    /// No other task may write the same pixel.
    #[inline(always)]
    #[expect(unsafe_code, reason = "tasks write disjoint pixels")]
    pub(crate) unsafe fn store<S: Simd>(&self, simd: S, index: usize, mut v: S::V, tally: Option<&mut Running<S::V>>) {
        // SAFETY: one pixel, written by this task alone as the caller promises.
        let to = unsafe { self.blocks.range(index..index + 1) };
        if self.epilogue.adds {
            v = simd.add(v, simd.load(&to[0]));
        }
        if self.epilogue.relu {
            v = simd.relu(v);
        }
        if let Some(gate) = self.epilogue.gate {
            v = simd.gate(simd.load(&gate[index]), v);
        }
        simd.store(v, &mut to[0]);
        if let Some(tally) = tally {
            tally.add(simd, v);
        }
    }
}

impl Sink<'_> {
    /// As [`Self::store`], for `N` pixels that stand `step` apart.
    ///
    /// # Safety
    /// No other task may write the same pixels.
    #[inline(always)]
    #[expect(unsafe_code, reason = "tasks write disjoint pixels")]
    pub(crate) unsafe fn store_row<S: Simd, const N: usize>(
        &self,
        simd: S,
        index: usize,
        step: usize,
        mut row: [S::V; N],
        tally: Option<&mut Running<S::V>>,
    ) {
        // Loops, not closures: those may stay calls, which pass registers through memory.
        for (i, v) in row.iter_mut().enumerate() {
            let index = index + i * step;
            // SAFETY: a pixel written by this task alone, as the caller promises.
            let to = unsafe { self.blocks.range(index..index + 1) };
            if self.epilogue.adds {
                *v = simd.add(*v, simd.load(&to[0]));
            }
            if self.epilogue.relu {
                *v = simd.relu(*v);
            }
            if let Some(gate) = self.epilogue.gate {
                *v = simd.gate(simd.load(&gate[index]), *v);
            }
            simd.store(*v, &mut to[0]);
        }
        if let Some(tally) = tally {
            tally.add_row(simd, &row);
        }
    }
}

/// Sums of what one task has stored of one channel block, relative to its first value so that a large mean costs no
/// digits.
#[derive(Clone, Copy)]
pub(crate) struct Running<V> {
    pivot: V,
    sum: V,
    square: V,
    count: usize,
}

impl<V: Copy> Running<V> {
    #[inline(always)]
    pub(crate) fn new<S: Simd<V = V>>(simd: S) -> Self {
        Self { pivot: simd.zero(), sum: simd.zero(), square: simd.zero(), count: 0 }
    }

    #[inline(always)]
    pub(crate) fn add<S: Simd<V = V>>(&mut self, simd: S, v: V) {
        if self.count == 0 {
            self.pivot = v;
        }
        let d = simd.sub(v, self.pivot);
        self.sum = simd.add(self.sum, d);
        self.square = simd.mul_add(d, d, self.square);
        self.count += 1;
    }

    /// Adds several values; their own sums are taken first, so that one does not wait for the other.
    #[inline(always)]
    pub(crate) fn add_row<S: Simd<V = V>>(&mut self, simd: S, row: &[V]) {
        if self.count == 0 {
            self.pivot = row[0];
        }
        let (mut sum, mut square) = (simd.zero(), simd.zero());
        for v in row {
            let d = simd.sub(*v, self.pivot);
            sum = simd.add(sum, d);
            square = simd.mul_add(d, d, square);
        }
        self.sum = simd.add(self.sum, sum);
        self.square = simd.add(self.square, square);
        self.count += row.len();
    }

    #[inline(always)]
    pub(crate) fn finish<S: Simd<V = V>>(self, simd: S) -> Tally {
        let mut tally = Tally { count: self.count, ..Tally::EMPTY };
        simd.store(self.pivot, &mut tally.pivot);
        simd.store(self.sum, &mut tally.sum);
        simd.store(self.square, &mut tally.square);
        tally
    }
}

/// [`Running`] in memory.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    pivot: Block,
    sum: Block,
    square: Block,
    count: usize,
}

impl Tally {
    const EMPTY: Self = Self { pivot: Block::ZERO, sum: Block::ZERO, square: Block::ZERO, count: 0 };

    /// Returns the mean and the sum of squared deviations of each channel.
    pub(crate) fn moments(&self) -> [Moment; LANES] {
        let mut moments = [Moment::default(); LANES];
        if self.count == 0 {
            return moments;
        }
        for (lane, moment) in moments.iter_mut().enumerate() {
            let (count, sum) = (self.count as f64, f64::from(self.sum.0[lane]));
            moment.count = count;
            moment.mean = f64::from(self.pivot.0[lane]) + sum / count;
            moment.deviations = f64::from(self.square.0[lane]) - sum * sum / count;
        }
        moments
    }
}

/// The tallies of all tasks; merged in the tasks' order, so that the result does not depend on who ran what.
pub(crate) struct Tallies<'a> {
    all: Vec<Tally>,
    moments: Option<&'a mut Moments>,
    batch: usize,
    tasks_a_picture: usize,
    channel_blocks: usize,
}

impl<'a> Tallies<'a> {
    fn new(shape: Shape, tasks_a_picture: usize, moments: Option<&'a mut Moments>) -> Self {
        let channel_blocks = shape.channel_blocks();
        let count = if moments.is_some() { shape.batch * tasks_a_picture * channel_blocks } else { 0 };
        Self { all: vec![Tally::EMPTY; count], moments, batch: shape.batch, tasks_a_picture, channel_blocks }
    }

    /// Returns the slots of all tasks: of task `t` of picture `n`, from `(n * tasks_a_picture + t) * channel_blocks`.
    fn slots(&mut self) -> Option<Disjoint<'_, Tally>> {
        self.moments.is_some().then(|| Disjoint::new(&mut self.all))
    }

    /// Merges all tallies into the moments.
    fn finish(self) {
        let Some(moments) = self.moments else { return };
        for n in 0..self.batch {
            for task in 0..self.tasks_a_picture {
                let start = (n * self.tasks_a_picture + task) * self.channel_blocks;
                for (kb, tally) in self.all[start..start + self.channel_blocks].iter().enumerate() {
                    moments.merge(n, kb, &tally.moments());
                }
            }
        }
    }
}
