//! Colours by meaning, for every kind of terminal: none, 16, 256 or all, on a dark or a light ground.

use protocol::{MailState, StateName, StyleState};
use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// None: `NO_COLOR`, or a terminal that has none. What matters is bold, dim or reversed.
    None,
    /// The sixteen that every terminal has.
    Sixteen,
    /// The 6×6×6 cube.
    Indexed,
    /// Every colour.
    True,
}

/// What the terminal writes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ground {
    /// Light letters on a dark ground.
    Dark,
    /// Dark letters on a light ground.
    Light,
}

/// Which characters the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// Braille, blocks and everything else.
    Unicode,
    /// ASCII alone.
    Ascii,
}

/// What a text means, for how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing in particular.
    Plain,
    /// Beside the point.
    Quiet,
    /// A title.
    Heading,
    /// What ended well.
    Good,
    /// What did not.
    Bad,
    /// What happens now.
    Active,
    /// What waits.
    Waiting,
    /// The row that the next key is about.
    Selected,
    /// The lines above and below everything.
    Frame,
    /// What must be seen.
    Banner,
    /// A key.
    Key,
    /// A curve, by its number.
    Curve(usize),
    /// A curve as it was measured, behind the smoothed one.
    Faint(usize),
}

/// How things look on this terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    /// How many colours it shows.
    pub(crate) depth: Depth,
    /// What it writes on.
    pub(crate) ground: Ground,
    /// Which characters it shows.
    pub(crate) charset: Charset,
}

/// Colours of curves on a dark and on a light ground, apart for most colour-blind eyes too (Okabe and Ito 2008).
const CURVES: [[(u8, u8, u8); 2]; 6] = [
    [(86, 180, 233), (0, 114, 178)],
    [(230, 159, 0), (170, 100, 0)],
    [(0, 190, 140), (0, 130, 95)],
    [(230, 140, 190), (180, 70, 130)],
    [(240, 228, 66), (120, 110, 0)],
    [(240, 110, 50), (190, 70, 0)],
];

/// The same for sixteen colours.
const CURVES_16: [Color; 6] = [Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::Blue, Color::Red];

impl Theme {
    /// Reads what the environment tells about the terminal, its ground where nothing better is known. `variable` looks
    /// one up.
    pub(crate) fn detect(charset: Charset, ground: Option<Ground>, variable: impl Fn(&str) -> Option<String>) -> Self {
        Self { depth: depth(&variable), ground: ground.unwrap_or_else(|| self::ground(&variable)), charset }
    }

    /// Returns how a text of this meaning looks.
    pub(crate) fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let shape = match tone {
            Tone::Quiet | Tone::Faint(_) => plain.add_modifier(Modifier::DIM),
            Tone::Heading | Tone::Bad | Tone::Key => plain.add_modifier(Modifier::BOLD),
            Tone::Selected | Tone::Frame | Tone::Banner => plain.add_modifier(Modifier::REVERSED),
            Tone::Plain | Tone::Good | Tone::Active | Tone::Waiting | Tone::Curve(_) => plain,
        };
        match self.depth {
            Depth::None => shape,
            Depth::Sixteen => sixteen(tone, shape),
            Depth::Indexed | Depth::True => self.rich(tone, shape),
        }
    }

    fn rich(self, tone: Tone, shape: Style) -> Style {
        let light = usize::from(self.ground == Ground::Light);
        let pick = |pair: [(u8, u8, u8); 2]| self.colour(pair[light]);
        let plain = Style::new();
        match tone {
            Tone::Plain | Tone::Heading => shape,
            Tone::Quiet => plain.fg(pick([(140, 140, 140), (110, 110, 110)])),
            Tone::Good => plain.fg(pick([(90, 200, 120), (0, 125, 60)])),
            Tone::Bad => shape.fg(pick([(255, 110, 110), (190, 20, 30)])),
            Tone::Active => plain.fg(pick([(90, 190, 255), (0, 95, 175)])),
            Tone::Waiting => plain.fg(pick([(230, 180, 80), (150, 95, 0)])),
            Tone::Selected => plain.bg(pick([(52, 62, 82), (205, 220, 240)])),
            Tone::Frame => plain.bg(pick([(38, 42, 52), (225, 228, 235)])).fg(pick([(225, 225, 225), (30, 30, 30)])),
            Tone::Banner => plain.bg(pick([(150, 40, 40), (190, 40, 40)])).fg(self.colour((255, 255, 255))),
            Tone::Key => shape.fg(pick([(240, 200, 110), (140, 80, 0)])),
            Tone::Curve(number) => plain.fg(pick(CURVES[number % CURVES.len()])),
            Tone::Faint(number) => {
                let paler = |(r, g, b): (u8, u8, u8), to: u16| {
                    let mix = |from: u8| ((u16::from(from) * 2 + to * 3) / 5) as u8;
                    (mix(r), mix(g), mix(b))
                };
                let [dark, light] = CURVES[number % CURVES.len()];
                plain.fg(pick([paler(dark, 40), paler(light, 235)]))
            }
        }
    }

    /// Returns the nearest colour that the terminal has.
    pub(crate) fn colour(self, (r, g, b): (u8, u8, u8)) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(r, g, b),
            Depth::Indexed => Color::Indexed(indexed(r, g, b)),
            Depth::Sixteen | Depth::None => Color::Reset,
        }
    }
}

