//! What comes from a terminal, taken apart into answers and keys.

use crate::theme::Ground;

/// What has been heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// Whether the last question has its answer.
    pub(crate) has_said_all: bool,
    /// Whether it shows kitty's pictures.
    pub(crate) knows_kitty: bool,
    /// Whether it shows sixels; none while the first question has no answer.
    pub(crate) knows_sixel: Option<bool>,
    /// A cell's width and height in pixels.
    pub(crate) cell_px: Option<(u16, u16)>,
    /// What it writes on.
    pub(crate) ground: Option<Ground>,
    /// What a person has typed meanwhile.
    pub(crate) typed: Vec<u8>,
    /// The beginning of an answer whose end is still to come.
    begun: Vec<u8>,
}

impl Heard {
    /// Takes in what came, cut anywhere.
    pub(crate) fn hear(&mut self, piece: &[u8]) {
        self.begun.extend(piece);
        let mut bytes = std::mem::take(&mut self.begun);
        while !bytes.is_empty() {
            let Some(length) = length(&bytes) else {
                self.begun = bytes;
                return;
            };
            let rest = bytes.split_off(length);
            if !self.understand(&bytes) {
                self.typed.append(&mut bytes);
            }
            bytes = rest;
        }
    }

    /// Takes an answer in; says whether it was one.
    fn understand(&mut self, bytes: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        if let Some(kinds) = within(text, "\x1b[?", "c") {
            self.knows_sixel = Some(kinds.split(';').any(|kind| kind == "4"));
        } else if let Some(size) = within(text, "\x1b[6;", "t") {
            let sides = size.split_once(';').and_then(|(high, wide)| Some((wide.parse().ok()?, high.parse().ok()?)));
            self.cell_px = sides.filter(|(wide, high)| *wide > 0 && *high > 0);
        } else if let Some(colour) = text.strip_prefix("\x1b]11;") {
            self.ground = colour.trim_end_matches(['\x07', '\x1b', '\\']).strip_prefix("rgb:").and_then(ground);
        } else if let Some(answer) = text.strip_prefix("\x1b_G") {
            self.knows_kitty |= answer.contains(";OK");
        } else if matches!(text, "\x1b[0n" | "\x1b[3n") {
            self.has_said_all = true;
        } else {
            return false;
        }
        true
    }
}

fn within<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    text.strip_prefix(begin)?.strip_suffix(end)
}

/// Returns the length of what stands at the beginning: an escape sequence, or a byte. None where a sequence's end is
/// still to come.
fn length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0x1b, b'[', rest @ ..] => rest.iter().position(|byte| (0x40..=0x7e).contains(byte)).map(|at| at + 3),
        // Texts of any length, ended by BEL or ESC \.
        [0x1b, b']' | b'_' | b'P', rest @ ..] => {
            let bell = rest.iter().position(|byte| *byte == 0x07).map(|at| at + 3);
            let end = rest.windows(2).position(|pair| pair == b"\x1b\\").map(|at| at + 4);
            bell.into_iter().chain(end).min()
        }
        [0x1b] => None,
        _ => Some(1),
    }
}

/// Reads a colour's parts, each in hexadecimal digits, and says what a ground of it is.
fn ground(colour: &str) -> Option<Ground> {
    let part = |text: &str| {
        let most = 16_u32.checked_pow(u32::try_from(text.len()).ok()?).filter(|most| *most > 1)? - 1;
        Some(f64::from(u32::from_str_radix(text, 16).ok()?) / f64::from(most))
    };
    let parts: Vec<f64> = colour.split('/').take(3).map(part).collect::<Option<_>>()?;
    Some(super::ground(parts.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(pieces: &[&[u8]]) -> Heard {
        let mut heard = Heard::default();
        for piece in pieces {
            heard.hear(piece);
        }
        heard
    }

    #[test]
    fn answers_are_told_from_keys_however_they_are_cut() {
        let stream =
            "j\x1b[?62;4c\x1b_Gi=31;OK\x1b\\/\x1b[6;17;8t\x1b]11;rgb:ffff/fafa/f0f0\x07ü\x1b[A\x1b[0nk".as_bytes();
        let whole = heard(&[stream]);
        assert_eq!(whole.typed, "j/ü\x1b[Ak".as_bytes());
        assert!(whole.has_said_all && whole.knows_kitty && whole.knows_sixel == Some(true));
        assert_eq!((whole.cell_px, whole.ground), (Some((8, 17)), Some(Ground::Light)));
        for cut in 1..stream.len() {
            assert_eq!(heard(&[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn strange_answers_are_no_trouble() {
        let check = |stream: &str| heard(&[stream.as_bytes()]);
        assert_eq!(check("\x1b[6;0;0t").cell_px, None);
        assert_eq!(check("\x1b]11;rgb:zz/0/0\x1b\\").ground, None);
        assert_eq!(check("\x1b]11;rgb:/0/0\x1b\\").ground, None);
        assert_eq!(check("\x1b]11;rgb:0000000000/0/0\x1b\\").ground, None);
        assert_eq!(check("\x1b]11;rgb:00/00/33\x1b\\").ground, Some(Ground::Dark));
        assert_eq!(check("\x1b_Gi=31;ENOTSUP\x1b\\"), Heard::default());
        assert_eq!(check("\x1b[?1;2c").knows_sixel, Some(false));
        assert_eq!(heard(&[b"\xff\xfe"]).typed, b"\xff\xfe");
    }
}
