//! Numbers along the edges.

/// Writes a number in six columns or fewer: `1234`, `12.3`, `0.0123`, `1.2e-5`, `3.4e9`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "-".to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(0.000_995..99_999.5).contains(&size) {
        format!("{value:.1e}")
    } else {
        let decimals = if size >= 100.0 {
            0
        } else if size >= 10.0 {
            1
        } else if size >= 1.0 {
            2
        } else if size >= 0.1 {
            3
        } else {
            4
        };
        format!("{value:.decimals$}")
    }
}

/// How values are laid out from bottom to top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    /// Spans a range of values. A single value is in the middle; on a logarithmic scale only what is above zero counts.
    pub(super) fn new(low: f64, high: f64, logarithmic: bool) -> Option<Self> {
        if !(low.is_finite() && high.is_finite() && low <= high) || (logarithmic && low <= 0.0) {
            return None;
        }
        let (low, high) = if logarithmic { (low.ln(), high.ln()) } else { (low, high) };
        // Huge values of both signs would overflow their difference.
        if !(high - low).is_finite() {
            return Some(Self { low: low / 2.0, high: high / 2.0, logarithmic });
        }
        let margin = if high > low { 0.0 } else { low.abs().max(1e-9) * 0.1 };
        Some(Self { low: low - margin, high: high + margin, logarithmic })
    }

    /// Returns where a value is, from 0 at the bottom to 1 at the top.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let value = if self.logarithmic { value.ln() } else { value };
        let place = (value - self.low) / (self.high - self.low);
        place.is_finite().then_some(place.clamp(0.0, 1.0))
    }

    /// Returns the value at a place.
    pub(super) fn value(&self, place: f64) -> f64 {
        let value = self.low + (self.high - self.low) * place;
        if self.logarithmic { value.exp() } else { value }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn numbers_fit_into_the_margin() {
        for (value, expected) in [
            (0.0, "0"),
            (12_345.6, "12346"),
            (123_456.0, "1.2e5"),
            (12.345, "12.3"),
            (1.2345, "1.23"),
            (0.12345, "0.123"),
            (0.012_345, "0.0123"),
            (0.000_012, "1.2e-5"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(number(value), expected);
            assert!(number(-value).len() <= 7);
        }
    }

    #[test]
    fn a_scale_has_its_ends_at_bottom_and_top() {
        let linear = Scale::new(1.0, 100.0, false).unwrap();
        let logarithmic = Scale::new(1.0, 100.0, true).unwrap();
        assert_eq!((linear.place(1.0), linear.place(100.0)), (Some(0.0), Some(1.0)));
        assert_eq!(logarithmic.place(10.0), Some(0.5));
        assert_eq!(logarithmic.place(0.0), None, "no place for what is not above zero");
        assert!((logarithmic.value(0.5) - 10.0).abs() < 1e-9);
        assert_eq!(Scale::new(5.0, 5.0, false).unwrap().place(5.0), Some(0.5));
        assert_eq!(Scale::new(0.0, 5.0, true), None);
        assert_eq!(Scale::new(f64::INFINITY, f64::NEG_INFINITY, false), None);
        let huge = Scale::new(-f64::MAX, f64::MAX, false).unwrap();
        assert!(huge.place(1.0).is_some_and(|place| (place - 0.5).abs() < 1e-9));
    }
}
