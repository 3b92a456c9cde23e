//! MATLAB 5 files ("MAT-File Format" of its maker), as a stream: what is not asked for is passed over, of any size.
//!
//! There is no recursion: who reads a file says step by step what it expects.

use std::io::{Read, copy, sink};

use flate2::read::ZlibDecoder;

use crate::vgg::error::VggProblem;

/// The longest name, or list of names, that is read.
const NAME_BYTES: u64 = 1 << 14;
/// The most that all compressed arrays of a file are inflated to; the whole VGG19 has 575 MB.
const INFLATED_BYTES: u64 = 1 << 31;
/// The most sides that an array may have.
const MOST_SIDES: u64 = 8;

/// One byte a letter.
const LETTERS: [u32; 3] = [1, 2, 16];
const INT32: u32 = 5;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// What an array consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Arrays.
    Cell,
    /// Arrays by name, for each element in turn.
    Struct(Vec<String>),
    /// Letters.
    Text,
    /// Numbers.
    Numbers,
    /// Anything else.
    Other,
}

/// The beginning of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Array {
    pub(super) kind: Kind,
    pub(super) sides: Vec<usize>,
    pub(super) name: String,
}

impl Array {
    /// Returns how many elements it has.
    pub(super) fn count(&self) -> Option<usize> {
        self.sides.iter().try_fold(1usize, |count, side| count.checked_mul(*side))
    }
}

/// The rest of one element of a file, and of all that it consists of.
pub(super) struct Element<'a> {
    source: &'a mut dyn Read,
    /// Bytes that belong to it.
    left: u64,
}

/// Calls `each` with every variable of a file whose header has been read.
pub(super) fn variables(
    file: &mut dyn Read,
    mut each: impl FnMut(Array, &mut Element) -> Result<(), VggProblem>,
) -> Result<(), VggProblem> {
    let mut inflated_left = INFLATED_BYTES;
    loop {
        let mut tag = [0; 8];
        // The file ends between two variables, or it is damaged.
        if file.read(&mut tag[..1])? == 0 {
            return Ok(());
        }
        file.read_exact(&mut tag[1..])?;
        let [kind, bytes] = words(tag);
        let left = u64::from(bytes);
        match kind {
            MATRIX => {
                let mut element = Element { source: file, left };
                let array = element.begin()?;
                each(array, &mut element)?;
                element.finish()?;
            }
            COMPRESSED => {
                let mut packed = file.take(left);
                let mut source = ZlibDecoder::new(&mut packed);
                let mut element = Element { source: &mut source, left: inflated_left };
                if let Some(mut inner) = element.array()? {
                    let array = inner.begin()?;
                    each(array, &mut inner)?;
                }
                inflated_left = element.left;
                copy(&mut packed, &mut sink())?;
                if packed.limit() > 0 {
                    return Err(VggProblem::damaged("it ends within an array"));
                }
            }
            _ => pass(file, left)?,
        }
    }
}

fn pass(source: &mut dyn Read, bytes: u64) -> Result<(), VggProblem> {
    if copy(&mut source.take(bytes), &mut sink())? < bytes {
        return Err(VggProblem::damaged("it ends within an array"));
    }
    Ok(())
}

fn words(tag: [u8; 8]) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = tag;
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

