//! Files made to hurt cost an error and next to no memory; honest ones no more than their header says.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::codecs::bmp::BmpEncoder;
use image::codecs::gif::GifEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use models::picture::{Format, Limits, OutputFormat, Picture, PictureError, decode, encode, probe};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Held by whoever measures: the allocator counts for the whole process.
static MEASURING: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MEASURING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns what `work` returns and the most bytes that it added to what was held before.
fn measured<T>(work: impl FnOnce() -> T) -> (T, u64) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let outcome = work();
    (outcome, (MEMORY.peak_usage() - before) as u64)
}

fn png_chunk(kind: &[u8], content: &[u8]) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(kind);
    sum.update(content);
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length, kind, content, &sum.sum().to_be_bytes()].concat()
}

fn png_header(width: u32, height: u32) -> Vec<u8> {
    let content = [&width.to_be_bytes(), &height.to_be_bytes(), [8, 2, 0, 0, 0].as_slice()].concat();
    [b"\x89PNG\r\n\x1a\n", png_chunk(b"IHDR", &content).as_slice()].concat()
}

/// A PNG of one pixel with these chunks before its picture.
fn png_with(chunks: &[u8]) -> Vec<u8> {
    let picture = png_chunk(b"IDAT", &deflated(&[0, 1, 2, 3]));
    [png_header(1, 1).as_slice(), chunks, &picture, &png_chunk(b"IEND", b"")].concat()
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn tiff_entry(tag: u16, value: u32) -> Vec<u8> {
    [&tag.to_le_bytes(), &4u16.to_le_bytes(), &1u32.to_le_bytes()[..], &value.to_le_bytes()].concat()
}

/// Headers alone of pictures of 60000×60000 (WebP's are at most 16384 where not extended).
fn absurd_headers() -> Vec<(Format, Vec<u8>)> {
    const SIDE: u16 = 60_000;
    let (be, le, wide) = (SIDE.to_be_bytes(), SIDE.to_le_bytes(), u32::from(SIDE).to_le_bytes());
    let less = (u32::from(SIDE) - 1).to_le_bytes();
    let entries =
        [(256, 60_000), (257, 60_000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 60_000), (279, 9)];
    let mut tiff = [b"II*\0\x08\0\0\0".as_slice(), &(entries.len() as u16).to_le_bytes()].concat();
    tiff.extend(entries.iter().flat_map(|&(tag, value)| tiff_entry(tag, value)));
    tiff.extend([0; 4]);
    vec![
        (Format::Png, png_header(60_000, 60_000)),
        (
            Format::Jpeg,
            [b"\xff\xd8\xff\xc0\0\x11\x08", &be[..], &be, b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"].concat(),
        ),
        (Format::Gif, [b"GIF89a", &le[..], &le, &[0, 0, 0]].concat()),
        (Format::Bmp, [b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", &wide[..], &wide, &[1, 0, 24, 0]].concat()),
        (Format::WebP, [b"RIFF\x60\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0", &less[..3], &less[..3], &[0; 8]].concat()),
        (Format::WebP, b"RIFF\x60\0\0\0WEBPVP8L\x60\0\0\0\x2f\xff\xff\xff\x0f".to_vec()),
        (Format::Tiff, tiff),
    ]
}

#[test]
fn an_absurd_size_is_refused_from_the_header_alone() {
    let _alone = alone();
    for (format, bytes) in absurd_headers() {
        let (outcome, peak) = measured(|| (probe(&bytes, Limits::default()), decode(&bytes, Limits::default())));
        for error in [outcome.0.map(drop), outcome.1.map(drop)] {
            assert!(matches!(error, Err(PictureError::TooManyPixels { .. })), "{format}: {error:?}");
        }
        assert!(peak < 64 << 10, "{format} took {peak} bytes");
    }
}

#[test]
fn of_a_hundred_thousand_frames_only_the_first_costs_memory() {
    let _alone = alone();
    let frame = b"\x2c\0\0\0\0\x02\0\x01\0\0\x02\x02\x44\x0a\0";
    let palette = [0, 0, 0, 255, 255, 255];
    let mut bytes = [b"GIF89a\x02\0\x01\0\x80\0\0".as_slice(), &palette].concat();
    bytes.extend(frame.repeat(100_000));
    bytes.push(0x3b);
    let (decoded, peak) = measured(|| decode(&bytes, Limits::default()));
    assert_eq!(decoded.unwrap().1.width(), 2);
    assert!(peak < 256 << 10, "took {peak} bytes");
}

#[test]
fn a_gif_frame_larger_than_the_limit_is_refused() {
    let bytes = b"GIF89a\x01\0\x01\0\0\0\0\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x0a\0\x3b";
    let error = decode(bytes, Limits::default()).unwrap_err();
    assert!(matches!(error, PictureError::TooManyPixels { width: 65_535, height: 65_535, .. }), "{error}");
}

#[test]
fn what_a_png_unpacks_beside_its_pixels_is_bounded() {
    let _alone = alone();
    let nothing = vec![0; 256 << 20];
    let packed = deflated(&nothing);
    drop(nothing);
    let profile = png_chunk(b"iCCP", &[b"x\0\0", packed.as_slice()].concat());
    let text = png_chunk(b"zTXt", &[b"x\0\0", packed.as_slice()].concat());
    let international = png_chunk(b"iTXt", &[b"x\0\x01\0\0\0", packed.as_slice()].concat());
    let many = png_chunk(b"tEXt", b"x\0y").repeat(100_000);
    for (name, chunks) in [("iCCP", profile), ("zTXt", text), ("iTXt", international), ("tEXt", many)] {
        let bytes = png_with(&chunks);
        let (_, peak) = measured(|| decode(&bytes, Limits::default()));
        assert!(peak < 24 << 20, "{name} took {peak} bytes");
    }
}

/// A CMYK picture of one pixel with a press profile whose six tables are the same large one.
fn tiff_with_profile_of_overlapping_tables() -> Vec<u8> {
    let nodes = 21usize.pow(4) * 3;
    let ramps = |channels: usize| (0..=255u8).collect::<Vec<_>>().repeat(channels);
    let table = [b"mft1\0\0\0\0\x04\x03\x15\0".to_vec(), vec![0; 36], ramps(4), vec![99; nodes], ramps(3)].concat();
    let tags: [&[u8; 4]; 6] = [b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2"];
    let at = 132 + 12 * tags.len() as u32;
    let entry = |tag: &[u8; 4]| [tag.as_slice(), &at.to_be_bytes(), &(table.len() as u32).to_be_bytes()].concat();
    let mut header = vec![0; 128];
    header[..4].copy_from_slice(&(at + table.len() as u32).to_be_bytes());
    header[8..24].copy_from_slice(b"\x02\x40\0\0prtrCMYKLab ");
    header[36..40].copy_from_slice(b"acsp");
    header[68..80].copy_from_slice(b"\0\0\xf6\xd6\0\x01\0\0\0\0\xd3\x2d");
    let tags = tags.iter().flat_map(|tag| entry(tag)).collect::<Vec<_>>();
    let profile = [header, 6u32.to_be_bytes().to_vec(), tags, table].concat();
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    let mut page = encoder.new_image::<tiff::encoder::colortype::CMYK8>(1, 1).unwrap();
    page.encoder().write_tag(tiff::tags::Tag::IccProfile, profile.as_slice()).unwrap();
    page.write_data(&[200, 100, 50, 25]).unwrap();
    bytes.into_inner()
}

#[test]
fn a_profile_that_claims_its_tables_many_times_stays_within_the_promise() {
    let _alone = alone();
    let bytes = tiff_with_profile_of_overlapping_tables();
    let (decoded, peak) = measured(|| decode(&bytes, Limits::default()));
    let (header, picture) = decoded.unwrap();
    assert_ne!(picture.rgb(), [50, 140, 185], "the profile was left aside");
    assert!(peak <= header.decoding_bytes, "took {peak} bytes, {header:?}");
}

#[test]
fn absurd_lists_in_a_tiff_are_refused_before_they_are_read() {
    let _alone = alone();
    let mut bytes = b"II*\0\x08\0\0\0\x01\0\x11\x01\x04\0\x00\x00\x80\0\x1a\0\0\0\0\0\0\0".to_vec();
    bytes.resize(32 << 20, 0);
    let (probed, peak) = measured(|| probe(&bytes, Limits::default()));
    assert!(matches!(probed, Err(PictureError::UnsupportedFeature { .. })), "{probed:?}");
    assert!(peak < 64 << 10, "took {peak} bytes");
}

#[test]
fn absurd_tiles_of_a_small_picture_cost_nothing() {
    let _alone = alone();
    let entries = [
        (256, 1),
        (257, 1),
        (258, 8),
        (259, 1),
        (262, 1),
        (277, 1),
        (322, 0xffff_fff0),
        (323, 16),
        (324, 8),
        (325, 64),
    ];
    let mut bytes = [b"II*\0\x08\0\0\0".as_slice(), &(entries.len() as u16).to_le_bytes()].concat();
    bytes.extend(entries.iter().flat_map(|&(tag, value)| tiff_entry(tag, value)));
    bytes.extend([0; 4]);
    let (outcome, peak) = measured(|| decode(&bytes, Limits::default()).map(drop));
    assert!(peak < 16 << 20, "took {peak} bytes: {outcome:?}");
}

#[test]
fn a_webp_whose_frame_is_larger_than_its_canvas_is_refused() {
    let _alone = alone();
    let frame = b"VP8L\x10\0\0\0\x2f\xff\xff\xff\x0f\0\0\0\0\0\0\0\0\0\0\0";
    let bytes = [b"RIFF\x32\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice(), frame, &[0; 8]].concat();
    let (outcome, peak) = measured(|| decode(&bytes, Limits::default()).map(drop));
    assert!(outcome.is_err());
    assert!(peak < 1 << 20, "took {peak} bytes");
}

#[test]
fn millions_of_stuffed_bytes_between_segments_are_passed_over() {
    let bytes = [b"\xff\xd8".as_slice(), &[0xff, 0].repeat(8 << 20)].concat();
    assert!(matches!(probe(&bytes, Limits::default()), Err(PictureError::Truncated { .. })));
}

#[test]
fn only_the_first_bytes_tell_the_format_and_what_follows_the_end_is_ignored() {
    let picture = Picture::new(2, 1, vec![10, 20, 30, 40, 50, 60], None).unwrap();
    for format in OutputFormat::ALL {
        let mut bytes = encode(&picture, format).unwrap();
        let (_, plain) = decode(&bytes, Limits::default()).unwrap();
        bytes.extend_from_slice(b"PK\x03\x04<svg onload=alert(1)>\xff\xd8\xff\xe0GIF89a");
        let (_, decoded) = decode(&bytes, Limits::default()).unwrap();
        assert_eq!(decoded, plain, "{format}");
    }
    let script = decode(b"GIF89a/*\x20*/=1;alert(document.cookie)//", Limits::default());
    assert!(script.is_err());
}

/// A picture of six million pixels that no codec makes small.
fn large(alpha: bool) -> Picture {
    let (width, height) = (3000, 2000);
    let noise = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8;
    let plane = alpha.then(|| (0..width * height).map(noise).collect());
    Picture::new(width, height, (0..width * height * 3).map(noise).collect(), plane).unwrap()
}

fn jpeg_of(picture: &Picture, sampling: SamplingFactor, is_progressive: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(is_progressive);
    encoder.encode(picture.rgb(), 3000, 2000, ColorType::Rgb).unwrap();
    bytes
}

/// A grey progressive file that ends after its first scan.
fn first_scan(picture: &Picture) -> Vec<u8> {
    let grey: Vec<u8> = picture.rgb().iter().copied().step_by(3).collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_progressive(true);
    encoder.encode(&grey, 3000, 2000, ColorType::Luma).unwrap();
    let begin = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 2;
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    let end = begin + bytes[begin..].windows(2).position(is_marker).unwrap();
    bytes.truncate(end);
    bytes.extend([0xff, 0xd9]);
    bytes
}

fn inks_of(color: ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let noise: Vec<u8> = large(true).into_planes().0.iter().cycle().take(3000 * 2000 * 4).copied().collect();
    Encoder::new(&mut bytes, 90).encode(&noise, 3000, 2000, color).unwrap();
    bytes
}

fn tiff_of(picture: &Picture) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    let wide: Vec<u16> = picture.rgb().iter().map(|&sample| u16::from(sample) * 257).collect();
    encoder.write_image::<tiff::encoder::colortype::RGB16>(3000, 2000, &wide).unwrap();
    bytes.into_inner()
}

fn png_of_wide(rgba: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let wide: Vec<u8> = rgba.iter().flat_map(|&sample| [sample; 2]).collect();
    PngEncoder::new(&mut bytes).write_image(&wide, 3000, 2000, ExtendedColorType::Rgba16).unwrap();
    bytes
}

fn gif_of(rgba: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GifEncoder::new_with_speed(&mut bytes, 30).encode(rgba, 3000, 2000, ExtendedColorType::Rgba8).unwrap();
    bytes
}

fn bmp_of(picture: &Picture) -> Vec<u8> {
    let mut bytes = Vec::new();
    BmpEncoder::new(&mut bytes).write_image(picture.rgb(), 3000, 2000, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// Puts an EXIF block that asks for a quarter turn behind the start mark.
fn turned(jpeg: &[u8]) -> Vec<u8> {
    let exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    [&jpeg[..2], exif, &jpeg[2..]].concat()
}

#[test]
fn decoding_takes_no_more_memory_than_the_header_says() {
    let _alone = alone();
    let (plain, transparent) = (large(false), large(true));
    let rgba: Vec<u8> = transparent
        .rgb()
        .chunks_exact(3)
        .zip(transparent.alpha().unwrap())
        .flat_map(|(p, &a)| [p[0], p[1], p[2], a])
        .collect();
    let baseline = jpeg_of(&plain, SamplingFactor::R_4_2_0, false);
    let files = [
        ("png", encode(&plain, OutputFormat::Png).unwrap()),
        ("png with alpha", encode(&transparent, OutputFormat::Png).unwrap()),
        ("wide png", png_of_wide(&rgba)),
        ("webp", encode(&plain, OutputFormat::WebP).unwrap()),
        ("webp with alpha", encode(&transparent, OutputFormat::WebP).unwrap()),
        ("gif", gif_of(&rgba)),
        ("bmp", bmp_of(&plain)),
        ("tiff", tiff_of(&plain)),
        ("jpeg", jpeg_of(&plain, SamplingFactor::R_4_4_4, false)),
        ("turned jpeg", turned(&baseline)),
        ("jpeg with half chroma", baseline),
        ("progressive jpeg", jpeg_of(&plain, SamplingFactor::R_4_4_4, true)),
        ("progressive jpeg with half chroma", jpeg_of(&plain, SamplingFactor::R_4_2_0, true)),
        ("first scan of a progressive jpeg", first_scan(&plain)),
        ("cmyk jpeg", inks_of(ColorType::Cmyk)),
        ("ycck jpeg", inks_of(ColorType::CmykAsYcck)),
    ];
    for (name, bytes) in files {
        let (decoded, peak) = measured(|| decode(&bytes, Limits::default()));
        let (header, picture) = decoded.unwrap();
        drop(picture);
        assert!(peak <= header.decoding_bytes, "{name} took {peak} bytes, {header:?}");
    }
}

#[test]
fn probing_allocates_next_to_nothing() {
    let _alone = alone();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let (_, peak) = measured(|| probe(&bytes, Limits::default()).map(drop));
        assert!(peak < 64 << 10, "{} took {peak} bytes", path.display());
    }
}
