//! The outline of a JPEG file: its segments from the start mark to the end mark, without decoding anything.

use super::bytes::{array, be16};
use super::{Format, Limits, PictureError};

/// What the segments say.
#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) components: Vec<Component>,
    pub(super) is_progressive: bool,
    pub(super) scans: usize,
    /// Adobe's colour transform and where its segment's marker is.
    pub(super) adobe: Option<(u8, usize)>,
    /// The EXIF block, from its TIFF header.
    pub(super) exif: Option<&'a [u8]>,
    /// The parts of the ICC profile with their numbers, from 1.
    profile_parts: Vec<(u8, &'a [u8])>,
    /// Where the end mark is.
    pub(super) end: usize,
}

/// One colour component of the frame.
#[derive(Debug)]
pub(super) struct Component {
    pub(super) id: u8,
    pub(super) horizontal_sampling: u8,
    pub(super) vertical_sampling: u8,
    pub(super) quantizer: u8,
    /// Whether any scan carries its mean values.
    is_covered: bool,
}

impl<'a> Outline<'a> {
    /// Walks a whole file. The size is checked as soon as it is read.
    pub(super) fn of(bytes: &'a [u8], limits: Limits) -> Result<Self, PictureError> {
        let mut outline = Self::default();
        let mut at = 2;
        loop {
            let (marker, content_at) = next_marker(bytes, at).ok_or(TRUNCATED)?;
            if marker == 0xd9 {
                outline.end = content_at - 2;
                return outline.checked();
            }
            if is_standalone(marker) {
                at = content_at;
                continue;
            }
            let length = usize::from(be16(bytes, content_at).ok_or(TRUNCATED)?);
            if length < 2 {
                return Err(corrupt("a segment without a length"));
            }
            let content = bytes.get(content_at + 2..content_at + length).ok_or(TRUNCATED);
            at = content_at + length;
            match marker {
                // A frame of absurd size is refused as such even when nothing follows it.
                0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                    outline.frame(marker, content?, limits)?;
                }
                0xda => {
                    outline.scan(content?);
                    at = end_of_coded(bytes, at);
                }
                0xe1 => outline.exif = outline.exif.or(content?.strip_prefix(b"Exif\0\0")),
                0xe2 => {
                    if let Some([number, _, part @ ..]) = content?.strip_prefix(b"ICC_PROFILE\0") {
                        outline.profile_parts.push((*number, part));
                    }
                }
                0xee => {
                    if let Some(transform) = content?.strip_prefix(b"Adobe").and_then(|rest| rest.get(6)) {
                        outline.adobe = Some((*transform, content_at - 2));
                    }
                }
                _ => {
                    content?;
                }
            }
        }
    }

    /// Takes in the frame header.
    fn frame(&mut self, marker: u8, content: &[u8], limits: Limits) -> Result<(), PictureError> {
        let feature = match marker {
            0xc0..=0xc2 => None,
            0xc3 | 0xc7 | 0xcb | 0xcf => Some("lossless compression"),
            0xc5 | 0xc6 | 0xcd | 0xce => Some("hierarchical coding"),
            _ => Some("arithmetic coding"),
        };
        let (Some(height), Some(width)) = (be16(content, 1), be16(content, 3)) else {
            return Err(corrupt("a short frame"));
        };
        limits.check(width.into(), height.into())?;
        let feature = feature.or((content[0] != 8).then_some("samples of more than 8 bits"));
        let feature = feature.or((height == 0).then_some("a height that comes after the picture"));
        if let Some(feature) = feature {
            return Err(PictureError::UnsupportedFeature { format: Format::Jpeg, feature: feature.into() });
        }
        if !self.components.is_empty() {
            return Err(corrupt("a second frame"));
        }
        let (_, entries) = content.split_at_checked(6).ok_or_else(|| corrupt("a short frame"))?;
        self.components = entries.chunks_exact(3).map(Component::of).collect();
        (self.width, self.height, self.is_progressive) = (width, height, marker == 0xc2);
        Ok(())
    }

    /// Takes in a scan header.
    fn scan(&mut self, content: &[u8]) {
        self.scans += 1;
        let Some((&count, rest)) = content.split_first() else {
            return;
        };
        let count = usize::from(count);
        let starts_at_mean = rest.get(count * 2) == Some(&0);
        for id in rest.chunks_exact(2).take(count).map(|selector| selector[0]) {
            for component in self.components.iter_mut().filter(|component| component.id == id) {
                component.is_covered |= starts_at_mean;
            }
        }
    }

    /// Refuses an outline that can't be a whole picture.
    fn checked(self) -> Result<Self, PictureError> {
        if self.components.is_empty() {
            return Err(corrupt("it has no picture"));
        }
        // A progressive file that ends after its first scans may lack colours altogether.
        if self.components.iter().any(|component| !component.is_covered) {
            return Err(TRUNCATED);
        }
        Ok(self)
    }

    /// Puts the embedded ICC profile together, if all its parts are there.
    pub(super) fn profile(&self) -> Option<Vec<u8>> {
        let mut parts = self.profile_parts.clone();
        parts.sort_by_key(|&(number, _)| number);
        let is_complete = parts.iter().enumerate().all(|(index, &(number, _))| usize::from(number) == index + 1);
        (is_complete && !parts.is_empty()).then(|| parts.iter().flat_map(|&(_, part)| part).copied().collect())
    }
}

impl Component {
    fn of(entry: &[u8]) -> Self {
        Self {
            id: entry[0],
            horizontal_sampling: entry[1] >> 4,
            vertical_sampling: entry[1] & 15,
            quantizer: entry[2],
            is_covered: false,
        }
    }
}

const TRUNCATED: PictureError = PictureError::Truncated { format: Format::Jpeg };

fn corrupt(reason: &'static str) -> PictureError {
    PictureError::corrupt(Format::Jpeg, reason)
}

/// Returns the segments up to the first scan's header, each with its marker, its content and where it ends. Whoever asks
/// for more gets what the scan's bits look like.
pub(super) fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8], usize)> {
    let mut at = 2;
    std::iter::from_fn(move || {
        let (mut marker, mut content_at) = next_marker(bytes, at)?;
        while is_standalone(marker) {
            (marker, content_at) = next_marker(bytes, content_at)?;
        }
        at = content_at + usize::from(be16(bytes, content_at)?);
        Some((marker, bytes.get(content_at + 2..at)?, at))
    })
}

/// Passes over entropy-coded bytes; returns the place of the first marker that is neither a stuffed 0xff nor a restart.
fn end_of_coded(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(0xff, rest)) {
        at += found;
        match array::<2>(bytes, at) {
            Some([_, 0 | 0xd0..=0xd7]) => at += 2,
            Some([_, 0xff]) => at += 1,
            _ => return at,
        }
    }
    bytes.len()
}

/// Returns the next marker from `at` and the place after it; stray bytes before it and fill bytes are passed over.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        while *bytes.get(at)? == 0xff {
            at += 1;
        }
        let byte = bytes[at];
        at += 1;
        if byte != 0 {
            return Some((byte, at));
        }
    }
}

/// Whether a marker stands alone, without a length: TEM, restart marks, start of image.
fn is_standalone(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd8)
}
