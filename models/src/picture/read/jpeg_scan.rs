//! The coded bits of a JPEG file: whether they hold a whole picture, found out without making it (ITU-T T.81, F.2.2).
//!
//! All that can be wrong with coded bits is that they are no code, stand for too many numbers, or end too early: what the
//! numbers are, what pixels they make and in what colours never matters. So a symbol and the number behind it are passed
//! over in one step, in three tenths of the time that decoding takes.

use super::bytes::{array, be16};
use super::jpeg_outline::{Outline, segments};

/// The numbers of one block: 8×8 pixels of one component.
const BLOCK: usize = 64;

/// Says whether the bits of a file's only scan hold every block of the picture, and nothing else. False also for what is
/// not looked at here: several scans, progressive ones, and whatever strange things a decoder may make something of.
pub(super) fn is_whole(bytes: &[u8], outline: &Outline) -> bool {
    let is_plain = !outline.is_progressive && outline.scans == 1;
    is_plain && Scan::of(bytes, outline).is_some_and(|scan| scan.is_whole().is_some())
}

/// A scan of all components together.
struct Scan<'a> {
    dc: Codes,
    ac: Codes,
    components: Vec<ScanComponent>,
    /// How many minimum coded units there are in all: groups of blocks, each with all components of one patch.
    mcus: usize,
    /// How many of them there are between two restart marks.
    restart_interval: usize,
    coded: &'a [u8],
}

/// What one component has in each minimum coded unit.
struct ScanComponent {
    blocks: u8,
    dc: u8,
    ac: u8,
}

impl<'a> Scan<'a> {
    fn of(bytes: &'a [u8], outline: &Outline) -> Option<Self> {
        let (mut dc, mut ac) = (Codes::default(), Codes::default());
        let (mut quantizers, mut restart_interval) = (0, None);
        for (marker, content, end) in segments(bytes) {
            match marker {
                0xc4 => read_codes(content, &mut dc, &mut ac)?,
                0xdb => quantizers |= numbers_of_quantizers(content)?,
                0xdd => restart_interval = Some(usize::from(be16(content, 0)?)).filter(|mcus| *mcus > 0),
                0xda => {
                    let mcus = mcus(outline);
                    return Some(Self {
                        components: components(content, outline, quantizers)?,
                        restart_interval: restart_interval.unwrap_or(mcus),
                        coded: bytes.get(end..outline.end)?,
                        dc,
                        ac,
                        mcus,
                    });
                }
                _ => {}
            }
        }
        None
    }

    /// Passes over all bits; there is nothing where they are not as they should be.
    fn is_whole(&self) -> Option<()> {
        let blocks = self.components.iter().flat_map(|component| {
            let codes = (self.dc.get(component.dc), self.ac.get(component.ac));
            std::iter::repeat_n(codes, component.blocks.into())
        });
        let blocks = blocks.map(|(dc, ac)| dc.zip(ac)).collect::<Option<Vec<_>>>()?;
        let (mut pieces, mut left) = (Pieces { coded: self.coded, marks: 0, piece: Vec::new() }, self.mcus);
        while left > 0 {
            let mcus = left.min(self.restart_interval);
            left -= mcus;
            let mut bits = Bits::of(pieces.next(left == 0)?);
            for _ in 0..mcus {
                for (dc, ac) in &blocks {
                    bits.pass_block(dc, ac)?;
                }
            }
            bits.is_used_up().then_some(())?;
        }
        Some(())
    }
}

/// Counts the minimum coded units of a picture whose first component has the most samples.
fn mcus(outline: &Outline) -> usize {
    let [first, ..] = &*outline.components else { return 0 };
    let across = |side: u16, sampling: u8| usize::from(side).div_ceil(8 * usize::from(sampling));
    across(outline.width, first.horizontal_sampling) * across(outline.height, first.vertical_sampling)
}

/// Reads the scan's header. In a file whose numbers shall become pixels each component has its quantizer.
fn components(header: &[u8], outline: &Outline, quantizers: u16) -> Option<Vec<ScanComponent>> {
    let (&count, rest) = header.split_first()?;
    let (selectors, spectrum) = rest.split_at_checked(2 * usize::from(count))?;
    if usize::from(count) != outline.components.len() || spectrum != [0, 63, 0] {
        return None;
    }
    let each = outline.components.iter().zip(selectors.chunks_exact(2)).map(|(component, selector)| {
        let has_quantizer = quantizers.checked_shr(component.quantizer.into()).is_some_and(|from| from & 1 == 1);
        (component.id == selector[0] && has_quantizer).then_some(ScanComponent {
            blocks: component.horizontal_sampling * component.vertical_sampling,
            dc: selector[1] >> 4,
            ac: selector[1] & 15,
        })
    });
    each.collect()
}

