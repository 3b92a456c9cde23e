//! Pictures, small enough to be looked at in a terminal.

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use image::imageops::thumbnail;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageReader, Limits, Rgb, RgbImage};
use ratatui::layout::Rect;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The longest side that is kept, in pixels: more than any terminal shows.
const LONGEST_PX: u32 = 800;

/// The longest side that is read, in pixels.
const READ_PX: u32 = 20_000;

/// Memory that decoding may take, in bytes.
const DECODE_BYTES: u64 = 512 << 20;

/// A small picture. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    width: u32,
    height: u32,
    rgb: Arc<[u8]>,
    full: (u32, u32),
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture {}×{} of {:?}", self.width, self.height, self.full)
    }
}

impl Picture {
    /// Reads a picture file and keeps a small version of it: upright and on white, as the daemon takes it.
    ///
    /// # Errors
    /// In words: a kind of file that can't be shown here, a broken one, or one that is too large.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (mut whole, orientation) =
            if bytes.starts_with(&[0xff, 0xd8, 0xff]) { jpeg(bytes)? } else { other(bytes)? };
        whole.apply_orientation(orientation);
        Ok(Self::from_rgb(&on_white(whole)))
    }

    fn from_rgb(whole: &RgbImage) -> Self {
        let (width, height) = whole.dimensions();
        let scale = f64::from(LONGEST_PX) / f64::from(width.max(height).max(1));
        let full = (width, height);
        let small = |side: u32| ((f64::from(side) * scale) as u32).max(1);
        let shown = if scale < 1.0 { thumbnail(whole, small(width), small(height)) } else { whole.clone() };
        Self { width: shown.width(), height: shown.height(), rgb: shown.into_raw().into(), full }
    }

    /// Makes a picture from its pixels, three bytes each.
    #[cfg(test)]
    pub(crate) fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        RgbImage::from_raw(width, height, rgb).map(|whole| Self::from_rgb(&whole))
    }

    /// Returns the file's own width and height in pixels, upright.
    pub(crate) const fn full_size(&self) -> (u32, u32) {
        self.full
    }

    /// Returns width divided by height.
    pub(crate) fn aspect(&self) -> f64 {
        f64::from(self.width) / f64::from(self.height.max(1))
    }

    /// Returns its pixels.
    pub(crate) fn image(&self) -> Option<RgbImage> {
        RgbImage::from_raw(self.width, self.height, self.rgb.to_vec())
    }

    /// Scales to exactly this size: rows of colours.
    pub(crate) fn scaled(&self, width: u32, height: u32) -> Vec<Vec<(u8, u8, u8)>> {
        let source = |at: u32, of: u32, from: u32| {
            let begin = u64::from(at) * u64::from(from) / u64::from(of.max(1));
            let end = (u64::from(at + 1) * u64::from(from)).div_ceil(u64::from(of.max(1)));
            begin as usize..(end as usize).min(from as usize)
        };
        let mean = |x: u32, y: u32| {
            let (mut sum, mut count) = ([0_u32; 3], 0_u32);
            for row in source(y, height, self.height) {
                for column in source(x, width, self.width) {
                    let at = (row * self.width as usize + column) * 3;
                    for (channel, total) in sum.iter_mut().enumerate() {
                        *total += u32::from(self.rgb[at + channel]);
                    }
                    count += 1;
                }
            }
            let [r, g, b] = sum.map(|total| (total / count.max(1)) as u8);
            (r, g, b)
        };
        (0..height).map(|y| (0..width).map(|x| mean(x, y)).collect()).collect()
    }
}

/// A picture and its place on the screen, in the picture's proportions as far as cells allow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    /// The picture.
    pub(crate) picture: Picture,
    /// Where it is.
    pub(crate) place: Rect,
}

fn jpeg(bytes: &[u8]) -> Result<(DynamicImage, Orientation), String> {
    let options = DecoderOptions::default()
        .set_max_width(READ_PX as usize)
        .set_max_height(READ_PX as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let rgb = decoder.decode().map_err(|error| format!("not a whole JPEG: {error:?}"))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| "a JPEG without a size".to_owned())?;
    let whole = RgbImage::from_raw(width as u32, height as u32, rgb).ok_or("a JPEG of another size")?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    Ok((whole.into(), orientation.unwrap_or(Orientation::NoTransforms)))
}

