//! Colours of the command line.

use crossterm::style::{Color, Stylize as _};

use crate::theme::Tone;

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Colours.
    Colours,
    /// Text alone: not a terminal, or `NO_COLOR` is set.
    Plain,
}

impl Paint {
    /// Colours a text.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        if self == Self::Plain {
            return text.to_owned();
        }
        match tone {
            Tone::Good => text.with(Color::Green).to_string(),
            Tone::Bad => text.with(Color::Red).to_string(),
            Tone::Active => text.with(Color::Cyan).to_string(),
            Tone::Waiting => text.with(Color::Yellow).to_string(),
            Tone::Quiet => text.with(Color::DarkGrey).to_string(),
            Tone::Heading => text.bold().to_string(),
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_colour_means_no_escape() {
        assert_eq!(Paint::Plain.tone(Tone::Bad, "failed"), "failed");
    }
}