/// Returns a bit for each quantizer that a segment holds.
fn numbers_of_quantizers(mut content: &[u8]) -> Option<u16> {
    let mut numbers = 0;
    while let Some((&head, rest)) = content.split_first() {
        let bytes_each = 1 + usize::from(head >> 4);
        content = rest.get(BLOCK * bytes_each..)?;
        numbers |= 1 << (head & 15);
    }
    Some(numbers)
}

/// The Huffman codes of a kind, by their numbers.
#[derive(Default)]
struct Codes([Option<Box<Code>>; 4]);

impl Codes {
    fn get(&self, number: u8) -> Option<&Code> {
        self.0.get(usize::from(number))?.as_deref()
    }
}

/// Reads the codes of one segment. None is read twice: that costs time, and no file needs it.
fn read_codes(mut content: &[u8], dc: &mut Codes, ac: &mut Codes) -> Option<()> {
    while let Some((&head, rest)) = content.split_first() {
        let lengths: [u8; 16] = array(rest, 0)?;
        let count = lengths.iter().copied().map(usize::from).sum();
        let (symbols, rest) = rest[16..].split_at_checked(count)?;
        let (codes, meaning): (_, fn(u8) -> Symbol) = match head >> 4 {
            0 => (&mut *dc, Symbol::dc),
            1 => (&mut *ac, Symbol::ac),
            _ => return None,
        };
        let place = codes.0.get_mut(usize::from(head & 15)).filter(|place| place.is_none())?;
        *place = Some(Box::new(Code::of(lengths, symbols, meaning)?));
        content = rest;
    }
    Some(())
}

/// What is passed over in one step: a symbol and the number behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Symbol {
    /// How long both are together; 0 where there is no such symbol.
    bits: u8,
    /// How many of a block's numbers they stand for.
    numbers: u8,
}

/// The numbers that the end of a block stands for: more than there can be.
const END: u8 = 128;

impl Symbol {
    /// A block's first number, its mean: the symbol is the length of the number.
    fn dc(symbol: u8) -> Self {
        if symbol <= 11 { Self { bits: symbol, numbers: 1 } } else { Self::NONE }
    }

    /// One of a block's other numbers: the symbol is how many zeros come before it, and its length.
    fn ac(symbol: u8) -> Self {
        match (symbol >> 4, symbol & 15) {
            (0, 0) => Self { bits: 0, numbers: END },
            (15, 0) => Self { bits: 0, numbers: 16 },
            (_, 0 | 11..) => Self::NONE,
            (zeros, bits) => Self { bits, numbers: zeros + 1 },
        }
    }

    const NONE: Self = Self { bits: 0, numbers: 0 };
}

/// A Huffman code.
struct Code {
    /// What the next bits mean, by the first [`Code::SHORT`] of them.
    short: [Symbol; 1 << Self::SHORT],
    /// What longer codes mean, and those that mean nothing, in their order, each with the first 16 bits that lie beyond it.
    long: Vec<(u16, Symbol)>,
}

impl Code {
    /// The length of nearly all codes that are ever met.
    const SHORT: u32 = 10;

    /// Makes a code of how many symbols there are of each length, and the symbols.
    fn of(lengths: [u8; 16], symbols: &[u8], meaning: fn(u8) -> Symbol) -> Option<Self> {
        let mut code = Self { short: [Symbol::NONE; 1 << Self::SHORT], long: Vec::new() };
        let lengths = (1..).zip(lengths).flat_map(|(length, count)| std::iter::repeat_n(length, count.into()));
        let mut from: u16 = 0;
        for (length, symbol) in lengths.zip(symbols) {
            // No code is all ones: the last one ends before the last 16 bits.
            let to = from.checked_add(1 << (16 - length))?;
            let mut symbol = meaning(*symbol);
            if symbol != Symbol::NONE {
                symbol.bits += length as u8;
            }
            if length <= Self::SHORT && symbol != Symbol::NONE {
                let place = |bits: u16| usize::from(bits >> (16 - Self::SHORT));
                code.short[place(from)..place(to)].fill(symbol);
            } else {
                code.long.push((to, symbol));
            }
            from = to;
        }
        Some(code)
    }

    /// Returns what the next bits mean, which are the first of these.
    fn symbol(&self, bits: u64) -> Option<Symbol> {
        let symbol = self.short[(bits >> (64 - Self::SHORT)) as usize];
        if symbol.bits > 0 {
            return Some(symbol);
        }
        let beginning = (bits >> 48) as u16;
        let place = self.long.partition_point(|&(beyond, _)| beyond <= beginning);
        self.long.get(place).map(|&(_, symbol)| symbol).filter(|symbol| symbol.bits > 0)
    }
}