fn sixteen(tone: Tone, shape: Style) -> Style {
    match tone {
        Tone::Plain | Tone::Quiet | Tone::Heading | Tone::Selected | Tone::Frame => shape,
        Tone::Good => shape.fg(Color::Green),
        Tone::Bad => shape.fg(Color::Red),
        Tone::Active => shape.fg(Color::Cyan),
        Tone::Waiting | Tone::Key => shape.fg(Color::Yellow),
        Tone::Banner => Style::new().bg(Color::Red).fg(Color::White),
        Tone::Curve(number) | Tone::Faint(number) => shape.fg(CURVES_16[number % CURVES_16.len()]),
    }
}

/// Finds the nearest of the 216 colours of the cube and the 24 greys.
fn indexed(r: u8, g: u8, b: u8) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let level = |value: u8| (0..6).min_by_key(|&at| LEVELS[at].abs_diff(value)).unwrap_or(0);
    let far = |x: (u8, u8, u8)| {
        [(x.0, r), (x.1, g), (x.2, b)].iter().map(|&(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum::<u32>()
    };
    let (x, y, z) = (level(r), level(g), level(b));
    let cube = far((LEVELS[x], LEVELS[y], LEVELS[z]));
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let step = (mean.saturating_sub(3) / 10).min(23) as u8;
    let grey = 8 + 10 * step;
    if far((grey, grey, grey)) < cube { 232 + step } else { (16 + 36 * x + 6 * y + z) as u8 }
}

fn depth(variable: &impl Fn(&str) -> Option<String>) -> Depth {
    if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return Depth::None;
    }
    let term = variable("TERM").unwrap_or_default();
    let colours = variable("COLORTERM").unwrap_or_default();
    if term == "dumb" || term.starts_with("vt1") || term.starts_with("vt2") {
        Depth::None
    } else if colours == "truecolor" || colours == "24bit" || term.ends_with("-direct") {
        Depth::True
    } else if term.contains("256color") {
        Depth::Indexed
    } else {
        Depth::Sixteen
    }
}

/// `COLORFGBG` is `foreground;background`, in the sixteen colours; without it most terminals are dark.
fn ground(variable: &impl Fn(&str) -> Option<String>) -> Ground {
    let told = variable("COLORFGBG");
    let background = told.as_deref().and_then(|pair| pair.rsplit(';').next()?.parse::<u8>().ok());
    match background {
        Some(7 | 9..=15) => Ground::Light,
        _ => Ground::Dark,
    }
}

impl From<StateName> for Tone {
    fn from(state: StateName) -> Self {
        match state {
            StateName::Queued | StateName::Paused => Self::Waiting,
            StateName::Running => Self::Active,
            StateName::Succeeded => Self::Good,
            StateName::Failed => Self::Bad,
            StateName::Cancelled => Self::Quiet,
        }
    }
}

impl From<StyleState> for Tone {
    fn from(state: StyleState) -> Self {
        match state {
            StyleState::Ready => Self::Good,
            StyleState::Broken => Self::Bad,
        }
    }
}

impl From<MailState> for Tone {
    fn from(state: MailState) -> Self {
        match state {
            MailState::Pending | MailState::Queued => Self::Waiting,
            MailState::Sent => Self::Good,
            MailState::Failed => Self::Bad,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> Theme {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Theme::detect(Charset::Unicode, None, variable)
    }

    #[test]
    fn the_environment_says_how_many_colours_there_are() {
        let check = |variables: &[(&str, &str)], depth| assert_eq!(detect(variables).depth, depth, "{variables:?}");
        check(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], Depth::True);
        check(&[("TERM", "xterm-256color")], Depth::Indexed);
        check(&[("TERM", "xterm")], Depth::Sixteen);
        check(&[("TERM", "linux")], Depth::Sixteen);
        check(&[("TERM", "dumb")], Depth::None);
        check(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("NO_COLOR", "1")], Depth::None);
        check(&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Depth::Indexed);
    }

    #[test]
    fn a_light_ground_is_known_by_its_number() {
        assert_eq!(detect(&[("COLORFGBG", "0;15")]).ground, Ground::Light);
        assert_eq!(detect(&[("COLORFGBG", "0;default;15")]).ground, Ground::Light);
        assert_eq!(detect(&[("COLORFGBG", "15;0")]).ground, Ground::Dark);
        assert_eq!(detect(&[("COLORFGBG", "7;8")]).ground, Ground::Dark);
        assert_eq!(detect(&[]).ground, Ground::Dark);
    }

    #[test]
    fn without_colours_nothing_is_coloured_and_what_matters_still_stands_out() {
        let theme = detect(&[("NO_COLOR", "1")]);
        let plain = theme.style(Tone::Plain);
        for tone in [Tone::Quiet, Tone::Bad, Tone::Selected, Tone::Frame, Tone::Banner, Tone::Curve(3), Tone::Faint(3)]
        {
            let style = theme.style(tone);
            assert_eq!((style.fg, style.bg), (None, None), "{tone:?}");
            assert_eq!(style == plain, matches!(tone, Tone::Curve(_)), "{tone:?}");
        }
    }

    #[test]
    fn the_nearest_of_256_colours_is_found() {
        for ((r, g, b), expected) in
            [((0, 0, 0), 16), ((255, 255, 255), 231), ((255, 0, 0), 196), ((128, 128, 128), 244), ((95, 135, 175), 67)]
        {
            assert_eq!(indexed(r, g, b), expected, "{r} {g} {b}");
        }
    }
}
