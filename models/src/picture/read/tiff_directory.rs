//! The first directory of a TIFF file, as far as it must be known before the decoder may see it.

use super::PictureError;
use super::bytes::{array, be16, be32, le16, le32};
use super::tiff::unsupported;

/// Most values that a tag which the decoder reads may list: strips of one row for a picture of this height.
const LISTED_VALUES: u64 = 1 << 18;

/// The tags with a smaller number describe the picture; the notes, profiles and previews that come after them the decoder
/// leaves alone unless asked.
const FIRST_NOTE: u16 = 600;

/// One entry of the directory.
pub(super) struct Entry {
    pub(super) tag: u16,
    /// How many values it lists.
    count: u64,
    /// Where its value is, or where the file says where.
    pub(super) value_at: usize,
}

/// Refuses lists that no honest picture has: the decoder would unpack each value to 32 bytes, before it knows the size.
pub(super) fn check(bytes: &[u8]) -> Result<(), PictureError> {
    let is_absurd = |entry: &Entry| entry.tag < FIRST_NOTE && entry.count > LISTED_VALUES;
    match entries(bytes).into_iter().flatten().find(is_absurd) {
        Some(entry) => Err(unsupported(&format!("a list of {} values in tag {}", entry.count, entry.tag))),
        None => Ok(()),
    }
}

/// Returns the entries of the first directory, up to where the file ends.
pub(super) fn entries(bytes: &[u8]) -> Option<impl Iterator<Item = Entry>> {
    let is_little = bytes.starts_with(b"II");
    let short = move |at| if is_little { le16(bytes, at) } else { be16(bytes, at) };
    let long = move |at| if is_little { le32(bytes, at) } else { be32(bytes, at) };
    let longest = move |at| array(bytes, at).map(if is_little { u64::from_le_bytes } else { u64::from_be_bytes });
    let is_big = short(2)? == 43;
    let (first, entries, entry_bytes) = if is_big {
        let directory = usize::try_from(longest(8)?).ok()?;
        (directory.checked_add(8)?, longest(directory)?, 20)
    } else {
        let directory = usize::try_from(long(4)?).ok()?;
        (directory.checked_add(2)?, u64::from(short(directory)?), 12)
    };
    let places = (first..bytes.len()).step_by(entry_bytes).take(usize::try_from(entries).unwrap_or(usize::MAX));
    Some(places.map_while(move |at| {
        let count = if is_big { longest(at + 4)? } else { u64::from(long(at + 4)?) };
        Some(Entry { tag: short(at)?, count, value_at: at + entry_bytes - if is_big { 8 } else { 4 } })
    }))
}