/// The coded bytes from one restart mark to the next.
struct Pieces<'a> {
    coded: &'a [u8],
    /// How many marks were passed.
    marks: u8,
    piece: Vec<u8>,
}

impl Pieces<'_> {
    /// Returns the next piece, or the last one, without the zeros that keep its bytes from looking like marks, and with
    /// [`BEYOND`] behind it.
    fn next(&mut self, is_last: bool) -> Option<&[u8]> {
        self.piece.clear();
        self.piece.reserve(if is_last { self.coded.len() + BEYOND.len() } else { 0 });
        while let Some(at) = memchr::memchr(0xff, self.coded) {
            let (before, rest) = self.coded.split_at(at);
            self.piece.extend_from_slice(before);
            self.coded = rest.get(2..)?;
            match rest[1] {
                0 => self.piece.push(0xff),
                mark if !is_last && mark == 0xd0 + self.marks % 8 => {
                    self.marks = self.marks.wrapping_add(1);
                    self.piece.extend_from_slice(&BEYOND);
                    return Some(&self.piece);
                }
                _ => return None,
            }
        }
        self.piece.extend_from_slice(std::mem::take(&mut self.coded));
        self.piece.extend_from_slice(&BEYOND);
        is_last.then_some(&self.piece)
    }
}

/// Bits on their way through.
struct Bits<'a> {
    /// The bytes, and [`BEYOND`].
    bytes: &'a [u8],
    /// Where the next byte is.
    at: usize,
    /// The next bits, from the highest.
    next: u64,
    /// How many there are of them.
    held: u32,
}

/// What is behind the end, so that eight bytes can be read everywhere: ones, which no code begins with for long.
const BEYOND: [u8; 16] = [0xff; 16];

