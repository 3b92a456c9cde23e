//! Shapes as PNG. Lines are drawn three times as large and then averaged; letters come from a bitmap font.

use std::convert::Infallible;

use embedded_graphics::Drawable;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_8X13;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::{Circle, Line, Primitive, PrimitiveStyle};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use models::picture::{OutputFormat, Picture, encode};

use super::draw::{Anchor, Ink, Shape};

/// How much larger lines are drawn, along each side.
const FINE: usize = 3;

/// Draws shapes on white.
pub(super) fn write((width, height): (f64, f64), shapes: &[Shape]) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    let mut fine = Paper::blank(width * FINE, height * FINE);
    for shape in shapes {
        if let Shape::Line { points, ink, width } = shape {
            fine.draw_line(points, *ink, *width);
        }
    }
    let mut paper = fine.averaged();
    for shape in shapes {
        if let Shape::Words { at, text, anchor, ink } = shape {
            paper.draw_words(*at, text, *anchor, *ink);
        }
    }
    let picture = Picture::new(width as u32, height as u32, paper.rgb, None);
    let encoded = picture.and_then(|picture| encode(&picture, OutputFormat::Png));
    encoded.expect("the drawing's size is a picture's")
}

/// What is drawn on.
struct Paper {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Paper {
    fn blank(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![255; 3 * width * height] }
    }

    fn draw_line(&mut self, points: &[(f64, f64)], ink: Ink, width: f64) {
        let fine = |at: f64| (at * FINE as f64).round() as i32;
        let points: Vec<_> = points.iter().map(|(x, y)| Point::new(fine(*x), fine(*y))).collect();
        let thick = fine(width).max(1) as u32;
        let (stroke, dot) = (PrimitiveStyle::with_stroke(colour(ink), thick), PrimitiveStyle::with_fill(colour(ink)));
        // Segment by segment with round joints: the library's own joints overflow on curves as steep as these.
        for pair in points.windows(2) {
            let Ok(()) = Line::new(pair[0], pair[1]).into_styled(stroke).draw(self);
            let Ok(()) = Circle::with_center(pair[1], thick).into_styled(dot).draw(self);
        }
    }

    fn draw_words(&mut self, (x, y): (f64, f64), text: &str, anchor: Anchor, ink: Ink) {
        let alignment = match anchor {
            Anchor::Start => Alignment::Left,
            Anchor::Middle => Alignment::Center,
            Anchor::End => Alignment::Right,
        };
        let place = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Middle).build();
        let letters = MonoTextStyle::new(&FONT_8X13, colour(ink));
        let Ok(_) = Text::with_text_style(text, Point::new(x as i32, y as i32), letters, place).draw(self);
    }

    /// Returns the paper in its final size.
    fn averaged(&self) -> Self {
        let mut small = Self::blank(self.width / FINE, self.height / FINE);
        for (at, value) in small.rgb.iter_mut().enumerate() {
            let (x, y, channel) = (at / 3 % small.width, at / 3 / small.width, at % 3);
            let fine = (0..FINE * FINE).map(|n| (y * FINE + n / FINE) * self.width + x * FINE + n % FINE);
            let sum: usize = fine.map(|pixel| usize::from(self.rgb[3 * pixel + channel])).sum();
            *value = (sum / (FINE * FINE)) as u8;
        }
        small
    }
}

fn colour(Ink(red, green, blue): Ink) -> Rgb888 {
    Rgb888::new(red, green, blue)
}

impl OriginDimensions for Paper {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Paper {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, colour) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y)) else { continue };
            if x < self.width && y < self.height {
                let at = 3 * (y * self.width + x);
                self.rgb[at..at + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}
