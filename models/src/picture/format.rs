//! Which kind of file the bytes are: told by their first bytes alone, never by a name or a media type.

use std::fmt;
use std::str::FromStr;

use super::PictureError;

/// A picture format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// PNG, still (of an animated one, its default image).
    Png,
    /// JPEG, baseline or progressive.
    Jpeg,
    /// WebP, lossy or lossless (of an animated one, the first frame).
    WebP,
    /// GIF (of an animated one, the first frame).
    Gif,
    /// Windows bitmap.
    Bmp,
    /// TIFF or `BigTIFF` (of several pages, the first).
    Tiff,
}

impl Format {
    /// Returns the format's usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
        }
    }

    /// Returns the format that a result takes when nothing else is asked for: the photo's own where it can be
    /// written, else PNG.
    #[must_use]
    pub fn output(self) -> OutputFormat {
        match self {
            Self::Jpeg => OutputFormat::Jpeg,
            Self::WebP => OutputFormat::WebP,
            Self::Png | Self::Gif | Self::Bmp | Self::Tiff => OutputFormat::Png,
        }
    }

    /// Tells the format of `bytes` by their signature.
    ///
    /// # Errors
    /// `Empty` for no bytes, `UnsupportedFormat` for everything that is not one of the six formats; what is commonly sent
    /// by mistake (HEIC, AVIF, SVG, PDF, …) is called by its name.
    pub fn sniff(bytes: &[u8]) -> Result<Self, PictureError> {
        let format = match bytes {
            [] => return Err(PictureError::Empty),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Self::Png,
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::WebP,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            // Two letters alone begin many a text; the size of the second header makes sure.
            [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, _, 12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0, ..] => {
                Self::Bmp
            }
            [b'I', b'I', 0x2a, 0, _, _, _, _, b'C', b'R', ..] => return Err(unsupported(bytes)),
            [b'I', b'I', 0x2a | 0x2b, 0, ..] | [b'M', b'M', 0, 0x2a | 0x2b, ..] => Self::Tiff,
            _ => return Err(unsupported(bytes)),
        };
        Ok(format)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names what `bytes` are, as far as their beginning tells, and what to send instead.
fn unsupported(bytes: &[u8]) -> PictureError {
    const CONVERT: &str = "save or export it as JPEG, PNG or WebP and send that";
    let (found, hint) = match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] if has_brand(bytes, &[b"avif", b"avis"]) => {
            ("an AVIF picture", CONVERT)
        }
        [_, _, _, _, b'f', b't', b'y', b'p', ..] if has_brand(bytes, HEIC_BRANDS) => (
            "a HEIC picture",
            "export it as JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible) and send that",
        ),
        [_, _, _, _, b'f', b't', b'y', b'p', b'c', b'r', b'x', ..] | [b'I', b'I', 0x2a, 0, ..] => {
            ("a camera raw file", "develop it to JPEG, PNG or TIFF and send that")
        }
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => ("a video", "send one of its frames as JPEG, PNG or WebP"),
        [0xff, 0x0a, ..] | [0, 0, 0, 0x0c, b'J', b'X', b'L', b' ', ..] => ("a JPEG XL picture", CONVERT),
        [0, 0, 0, 0x0c, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => ("a JPEG 2000 picture", CONVERT),
        [b'8', b'B', b'P', b'S', ..] => ("a Photoshop document", CONVERT),
        [b'%', b'P', b'D', b'F', ..] => ("a PDF document", "send its picture as JPEG, PNG or WebP"),
        [0, 0, 1 | 2, 0, ..] => ("a Windows icon", CONVERT),
        [0x1f, 0x8b, ..] | [b'P', b'K', 3, 4, ..] => ("an archive", "unpack it and send the pictures one by one"),
        _ if is_svg(bytes) => ("an SVG drawing", "export it as PNG at the size you want and send that"),
        _ => ("an unknown kind of file", "send a JPEG, PNG, WebP, GIF, BMP or TIFF"),
    };
    PictureError::UnsupportedFormat { found, hint }
}

const HEIC_BRANDS: &[&[u8; 4]] = &[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"];

/// Whether an ISO media file's first box names any of these brands, as its own or as one it is compatible with.
fn has_brand(bytes: &[u8], brands: &[&[u8; 4]]) -> bool {
    let box_bytes = usize::from(bytes[3]).min(bytes.len());
    bytes[..box_bytes].chunks_exact(4).skip(2).any(|brand| brands.iter().any(|wanted| brand == *wanted))
}

/// Whether the beginning of `bytes` reads like an SVG document (possibly after a byte order mark, a prologue, comments).
fn is_svg(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(4096)];
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = head.trim_ascii_start();
    text.starts_with(b"<") && text.windows(4).any(|window| window.eq_ignore_ascii_case(b"<svg"))
}

/// A picture format that results are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// PNG: lossless, keeps alpha.
    Png,
    /// JPEG at quality 92 with full-resolution chroma; alpha is flattened on white.
    Jpeg,
    /// WebP, lossless, keeps alpha.
    WebP,
}

impl OutputFormat {
    /// Every format, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::WebP];

    /// Returns the media type that a result of this format is served as.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
        }
    }

    /// Returns the usual file name extension, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
        }
    }

    /// Returns the format's name as the `format` field spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::WebP => "webp",
        }
    }

    /// Returns the longest side in pixels that a file of this format can have.
    #[must_use]
    pub fn longest_side_px(self) -> u32 {
        match self {
            Self::Png => i32::MAX as u32,
            Self::Jpeg => 65_535,
            Self::WebP => 16_384,
        }
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no format that results are written in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a format results are written in; ask for png, jpeg or webp")]
pub struct UnknownOutputFormat(pub String);

impl FromStr for OutputFormat {
    type Err = UnknownOutputFormat;

    /// Reads a name as [`name`](Self::name) spells it, or `jpg`, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        Self::ALL
            .into_iter()
            .find(|format| is(format.name()) || is(format.extension()))
            .ok_or_else(|| UnknownOutputFormat(text.chars().take(32).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        Format::sniff(bytes).map_or_else(|error| error.to_string(), |format| format.to_string())
    }

    #[test]
    fn what_cannot_be_read_is_called_by_its_name_with_the_way_out() {
        let check = |bytes: &[u8], name: &str, way_out: &str| {
            let refusal = refusal(bytes);
            assert!(refusal.contains(name) && refusal.contains(way_out), "{refusal}");
        };
        check(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "JPEG");
        check(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF", "JPEG");
        check(b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF", "JPEG");
        check(b"\0\0\0\x1cftypisom\0\0\0\0", "video", "frames");
        check(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", "PNG");
        check(b"\xef\xbb\xbf\n<?xml version='1.0'?>\n<!-- drawn -->\n<SVG/>", "SVG", "PNG");
        check(b"%PDF-1.7", "PDF", "JPEG");
        check(b"\xff\x0a\xfa", "JPEG XL", "PNG");
        check(b"II*\0\x10\0\0\0CR\x02\0", "camera raw", "develop");
        check(b"PK\x03\x04", "archive", "unpack");
        check(b"hello", "unknown", "send a JPEG");
        check(b"BM is how this text begins", "unknown", "send a JPEG");
        check(b"", "empty", "send");
    }

    #[test]
    fn an_output_format_is_read_as_it_is_written() {
        for format in OutputFormat::ALL {
            assert_eq!(format.name().parse(), Ok(format));
            assert_eq!(format.extension().to_uppercase().parse(), Ok(format));
        }
        assert!("gif".parse::<OutputFormat>().is_err());
        assert!("".parse::<OutputFormat>().is_err());
    }
}