fn other(bytes: &[u8]) -> Result<(DynamicImage, Orientation), String> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(READ_PX);
    limits.max_image_height = Some(READ_PX);
    limits.max_alloc = Some(DECODE_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    // The limits are the decoder's own; what it decodes into is not among them.
    if decoder.total_bytes() > DECODE_BYTES {
        return Err("too large to be shown here".to_owned());
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let whole = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    Ok((whole, orientation))
}

/// Lays a picture on white.
fn on_white(whole: DynamicImage) -> RgbImage {
    if !whole.color().has_alpha() {
        return whole.into_rgb8();
    }
    let rgba = whole.into_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, alpha] = rgba.get_pixel(x, y).0.map(u32::from);
        Rgb([r, g, b].map(|sample| ((sample * alpha + 255 * (255 - alpha) + 127) / 255) as u8))
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use image::codecs::png::PngEncoder;
    use image::{ExtendedColorType, ImageEncoder as _};

    use super::*;

    #[test]
    fn a_picture_is_scaled_by_the_mean_of_what_each_pixel_covers() {
        let picture = Picture::new(2, 2, vec![0, 0, 0, 100, 0, 0, 0, 200, 0, 100, 200, 0]).unwrap();
        assert_eq!(picture.scaled(1, 1), [[(50, 100, 0)]]);
        assert_eq!(picture.scaled(4, 1)[0], [(0, 100, 0), (0, 100, 0), (100, 100, 0), (100, 100, 0)]);
        assert_eq!(picture.scaled(0, 0), Vec::<Vec<_>>::new());
    }

    #[test]
    fn a_file_that_is_no_picture_is_refused_in_words() {
        for bytes in [&b""[..], b"GIF89a", b"\xff\xd8\xff\xe0 cut short", b"hello"] {
            assert!(Picture::decode(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_large_picture_is_kept_small() {
        let mut png = Vec::new();
        RgbImage::new(2000, 20).write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
        let picture = Picture::decode(&png).unwrap();
        assert_eq!((picture.width, picture.height, picture.full_size()), (800, 8, (2000, 20)));
    }

    /// A JPEG of 16×8 grey pixels: two blocks, in each of them nothing but zeros.
    fn grey_jpeg() -> Vec<u8> {
        let huffman = |class: u8| [&[0xff, 0xc4, 0, 20, class, 1], [0; 16].as_slice()].concat();
        [
            &[0xff, 0xd8, 0xff, 0xdb, 0, 67, 0],
            [1; 64].as_slice(),
            &[0xff, 0xc0, 0, 11, 8, 0, 8, 0, 16, 1, 1, 0x11, 0],
            &huffman(0),
            &huffman(0x10),
            &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x0f, 0xff, 0xd9],
        ]
        .concat()
    }

    /// An EXIF chunk that says: turn me a quarter to the right.
    const TURNED: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

    #[test]
    fn a_picture_is_shown_upright() {
        let mut png = Vec::new();
        let mut encoder = PngEncoder::new(&mut png);
        encoder.set_exif_metadata(TURNED.to_vec()).unwrap();
        encoder.write_image(&[255, 0, 0, 0, 0, 255], 2, 1, ExtendedColorType::Rgb8).unwrap();
        let picture = Picture::decode(&png).unwrap();
        assert_eq!(picture.full_size(), (1, 2));
        assert_eq!(picture.scaled(1, 2), [[(255, 0, 0)], [(0, 0, 255)]]);

        let mut jpeg = grey_jpeg();
        assert_eq!(Picture::decode(&jpeg).unwrap().full_size(), (16, 8));
        let chunk = [b"Exif\0\0", TURNED].concat();
        let length = (chunk.len() as u16 + 2).to_be_bytes();
        jpeg.splice(2..2, [&[0xff, 0xe1], length.as_slice(), &chunk].concat());
        assert_eq!(Picture::decode(&jpeg).unwrap().full_size(), (8, 16));
    }

    #[test]
    fn a_transparent_picture_is_shown_on_white() {
        let mut png = Vec::new();
        let rgba = [9, 9, 9, 0, 200, 100, 0, 51, 1, 2, 3, 255];
        PngEncoder::new(&mut png).write_image(&rgba, 3, 1, ExtendedColorType::Rgba8).unwrap();
        let shown = Picture::decode(&png).unwrap().scaled(3, 1);
        assert_eq!(shown, [[(255, 255, 255), (244, 224, 204), (1, 2, 3)]]);
    }
}
