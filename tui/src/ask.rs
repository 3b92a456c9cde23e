//! What the terminal says about itself when it is asked: its ground, and whether it shows pictures made of pixels.
//!
//! It is asked in two rounds. Every terminal knows the first question, and one that leaves it unanswered for a moment
//! is asked nothing else: answers that came later would be read as keys, but for the first question's, which is known
//! for what it is whenever it comes.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::theme::Ground;

mod heard;

pub(crate) use heard::Heard;

/// How long a terminal may think, after each piece of its answers.
const PATIENCE: Duration = Duration::from_millis(800);

/// What kind of terminal it is.
const KIND: &str = "\x1b[c";

/// Whether it knows kitty's pictures, how large a cell is, its ground, and whether it is well: every terminal that has
/// answered before answers that, after all the others.
const MORE: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b]11;?\x1b\\\x1b[5n";

/// How pictures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pictures {
    /// Two pixels a character
    Blocks,
    /// Kitty's images
    Kitty,
    /// Sixels
    Sixel,
    /// iTerm2's images
    Iterm2,
}

/// Asks the terminal, which must not wait for the end of a line. What is typed meanwhile is heard too.
///
/// # Errors
/// When the terminal is gone.
pub(crate) fn ask() -> io::Result<Heard> {
    let mut heard = Heard::default();
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    if is_dumb || !io::stdin().is_terminal() {
        return Ok(heard);
    }
    if exchange(KIND, &mut heard, |heard| heard.knows_sixel.is_some())? {
        exchange(MORE, &mut heard, |heard| heard.has_said_all)?;
    }
    Ok(heard)
}

/// Asks and listens until the answer is there. Returns whether it came.
fn exchange(question: &str, heard: &mut Heard, is_answered: impl Fn(&Heard) -> bool) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(question.as_bytes())?;
    stdout.flush()?;
    // Not through std's buffer: what it took in too much would be missing where the keys are read.
    let terminal = rustix::stdio::stdin();
    let mut piece = [0; 256];
    let mut until = Instant::now() + PATIENCE;
    while !is_answered(heard) {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&terminal, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => match rustix::io::read(terminal, &mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => heard.hear(&piece[..count]),
            },
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        until = Instant::now() + PATIENCE;
    }
    Ok(true)
}

/// Finds out how pictures are shown best, by what the terminal has said and by what the environment tells of those that show
/// pictures without saying so.
pub(crate) fn pictures(heard: &Heard, variable: impl Fn(&str) -> Option<String>) -> Pictures {
    let is =
        |name: &str, words: &[&str]| variable(name).is_some_and(|value| words.iter().any(|word| value.contains(word)));
    let knows_iterm2 = is("TERM_PROGRAM", &["iTerm", "WezTerm", "vscode", "mintty"]) || is("LC_TERMINAL", &["iTerm"]);
    // These two answer for kitty's pictures, but don't place them by characters.
    let places_by_characters = !is("TERM_PROGRAM", &["WezTerm"]) && variable("KONSOLE_VERSION").is_none();
    match heard {
        Heard { knows_kitty: true, .. } if places_by_characters => Pictures::Kitty,
        Heard { knows_sixel: Some(_), .. } if knows_iterm2 => Pictures::Iterm2,
        Heard { knows_sixel: Some(true), .. } => Pictures::Sixel,
        _ => Pictures::Blocks,
    }
}

/// Returns the keys that write these bytes: what was typed while nobody read keys.
pub(crate) fn keys(typed: &[u8]) -> Vec<KeyEvent> {
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    let text = String::from_utf8_lossy(typed);
    let mut keys = Vec::new();
    let mut rest = text.as_ref();
    while let Some(c) = rest.chars().next() {
        let arrow = match rest.as_bytes() {
            [0x1b, b'[' | b'O', b'A', ..] => Some(KeyCode::Up),
            [0x1b, b'[' | b'O', b'B', ..] => Some(KeyCode::Down),
            [0x1b, b'[' | b'O', b'C', ..] => Some(KeyCode::Right),
            [0x1b, b'[' | b'O', b'D', ..] => Some(KeyCode::Left),
            _ => None,
        };
        rest = &rest[if arrow.is_some() { 3 } else { c.len_utf8() }..];
        keys.push(match (arrow, c) {
            (Some(code), _) => plain(code),
            (None, '\r' | '\n') => plain(KeyCode::Enter),
            (None, '\t') => plain(KeyCode::Tab),
            (None, '\x1b') => plain(KeyCode::Esc),
            (None, '\x7f') => plain(KeyCode::Backspace),
            (None, '\x01'..='\x1a') => KeyEvent::new(KeyCode::Char((c as u8 + b'`').into()), KeyModifiers::CONTROL),
            (None, c) => plain(KeyCode::Char(c)),
        });
    }
    keys
}

/// Says what a ground of this colour is.
fn ground([r, g, b]: [f64; 3]) -> Ground {
    // BT.601, as for pictures.
    if 0.299 * r + 0.587 * g + 0.114 * b > 0.5 { Ground::Light } else { Ground::Dark }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_early_is_typed() {
        let keys = keys("q\r\x12ü\x1b[A\x1b".as_bytes());
        let codes: Vec<_> = keys.iter().map(|key| key.code).collect();
        let expected =
            [KeyCode::Char('q'), KeyCode::Enter, KeyCode::Char('r'), KeyCode::Char('ü'), KeyCode::Up, KeyCode::Esc];
        assert_eq!(codes, expected);
        assert_eq!(keys[2].modifiers, KeyModifiers::CONTROL);
    }

    #[test]
    fn pictures_go_the_best_way_that_the_terminal_knows() {
        let check = |answers: &str, variables: &[(&str, &str)], expected: Pictures| {
            let mut heard = Heard::default();
            heard.hear(answers.as_bytes());
            let known =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(pictures(&heard, known), expected, "{answers:?} {variables:?}");
        };
        let (kitty, sixel, plain) = ("\x1b[?62;4;22c\x1b_Gi=31;OK\x1b\\", "\x1b[?62;4;22c", "\x1b[?62;22c");
        check("", &[("TERM_PROGRAM", "iTerm.app")], Pictures::Blocks);
        check(plain, &[], Pictures::Blocks);
        check(plain, &[("LC_TERMINAL", "iTerm2")], Pictures::Iterm2);
        check(sixel, &[], Pictures::Sixel);
        check(kitty, &[], Pictures::Kitty);
        check(kitty, &[("TERM_PROGRAM", "WezTerm")], Pictures::Iterm2);
        check(kitty, &[("KONSOLE_VERSION", "230804")], Pictures::Sixel);
    }
}