impl Element<'_> {
    /// Goes into the next array within this one, at its beginning; `None` for an empty one.
    pub(super) fn array(&mut self) -> Result<Option<Element<'_>>, VggProblem> {
        let [kind, bytes] = words(self.take()?);
        if kind != MATRIX {
            return Err(VggProblem::damaged("there is no array where one should be"));
        }
        self.claim(bytes.into())?;
        Ok((bytes > 0).then(|| Element { source: &mut *self.source, left: bytes.into() }))
    }

    /// Reads the beginning of an array.
    pub(super) fn begin(&mut self) -> Result<Array, VggProblem> {
        let flags = self.part(16, |_| true)?;
        let class = *flags.first().ok_or_else(|| VggProblem::damaged("an array has no class"))?;
        let sides = self.part(4 * MOST_SIDES, |kind| kind == INT32)?;
        let side = |side: &[u8; 4]| usize::try_from(i32::from_le_bytes(*side));
        let sides = sides.as_chunks().0.iter().map(side).collect::<Result<_, _>>();
        let sides = sides.map_err(|_| VggProblem::damaged("an array has a side below 0"))?;
        let name = text(&self.part(NAME_BYTES, |kind| LETTERS.contains(&kind))?);
        let kind = match class {
            1 => Kind::Cell,
            2 => Kind::Struct(self.field_names()?),
            4 => Kind::Text,
            6..=15 => Kind::Numbers,
            _ => Kind::Other,
        };
        Ok(Array { kind, sides, name })
    }

    fn field_names(&mut self) -> Result<Vec<String>, VggProblem> {
        let length = self.part(8, |kind| kind == INT32)?;
        let length = length.first_chunk().map_or(0, |length| i32::from_le_bytes(*length));
        let length = usize::try_from(length).ok().filter(|length| *length > 0);
        let length = length.ok_or_else(|| VggProblem::damaged("the names in a struct have no length"))?;
        Ok(self.part(NAME_BYTES, |kind| LETTERS.contains(&kind))?.chunks_exact(length).map(text).collect())
    }

    /// Reads letters; what is not of one byte or two is no word that is looked for.
    pub(super) fn letters(&mut self) -> Result<String, VggProblem> {
        let mut wide = false;
        let bytes = self.part(NAME_BYTES, |kind| {
            wide = matches!(kind, 4 | 17);
            true
        })?;
        if wide {
            let units: Vec<_> = bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            return Ok(String::from_utf16_lossy(&units));
        }
        Ok(text(&bytes))
    }

    /// Reads the numbers of an array that has `count` of them.
    pub(super) fn numbers(&mut self, count: usize) -> Result<Vec<f32>, VggProblem> {
        let mut kind = 0;
        let bytes = self.part(8 * count as u64, |found| {
            kind = found;
            true
        })?;
        // MATLAB stores whole numbers as such, whatever the class of their array.
        let numbers: Vec<f32> = match kind {
            1 => bytes.iter().map(|b| f32::from(b.cast_signed())).collect(),
            2 => bytes.iter().map(|b| f32::from(*b)).collect(),
            3 => bytes.as_chunks().0.iter().map(|b| f32::from(i16::from_le_bytes(*b))).collect(),
            4 => bytes.as_chunks().0.iter().map(|b| f32::from(u16::from_le_bytes(*b))).collect(),
            5 => bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32).collect(),
            6 => bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b) as f32).collect(),
            7 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            9 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            _ => return Err(VggProblem::damaged("an array has numbers of an unknown type")),
        };
        if numbers.len() != count {
            return Err(VggProblem::damaged("an array has more or fewer numbers than its sides say"));
        }
        Ok(numbers)
    }

    /// Passes over what is left.
    pub(super) fn finish(self) -> Result<(), VggProblem> {
        pass(self.source, self.left)
    }

    /// Reads the next part, of `most` bytes at the most and of a type that is asked for.
    fn part(&mut self, most: u64, mut fits: impl FnMut(u32) -> bool) -> Result<Vec<u8>, VggProblem> {
        let tag = self.take()?;
        let [kind, bytes] = words(tag);
        let (kind, small) = (kind & 0xffff, kind >> 16);
        if !fits(kind) || small > 4 || (small == 0 && u64::from(bytes) > most) {
            return Err(VggProblem::damaged("a part of an array is of another type or size than it should be"));
        }
        // Up to four bytes lie in the tag itself.
        if small > 0 {
            return Ok(tag[4..4 + small as usize].to_vec());
        }
        let padded = u64::from(bytes).next_multiple_of(8);
        self.claim(padded)?;
        let mut part = vec![0; padded as usize];
        self.source.read_exact(&mut part)?;
        part.truncate(bytes as usize);
        Ok(part)
    }

    fn take(&mut self) -> Result<[u8; 8], VggProblem> {
        let mut tag = [0; 8];
        self.claim(8)?;
        self.source.read_exact(&mut tag)?;
        Ok(tag)
    }

    /// Counts bytes as used.
    fn claim(&mut self, bytes: u64) -> Result<(), VggProblem> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| VggProblem::damaged("a part of an array is larger than the whole"))?;
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}
