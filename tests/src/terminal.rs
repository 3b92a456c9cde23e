//! A pseudo-terminal with a program in it, read as a person reads a screen.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use vt100::Parser;

/// How many seconds a test waits for the screen before it counts as never. Counted one by one, so that a machine that
/// stands still for a while costs one of them.
const PATIENCE: u32 = 120;
const SECOND: Duration = Duration::from_secs(1);

/// What a terminal answers, to which question.
pub type Answers = &'static [(&'static str, &'static str)];

/// A terminal that answers nothing.
pub const SILENT: Answers = &[];

/// A terminal that shows text alone.
pub const PLAIN: Answers = &[("\x1b[c", "\x1b[?62;22c"), WELL];

/// A terminal that shows sixels, with cells of 10 by 20 pixels on a light ground.
pub const SIXEL: Answers = &[
    ("\x1b[c", "\x1b[?62;4;22c"),
    ("\x1b[16t", "\x1b[6;20;10t"),
    ("\x1b]11;?", "\x1b]11;rgb:ffff/ffff/ffff\x07"),
    WELL,
];

/// A terminal that shows kitty's pictures, with cells of 10 by 20 pixels on a dark ground.
pub const KITTY: Answers = &[
    ("\x1b[c", "\x1b[?62;c"),
    ("\x1b_Gi=31,", "\x1b_Gi=31;OK\x1b\\"),
    ("\x1b[16t", "\x1b[6;20;10t"),
    ("\x1b]11;?", "\x1b]11;rgb:0000/0000/0000\x1b\\"),
    WELL,
];

/// The answer of a terminal that is well.
const WELL: (&str, &str) = ("\x1b[5n", "\x1b[0n");

/// A terminal of its own, and the program that runs in it. Both end when the test lets go of them.
pub struct Terminal {
    program: Pid,
    end: Receiver<ExitStatus>,
    /// The side that the program sees, so that what the program left there can be looked at after its end.
    inside: File,
    /// Its modes before the program began.
    before: String,
    outside: Option<Arc<File>>,
    screen: Arc<Shown>,
}

struct Shown {
    parser: Mutex<Parser>,
    /// Everything that the program wrote.
    written: Mutex<Vec<u8>>,
    changed: Condvar,
    is_gone: AtomicBool,
}

impl Terminal {
    /// Starts a program with its arguments in a terminal of this size that answers in this way. `host` is the program
    /// that gives it the terminal.
    pub fn open(host: &str, program: &mut Command, size: (u16, u16), answers: Answers) -> Self {
        let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&outside).unwrap();
        unlockpt(&outside).unwrap();
        let path = ptsname(&outside, Vec::new()).unwrap().into_string().unwrap();
        let inside = open_inside(&path);
        tcsetwinsize(&inside, winsize(size)).unwrap();
        let before = modes(&inside);
        let mut command = Command::new(host);
        command.arg(path).arg(program.get_program()).args(program.get_args());
        command.current_dir(program.get_current_dir().unwrap_or(Path::new(".")));
        command.env("TERM", "xterm-256color").env("PS1", "ready> ");
        for name in ["NO_COLOR", "COLORTERM", "COLORFGBG", "TERM_PROGRAM", "LC_TERMINAL", "TMUX", "ENV"] {
            command.env_remove(name);
        }
        for name in ["ATELIER_TOKEN", "ATELIER_SERVER"] {
            command.env_remove(name);
        }
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let (program, end) = follow(command.spawn().unwrap());
        let parser = Mutex::new(Parser::new(size.1, size.0, 0));
        let written = Mutex::new(Vec::new());
        let screen = Arc::new(Shown { parser, written, changed: Condvar::new(), is_gone: AtomicBool::new(false) });
        let outside = Arc::new(File::from(outside));
        let (shown, side) = (Arc::clone(&screen), Arc::clone(&outside));
        let read = move || shown.read(&side, answers);
        std::thread::Builder::new().name("terminal".to_owned()).spawn(read).unwrap();
        Self { program, end, inside, before, outside: Some(outside), screen }
    }

    /// Presses keys, as a terminal sends them.
    pub fn press(&self, keys: &str) {
        self.outside.as_deref().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen is as expected, and returns what it shows.
    pub fn until(&self, expected: impl Fn(&str) -> bool) -> String {
        self.wait(|parser| {
            let shown = parser.screen().contents();
            expected(&shown).then_some(shown)
        })
    }

    /// Waits until the screen has a text.
    pub fn shows(&self, text: &str) -> String {
        self.until(|screen| screen.contains(text))
    }

    /// Waits until the program has written one of these, shown or not, and returns the first that it has.
    pub fn receives<'a>(&self, any: &[&'a str]) -> &'a str {
        self.wait(|_| {
            let written = self.screen.written.lock().unwrap();
            let has = |bytes: &&&str| written.windows(bytes.len()).any(|part| part == bytes.as_bytes());
            any.iter().find(has).copied()
        })
    }

    fn wait<T>(&self, mut found: impl FnMut(&Parser) -> Option<T>) -> T {
        let mut parser = self.screen.parser.lock().unwrap();
        let mut waited = Duration::ZERO;
        while waited < SECOND * PATIENCE {
            if let Some(found) = found(&parser) {
                return found;
            }
            let begun = Instant::now();
            (parser, _) = self.screen.changed.wait_timeout(parser, SECOND).unwrap();
            waited += begun.elapsed().min(SECOND);
        }
        panic!("never shown; the screen has:\n{}", parser.screen().contents());
    }

    /// Makes the terminal larger or smaller.
    pub fn resize(&self, size: (u16, u16)) {
        self.screen.parser.lock().unwrap().screen_mut().set_size(size.1, size.0);
        tcsetwinsize(&self.inside, winsize(size)).unwrap();
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.program, signal).unwrap();
    }

    /// Takes the terminal away from the program, as a lost connection does.
    pub fn hang_up(&mut self) {
        self.screen.is_gone.store(true, Ordering::Relaxed);
        self.outside = None;
    }

    /// Waits for the program's end and returns its exit code as a shell tells it.
    pub fn ended(&mut self) -> i32 {
        for _ in 0..PATIENCE {
            match self.end.recv_timeout(SECOND) {
                Ok(status) => return status.code().or_else(|| Some(128 + status.signal()?)).unwrap(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("its end is known already"),
            }
        }
        panic!("it never ends; the screen has:\n{}", self.screen.parser.lock().unwrap().screen().contents());
    }

    /// Says whether a program has taken the terminal over: its modes are others than before, and it shows a screen of
    /// its own without a cursor.
    pub fn is_taken(&self) -> bool {
        modes(&self.inside) != self.before && is_changed(&self.screen.parser.lock().unwrap())
    }

    /// Waits until everything that the program wrote has arrived; fails unless the terminal is as it was before.
    pub fn is_given_back(&self) {
        self.wait(|parser| (!is_changed(parser)).then_some(()));
        assert_eq!(modes(&self.inside), self.before, "the terminal's modes");
    }
}

