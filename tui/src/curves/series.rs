//! Values in their order, with minimum, maximum and mean of every stretch at hand.

use std::ops::Range;

/// How many buckets of one level make one of the next.
const FAN: usize = 8;

/// What is known of a stretch of values. Values that are not finite are left out of everything but their count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
    sum: f64,
    count: usize,
    /// How many were not finite.
    pub(crate) lost: usize,
}

impl Bucket {
    const EMPTY: Self = Self { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, count: 0, lost: 0 };

    fn of(value: f64) -> Self {
        if value.is_finite() {
            Self { min: value, max: value, sum: value, count: 1, lost: 0 }
        } else {
            Self { lost: 1, ..Self::EMPTY }
        }
    }

    fn merge(&mut self, other: Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.count += other.count;
        self.lost += other.lost;
    }

    /// Returns the mean; none where no value is finite.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// Values with a pyramid of buckets over them, which grows with every value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    values: Vec<f64>,
    /// Each level's buckets hold [`FAN`] of the level below; the first one's hold values.
    levels: Vec<Vec<Bucket>>,
}

impl Series {
    /// Returns how many values there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns a value.
    pub(crate) fn get(&self, index: usize) -> Option<f64> {
        self.values.get(index).copied()
    }

    /// Adds a value.
    pub(crate) fn push(&mut self, value: f64) {
        let bucket = Bucket::of(value);
        let mut index = self.values.len() / FAN;
        self.values.push(value);
        for level in 0.. {
            if level == self.levels.len() {
                // A level above one that still is a single bucket would say the same.
                let below = level.checked_sub(1).map(|below| &self.levels[below]);
                match below {
                    Some(below) if below.len() < 2 => break,
                    Some(below) => self.levels.push(vec![below[0]]),
                    None => self.levels.push(Vec::new()),
                }
            }
            let buckets = &mut self.levels[level];
            match buckets.get_mut(index) {
                Some(known) => known.merge(bucket),
                None => buckets.push(bucket),
            }
            index /= FAN;
        }
    }

    /// Forgets everything from an index on.
    pub(crate) fn truncate(&mut self, length: usize) {
        if length >= self.values.len() {
            return;
        }
        self.values.truncate(length);
        let mut below = length;
        for level in 0..self.levels.len() {
            let buckets = below.div_ceil(FAN);
            self.levels[level].truncate(buckets);
            // The last bucket may have held what is gone.
            if let Some(last) = buckets.checked_sub(1) {
                let mut anew = Bucket::EMPTY;
                for child in last * FAN..below {
                    let child = match level.checked_sub(1) {
                        Some(under) => self.levels[under][child],
                        None => Bucket::of(self.values[child]),
                    };
                    anew.merge(child);
                }
                self.levels[level][last] = anew;
            }
            below = buckets;
        }
        self.levels.retain(|level| !level.is_empty());
    }

    /// Returns what is known of a stretch, by looking at a few buckets of each level.
    pub(crate) fn over(&self, range: Range<usize>) -> Bucket {
        let (mut from, mut to) = (range.start, range.end.min(self.values.len()));
        let mut whole = Bucket::EMPTY;
        let mut level = None;
        while from < to {
            let at = |index: usize| match level {
                None => Bucket::of(self.values[index]),
                Some(level) => {
                    let buckets: &Vec<Bucket> = &self.levels[level];
                    buckets[index]
                }
            };
            let next = level.map_or(0, |level| level + 1);
            let is_top = next >= self.levels.len();
            while from < to && (is_top || !from.is_multiple_of(FAN)) {
                whole.merge(at(from));
                from += 1;
            }
            while from < to && !to.is_multiple_of(FAN) {
                to -= 1;
                whole.merge(at(to));
            }
            (from, to, level) = (from / FAN, to / FAN, Some(next));
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Series {
        fn extend(&mut self, values: &[f64]) {
            for &value in values {
                self.push(value);
            }
        }
    }

    fn plainly(values: &[f64]) -> Bucket {
        let mut whole = Bucket::EMPTY;
        for &value in values {
            whole.merge(Bucket::of(value));
        }
        whole
    }

    /// Numbers without a pattern, some of them none.
    fn values(count: usize) -> Vec<f64> {
        let mut state = 7_u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if state >> 60 == 0 { f64::NAN } else { (state >> 40) as f64 }
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn every_stretch_is_known_as_if_all_its_values_were_looked_at() {
        for length in [0, 1, 7, 8, 9, 63, 64, 65, 200, 600] {
            let values = values(length);
            let mut series = Series::default();
            series.extend(&values);
            for from in (0..=length).step_by(5) {
                for to in (from..=length).step_by(3) {
                    assert_eq!(series.over(from..to), plainly(&values[from..to]), "{from}..{to} of {length}");
                }
            }
            assert_eq!(series.over(0..length + 9), plainly(&values));
        }
    }

    #[test]
    fn a_series_that_was_cut_is_like_one_that_was_never_longer() {
        let values = values(700);
        for cut in [0, 1, 8, 9, 64, 65, 511, 512, 513, 699, 700] {
            let mut series = Series::default();
            series.extend(&values);
            series.truncate(cut);
            series.extend(&values[..50]);
            let expected: Vec<_> = values[..cut].iter().chain(&values[..50]).copied().collect();
            for (from, to) in [(0, expected.len()), (cut / 2, cut + 20), (3, cut)] {
                if from <= to {
                    assert_eq!(series.over(from..to), plainly(&expected[from..to]), "{from}..{to} after {cut}");
                }
            }
        }
    }
}