impl<'a> Bits<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, next: 0, held: 0 }
    }

    /// Passes over one block. What is taken in at a time is enough for two symbols and their numbers: 54 bits at most.
    fn pass_block(&mut self, dc: &Code, ac: &Code) -> Option<()> {
        self.take_in()?;
        let mut numbers = usize::from(self.pass(dc)?) + usize::from(self.pass(ac)?);
        while numbers < BLOCK {
            self.take_in()?;
            numbers += usize::from(self.pass(ac)?);
            if numbers < BLOCK {
                numbers += usize::from(self.pass(ac)?);
            }
        }
        (numbers == BLOCK || numbers > usize::from(END)).then_some(())
    }

    /// Passes over a symbol and the number behind it, and returns how many of a block's numbers they stand for.
    fn pass(&mut self, code: &Code) -> Option<u8> {
        let Symbol { bits, numbers } = code.symbol(self.next)?;
        self.next <<= bits;
        self.held -= u32::from(bits);
        Some(numbers)
    }

    /// Takes in bytes until there are 56 bits or more. Without a question that could be guessed wrong, it costs less to do
    /// so than to ask whether there is need to.
    fn take_in(&mut self) -> Option<()> {
        let more = (63 - self.held) / 8;
        // The bits beyond those held are the ones that come next, now and the next time.
        self.next |= array(self.bytes, self.at).map(u64::from_be_bytes)? >> self.held;
        self.at += more as usize;
        self.held += 8 * more;
        Some(())
    }

    /// Says whether no more than the rest of a byte is left.
    fn is_used_up(&self) -> bool {
        let used = self.at * 8 - self.held as usize;
        used.div_ceil(8) == self.bytes.len() - BEYOND.len()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::ops::Range;

    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    use super::super::{Limits, jpeg};
    use super::*;

    /// Writes a picture with as many samples of luma to one of chroma across and down.
    fn written(sides: (u16, u16), chroma: Option<(u8, u8)>, restart_interval: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 90);
        if let Some((across, down)) = chroma {
            encoder.set_sampling_factor(SamplingFactor::from_factors(across, down).unwrap());
        }
        if restart_interval > 0 {
            encoder.set_restart_interval(restart_interval);
        }
        let colours = if chroma.is_some() { ColorType::Rgb } else { ColorType::Luma };
        let samples = usize::from(sides.0) * usize::from(sides.1) * if chroma.is_some() { 3 } else { 1 };
        // Noise, so that long codes come up too.
        let noise: Vec<u8> = (0..samples as u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 21) as u8).collect();
        encoder.encode(&noise, sides.0, sides.1, colours).unwrap();
        bytes
    }

    fn is_sound(bytes: &[u8]) -> bool {
        jpeg::is_sound(bytes, Limits::default()).unwrap()
    }

    /// Returns where the coded bits are.
    fn coded(bytes: &[u8]) -> Range<usize> {
        segments(bytes).find(|(marker, ..)| *marker == 0xda).unwrap().2..bytes.len() - 2
    }

    const LAYOUTS: [Option<(u8, u8)>; 4] = [None, Some((1, 1)), Some((2, 1)), Some((2, 2))];

    #[test]
    fn every_usual_picture_is_whole_and_can_be_decoded() {
        for layout in LAYOUTS {
            for width in (1..40).step_by(3) {
                for height in 1..34 {
                    let bytes = written((width, height), layout, (width + height) % 4);
                    assert!(is_sound(&bytes), "{layout:?} {width}×{height}");
                    let raster = jpeg::read(&bytes, Limits::default()).unwrap();
                    assert_eq!((raster.width, raster.height), (width.into(), height.into()));
                }
            }
        }
    }

    #[test]
    fn the_usual_files_of_other_programs_are_whole() {
        let whole = ["420", "422", "444", "exif1", "grey", "optimised", "quality-100", "quality-5", "restarts"];
        let left_to_the_decoder = ["411", "420-progressive", "cmyk"];
        for name in whole.iter().chain(&left_to_the_decoder) {
            let bytes = std::fs::read(format!("tests/pictures/{name}.jpg")).unwrap();
            assert_eq!(is_sound(&bytes), whole.contains(name), "{name}");
        }
    }

    #[test]
    fn bits_that_are_missing_or_too_many_are_not_a_whole_picture() {
        for (layout, restart_interval) in LAYOUTS.into_iter().zip([0, 0, 2, 3]) {
            let bytes = written((50, 41), layout, restart_interval);
            let coded = coded(&bytes);
            assert!(is_sound(&bytes));
            for at in coded.clone() {
                let cut = [&bytes[..at], &[0xff, 0xd9]].concat();
                assert!(!is_sound(&cut), "{layout:?} ends at {at} of {}", coded.end);
            }
            for more in [b"\0".as_slice(), &[0xff, 0], &[0xff, 0xd0], &[0xff, 0xfe, 0, 2]] {
                let longer = [&bytes[..coded.end], more, &[0xff, 0xd9]].concat();
                assert!(!is_sound(&longer), "{layout:?} and {more:?}");
            }
        }
    }

    #[test]
    fn restart_marks_come_in_their_order() {
        let bytes = written((64, 64), Some((1, 1)), 4);
        assert!(is_sound(&bytes));
        let marks: Vec<usize> = coded(&bytes).filter(|at| bytes[*at] == 0xff && bytes[at + 1] != 0).collect();
        assert_eq!(marks.len(), 15);
        for at in marks {
            let mut out_of_order = bytes.clone();
            out_of_order[at + 1] ^= 1;
            assert!(!is_sound(&out_of_order), "mark at {at}");
        }
    }

    #[test]
    fn what_the_bits_need_is_there_before_them() {
        let bytes = written((16, 16), Some((2, 2)), 0);
        for (marker, content, end) in segments(&bytes).take_while(|(marker, ..)| *marker != 0xda) {
            let without = [&bytes[..end - content.len() - 4], &bytes[end..]].concat();
            let is_needed = matches!(marker, 0xc4 | 0xdb);
            assert!(marker == 0xc0 || is_sound(&without) != is_needed, "{marker:x}");
        }
    }

    #[test]
    fn a_code_says_what_long_and_short_beginnings_mean() {
        // Codes 0, 10 and 1100 0000 0000, and no others.
        let lengths = std::array::from_fn(|at| u8::from(matches!(at, 0 | 1 | 11)));
        let code = Code::of(lengths, &[0, 0x23, 0xf0], Symbol::ac).unwrap();
        let meaning = |bits: u16| code.symbol(u64::from(bits) << 48).map(|symbol| (symbol.bits, symbol.numbers));
        assert_eq!(meaning(0), Some((1, END)));
        assert_eq!(meaning(0b1011 << 12), Some((2 + 3, 3)));
        assert_eq!(meaning(0b1100 << 12 | 0xf), Some((12, 16)));
        assert_eq!(meaning(0b1100 << 12 | 0x10), None);
        assert_eq!(meaning(u16::MAX), None);
        // The first two mean nothing, and are not taken for the third.
        let code = Code::of(lengths, &[0x10, 0x20, 0x11], Symbol::ac).unwrap();
        let meaning = |bits: u16| code.symbol(u64::from(bits) << 48).map(|symbol| (symbol.bits, symbol.numbers));
        assert_eq!([0, 0b10 << 14, 0b1100 << 12].map(meaning), [None, None, Some((13, 2))]);
    }

    #[test]
    fn a_code_that_is_all_ones_is_none() {
        let two = |length: u32| std::array::from_fn(|at| if at as u32 + 1 == length { 2 } else { 0 });
        assert!(Code::of(two(1), &[0, 1], Symbol::ac).is_none());
        assert!(Code::of(two(2), &[0, 1], Symbol::ac).is_some());
    }
}
