//! Embedded ICC profiles: converted to sRGB, or ignored when they make no sense.

use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Layout, ParsingOptions, TransformExecutor, TransformOptions};

use super::raster::{Colour, Sample};

/// A transform between two profiles for samples of one depth.
type Transform<S> = Arc<dyn TransformExecutor<S> + Send + Sync>;

/// The conversion from a picture's own colours to sRGB.
pub(super) struct ToSrgb<S> {
    transform: Transform<S>,
}

/// A sample depth that there are colour transforms for.
pub(super) trait Convertible: Sample {
    /// Returns the transform from `profile` to sRGB.
    fn transform(profile: &ColorProfile, layout: Layout, srgb: &ColorProfile) -> Option<Transform<Self>>;
    /// Returns the sample that stands for `eighths`/8 of full scale.
    fn of_eighths(eighths: u8) -> Self;
}

impl Convertible for u8 {
    fn transform(profile: &ColorProfile, layout: Layout, srgb: &ColorProfile) -> Option<Transform<Self>> {
        profile.create_transform_8bit(layout, srgb, Layout::Rgb, TransformOptions::default()).ok()
    }

    fn of_eighths(eighths: u8) -> Self {
        (u16::from(eighths) * 255 / 8) as Self
    }
}

impl Convertible for u16 {
    fn transform(profile: &ColorProfile, layout: Layout, srgb: &ColorProfile) -> Option<Transform<Self>> {
        profile.create_transform_16bit(layout, srgb, Layout::Rgb, TransformOptions::default()).ok()
    }

    fn of_eighths(eighths: u8) -> Self {
        (u32::from(eighths) * 65_535 / 8) as Self
    }
}

impl<S: Convertible> ToSrgb<S> {
    /// Returns the conversion for samples of `colour` with this profile; `None` when there is no profile, it is broken,
    /// speaks of another kind of colour, or is sRGB itself (which most profiles are).
    pub(super) fn of(profile: Option<&[u8]>, colour: Colour) -> Option<Self> {
        let profile = ColorProfile::new_from_slice_with_options(profile?, parsing_limits()).ok()?;
        let (space, layout) = match colour.inks() {
            1 => (DataColorSpace::Gray, Layout::Gray),
            3 => (DataColorSpace::Rgb, Layout::Rgb),
            // moxcms lays four inks out as it does RGBA.
            _ => (DataColorSpace::Cmyk, Layout::Rgba),
        };
        if profile.color_space != space {
            return None;
        }
        let transform = S::transform(&profile, layout, &ColorProfile::new_srgb())?;
        let conversion = Self { transform };
        (colour.inks() != 3 || conversion.changes_colours()).then_some(conversion)
    }

    /// Converts whole pixels of `inks` to RGB pixels; tells whether it could.
    pub(super) fn convert(&self, inks: &[S], rgb: &mut [S]) -> bool {
        self.transform.transform(inks, rgb).is_ok()
    }

    /// Whether any of 729 colours spread over RGB moves by more than a rounding step.
    fn changes_colours(&self) -> bool {
        let steps = || (0..=8u8).map(S::of_eighths);
        let mut before = Vec::with_capacity(729 * 3);
        for red in steps() {
            for green in steps() {
                before.extend(steps().flat_map(|blue| [red, green, blue]));
            }
        }
        let mut after = before.clone();
        let moved = |(from, to): (&S, &S)| from.to_byte().abs_diff(to.to_byte()) > 1;
        !self.convert(&before, &mut after) || before.iter().zip(&after).any(moved)
    }
}

/// Bounds what a hostile profile can make the parser allocate: tables of 21 steps for each of four inks, as large press
/// profiles have, and 58 for each of three colours.
fn parsing_limits() -> ParsingOptions {
    ParsingOptions { max_profile_size: 4 << 20, max_allowed_clut_size: 200_000, max_allowed_trc_size: 40_000 }
}
