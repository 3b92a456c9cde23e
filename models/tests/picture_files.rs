//! Every kind of picture file against what other programs see in it, whole, cut short and damaged.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use models::picture::{Limits, Picture, PictureError, decode, probe, verify};
use proptest::prelude::*;

/// A committed file, the picture another program sees in it, and how far apart the two may be.
struct Case {
    name: String,
    bytes: Vec<u8>,
    expected: PathBuf,
    most: u8,
    mean: f64,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures")
}

fn cases() -> Vec<Case> {
    let table = fs::read_to_string(folder().join("cases.tsv")).unwrap();
    let case = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        Case {
            name: columns[0].into(),
            bytes: fs::read(folder().join(columns[0])).unwrap(),
            expected: folder().join("expected").join(columns[1]).with_extension("pam"),
            most: columns[2].parse().unwrap(),
            mean: columns[3].parse().unwrap(),
        }
    };
    table.lines().map(case).collect()
}

fn bytes_of(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

/// Reads the RGBA picture of a PAM file as the committed ones are written.
fn expected(path: &Path) -> (u32, u32, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    let end = bytes.windows(7).position(|window| window == b"ENDHDR\n").unwrap() + 7;
    let header = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let side = |name: &str| -> u32 {
        header.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
    };
    (side("WIDTH"), side("HEIGHT"), bytes[end..].to_vec())
}

fn rgba(picture: &Picture) -> Vec<u8> {
    let opaque = vec![255; picture.rgb().len() / 3];
    let alpha = picture.alpha().unwrap_or(&opaque);
    picture.rgb().chunks_exact(3).zip(alpha).flat_map(|(rgb, &a)| [rgb[0], rgb[1], rgb[2], a]).collect()
}

/// Returns the largest and the mean difference; colours of wholly transparent pixels do not count.
fn difference(seen: &[u8], expected: &[u8]) -> (u8, f64) {
    let blank = |pixel: &[u8]| if pixel[3] == 0 { [0; 4] } else { [pixel[0], pixel[1], pixel[2], pixel[3]] };
    let differences = seen
        .chunks_exact(4)
        .zip(expected.chunks_exact(4))
        .flat_map(|(seen, expected)| {
            let (seen, expected) = (blank(seen), blank(expected));
            [0, 1, 2, 3].map(|at: usize| seen[at].abs_diff(expected[at]))
        })
        .collect::<Vec<u8>>();
    let sum: u64 = differences.iter().copied().map(u64::from).sum();
    (differences.iter().copied().max().unwrap(), sum as f64 / differences.len() as f64)
}

/// Says how a file fails its case, if it does.
fn fault(case: &Case) -> Option<String> {
    let (header, picture) = match decode(&case.bytes, Limits::default()) {
        Ok(decoded) => decoded,
        Err(error) => return Some(error.to_string()),
    };
    let (width, height, expected) = expected(&case.expected);
    if (header.width, header.height, picture.width(), picture.height()) != (width, height, width, height) {
        return Some(format!("{header:?} {picture:?}, expected {width}×{height}"));
    }
    let (most, mean) = difference(&rgba(&picture), &expected);
    (most > case.most || mean > case.mean).then(|| format!("differs by {most}, {mean:.2} on average"))
}

#[test]
fn every_kind_of_file_looks_as_other_programs_see_it() {
    let mut faults = String::new();
    for case in cases() {
        if let Some(fault) = fault(&case) {
            writeln!(faults, "{}: {fault}", case.name).unwrap();
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn probing_verifying_and_decoding_tell_the_same_header() {
    for case in cases() {
        let probed = probe(&case.bytes, Limits::default()).unwrap();
        let verified = verify(&case.bytes, Limits::default()).unwrap();
        let (decoded, _) = decode(&case.bytes, Limits::default()).unwrap();
        assert_eq!((probed, verified), (decoded, decoded), "{}", case.name);
    }
}

/// Only TIFF and run-length BMP have an end that is no part of the picture and does not mark the
/// file's end: notes and further pages, and an optional mark.
#[test]
fn a_file_cut_short_anywhere_is_refused() {
    for case in cases() {
        let (_, whole) = decode(&case.bytes, Limits::default()).unwrap();
        let may_lack_its_end = case.name.contains(".tif") || case.name == "rle8.bmp";
        for length in 0..case.bytes.len() {
            let cut = &case.bytes[..length];
            let decoded = decode(cut, Limits::default());
            assert_eq!(verify(cut, Limits::default()).is_ok(), decoded.is_ok(), "{} cut to {length}", case.name);
            if let Ok((_, picture)) = decoded {
                assert!(may_lack_its_end, "{} cut to {length} of {}", case.name, case.bytes.len());
                assert_eq!(picture, whole, "{} cut to {length} of {}", case.name, case.bytes.len());
            }
        }
    }
}

/// Many programs "repair" a JPEG that was cut off by putting an end mark behind what is there.
#[test]
fn a_cut_off_jpeg_with_an_end_mark_put_behind_it_is_refused() {
    for name in ["444.jpg", "420.jpg", "restarts.jpg", "grey.jpg", "cmyk.jpg", "optimised.jpg"] {
        let bytes = bytes_of(name);
        let scan = bytes.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap();
        let (first, last) = (scan + 20, bytes.len() - 8);
        for length in first..last {
            let mut repaired = bytes[..length].to_vec();
            repaired.extend_from_slice(&[0xff, 0xd9]);
            let verified = verify(&repaired, Limits::default());
            assert!(verified.is_err(), "{name} cut to {length} of {}", bytes.len());
        }
    }
}

#[test]
fn the_limit_is_held_against_the_header_alone() {
    let limits = Limits { pixels: 37 * 23 - 1 };
    for case in cases() {
        for result in [probe(&case.bytes, limits).map(drop), decode(&case.bytes, limits).map(drop)] {
            assert!(matches!(result, Err(PictureError::TooManyPixels { .. })), "{}: {result:?}", case.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_behind_any_signature_are_an_error(
        signature in prop::sample::select(vec![
            b"".as_slice(), b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x40\0\0\0WEBPVP8 ", b"RIFF\x40\0\0\0WEBPVP8L",
            b"GIF89a", b"BM", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08",
        ]),
        noise in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let bytes = [signature, &noise].concat();
        let decoded = decode(&bytes, Limits { pixels: 1 << 16 });
        prop_assert!(decoded.is_err());
    }

    #[test]
    fn a_damaged_file_is_an_error_or_a_picture_of_its_header(
        at in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let cases = cases();
        let mut bytes = at.get(&cases).bytes.clone();
        for (place, byte) in damage {
            *place.get_mut(&mut bytes) = byte;
        }
        let limits = Limits { pixels: 1 << 16 };
        let verified = verify(&bytes, limits);
        match decode(&bytes, limits) {
            Ok((header, picture)) => {
                prop_assert_eq!((Some(header), Some(header)), (probe(&bytes, limits).ok(), verified.ok()));
                prop_assert_eq!((header.width, header.height), (picture.width(), picture.height()));
            }
            Err(error) => prop_assert_eq!(error.to_string(), verified.unwrap_err().to_string()),
        }
    }
}

/// A TIFF of one pixel whose colour is one of as many as its bits can tell.
fn tiff_with_palette(bits: u16) -> Vec<u8> {
    let colours = 1u32 << bits;
    let map_at = 12 + 2 + 10 * 12 + 4;
    let entries: [(u16, u16, u32, u32); 10] = [
        (256, 3, 1, 1),
        (257, 3, 1, 1),
        (258, 3, 1, bits.into()),
        (259, 3, 1, 1),
        (262, 3, 1, 3),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 3, 1, 1),
        (279, 4, 1, u32::from(bits / 8)),
        (320, 3, 3 * colours, map_at),
    ];
    let mut bytes = b"II*\0\x0c\0\0\0\x01\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    bytes.extend((0..3 * colours).flat_map(|_| 0xffff_u16.to_le_bytes()));
    bytes
}

#[test]
fn a_palette_of_more_colours_than_bytes_can_tell_is_refused() {
    let (_, white) = decode(&tiff_with_palette(8), Limits::default()).unwrap();
    assert_eq!(white.rgb(), [255; 3]);
    let wide = tiff_with_palette(16);
    for error in [probe(&wide, Limits::default()).unwrap_err(), decode(&wide, Limits::default()).unwrap_err()] {
        assert!(error.to_string().contains("a palette of more than 256 colours"), "{error}");
    }
}
