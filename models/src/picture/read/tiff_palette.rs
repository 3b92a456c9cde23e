//! TIFF's palettes, which the decoder does not know: it is shown the indices as grey, and the colours are looked up here.

use std::io::Cursor;

use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::tiff::refuse;
use super::tiff_directory::{self, Entry};
use super::{Format, PictureError};

const PALETTE: u16 = 3;
const GREY: u16 = 1;

/// Whether the page's samples are indices into a palette.
pub(super) fn is_used(decoder: &mut Decoder<Cursor<&[u8]>>) -> bool {
    matches!(decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation), Ok(Some(PALETTE)))
}

/// A page's colours, as 8-bit RGB.
pub(super) struct Palette(Vec<[u8; 3]>);

impl Palette {
    /// Reads the colour map: all reds, all greens, all blues, 16 bits each.
    pub(super) fn of(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<Self, PictureError> {
        let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(refuse)?;
        // Some old programs wrote 8-bit values; no proper palette is that dark throughout. The
        // others multiplied by 256 or by 257: the upper byte is right for both.
        let is_narrow = map.iter().all(|&value| value < 256);
        let value = |at: usize| if is_narrow { map[at] as u8 } else { (map[at] >> 8) as u8 };
        let colours = map.len() / 3;
        Ok(Self((0..colours).map(|at| [value(at), value(colours + at), value(2 * colours + at)]).collect()))
    }

    /// Looks up every index.
    pub(super) fn looked_up(&self, indices: &[u8]) -> Result<Vec<u8>, PictureError> {
        let highest = usize::from(indices.iter().copied().max().unwrap_or(0));
        if highest >= self.0.len() {
            return Err(PictureError::corrupt(Format::Tiff, "a colour that its palette lacks"));
        }
        Ok(indices.iter().flat_map(|&index| self.0[usize::from(index)]).collect())
    }
}

/// Copies the file with its first page declared grey.
pub(super) fn with_indices_as_grey(bytes: &[u8]) -> Result<Vec<u8>, PictureError> {
    let is_photometric = |entry: &Entry| entry.tag == Tag::PhotometricInterpretation.to_u16();
    let entry = tiff_directory::entries(bytes).into_iter().flatten().find(is_photometric);
    let mut copy = bytes.to_vec();
    let value = entry.and_then(|entry| copy.get_mut(entry.value_at..entry.value_at + 2));
    let grey = if bytes.starts_with(b"II") { GREY.to_le_bytes() } else { GREY.to_be_bytes() };
    value.ok_or(PictureError::Truncated { format: Format::Tiff })?.copy_from_slice(&grey);
    Ok(copy)
}
