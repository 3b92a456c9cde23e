//! Files that were good once: a seeded mutator.

/// Numbers that readers of lengths trip over.
const LENGTHS: [u64; 8] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];

/// A source of mangled files; the same seed makes the same files.
pub struct Mangler(u64);

impl Mangler {
    /// Starts with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns one of the good files with up to eight damages.
    pub fn mangle(&mut self, good: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = good[self.below(good.len())].clone();
        for _ in 0..=self.below(8) {
            let other = &good[self.below(good.len())];
            self.damage(&mut bytes, other);
        }
        bytes
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        let span = at..(at + self.below(64)).min(bytes.len());
        match self.below(8) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(span)),
            2 => drop(bytes.splice(at..at, bytes[span].to_vec())),
            3 => {
                let from = self.below(other.len() + 1);
                let piece = other[from..(from + self.below(256)).min(other.len())].to_vec();
                bytes.splice(span, piece);
            }
            4 => {
                let length = LENGTHS[self.below(LENGTHS.len())];
                let coded = if self.below(2) == 0 { length.to_le_bytes() } else { length.to_be_bytes() };
                let width = [1, 2, 4, 8][self.below(4)].min(bytes.len() - at);
                let part = if coded[0] == 0 { 8 - width..8 } else { 0..width };
                bytes[at..at + width].copy_from_slice(&coded[part]);
            }
            5 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.next() as u8),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (self.0 >> 61)),
        }
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// `SplitMix64` (Steele, Lea and Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