impl Shown {
    /// Reads what the program writes, and answers its questions.
    fn read(&self, outside: &File, answers: Answers) {
        let mut seen = vec![0; answers.len()];
        let mut piece = [0; 4096];
        while !self.is_gone.load(Ordering::Relaxed) {
            let wait = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            if poll(&mut [PollFd::new(outside, PollFlags::IN)], Some(&wait)) == Ok(0) {
                continue;
            }
            let Ok(count @ 1..) = (&*outside).read(&mut piece) else { return };
            self.parser.lock().unwrap().process(&piece[..count]);
            let mut written = self.written.lock().unwrap();
            written.extend(&piece[..count]);
            for ((question, answer), seen) in answers.iter().zip(&mut seen) {
                let asked =
                    |from: usize| written[from..].windows(question.len()).position(|part| part == question.as_bytes());
                while let Some(at) = asked(*seen) {
                    *seen += at + question.len();
                    // A program that has ended needs no answer.
                    let _ = (&*outside).write_all(answer.as_bytes());
                }
                // The beginning of a question may be here already.
                *seen = (*seen).max(written.len().saturating_sub(question.len()));
            }
            drop(written);
            self.changed.notify_all();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.hang_up();
        let has_ended = !matches!(self.end.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
        if !has_ended {
            let _ = kill_process(self.program, Signal::KILL);
        }
    }
}

/// Opens the side of a terminal that its program sees, without making it the test's own.
fn open_inside(path: &str) -> File {
    use rustix::fs::{Mode, OFlags, open};
    let inside: OwnedFd = open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    File::from(inside)
}

/// Waits for a program's end beside the test.
fn follow(mut child: Child) -> (Pid, Receiver<ExitStatus>) {
    let (sender, end) = channel();
    let program = Pid::from_child(&child);
    std::thread::spawn(move || {
        // Nobody listens once the test is over.
        let _ = sender.send(child.wait().unwrap());
    });
    (program, end)
}

fn winsize((columns, rows): (u16, u16)) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn modes(terminal: &File) -> String {
    format!("{:?}", tcgetattr(terminal).unwrap())
}

/// Says whether a program shows a screen of its own, hides the cursor, or asks for pastes in brackets.
fn is_changed(parser: &Parser) -> bool {
    let screen = parser.screen();
    screen.alternate_screen() || screen.hide_cursor() || screen.bracketed_paste()
}
