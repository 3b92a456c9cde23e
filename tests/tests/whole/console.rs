//! The console as a person sees it: the real program in a terminal, a real daemon behind it.

use std::path::{Path, PathBuf};
use std::process::Command;

use models::painter::{self, PaintRecipe};
use protocol::job::paint::Optimizer;
use protocol::{OutputFormat, PaintOrder, Parameters, TrainOrder};
use rustix::process::Signal;
use tests::{Answers, KITTY, PLAIN, SILENT, SIXEL, Terminal, picture};

use tui::cost::memory_bytes;

use crate::program::{Running, atelierd};

/// Runs a program in a terminal.
fn open(program: &mut Command) -> Terminal {
    Terminal::open(env!("CARGO_BIN_EXE_on-terminal"), program, (110, 32), PLAIN)
}

/// The console, in a folder.
fn console(server: &str, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atelier-under-test"));
    command.args(["--server", server]).current_dir(folder);
    command
}

/// Starts a daemon on its folder and address.
fn daemon(folder: &Path, listen: &str) -> Running {
    Running::start_as(atelierd(folder).args(["--listen", listen, "--data", "data"]))
}

#[test]
fn a_person_paints_trains_loses_the_daemon_and_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photos(folder.path());
    let running = daemon(folder.path(), "127.0.0.1:0");
    let address = running.address.clone();
    let mut terminal = open(&mut console(&format!("http://{address}"), &photos));
    terminal.until(|screen| ["● connected", "no jobs yet", "s submit"].iter().all(|part| screen.contains(part)));

    // A photo: chosen, ordered, painted.
    terminal.press("s");
    terminal.shows("cat.png");
    terminal.shows("96×64");
    terminal.press("\r");
    terminal.shows("Paint cat.png");
    terminal.press("\r");
    terminal.until(|screen| screen.contains("succeeded") && screen.contains("stylize"));

    // A short training, watched, and the daemon killed in the middle of it.
    terminal.press("t");
    terminal.shows("Choose an artwork");
    terminal.shows("cat.png");
    terminal.press("\r");
    let costs = |screen: &str| screen.contains("costs ") && screen.contains("of memory");
    terminal.until(|screen| screen.contains("Learn the style of cat.png") && costs(screen));
    terminal.press("\t\t\t60\t1\t64\t64");
    terminal.shows("60 steps");
    terminal.press("\r");
    terminal.shows("accepted as");
    terminal.press("2");
    terminal.until(|screen| screen.contains("running") && screen.contains("total"));
    running.signal("KILL");
    drop(running);

    // The last picture stays, and of what happens next nothing is missed: no second snapshot was needed for that.
    terminal.until(|screen| screen.contains("disconnected, reconnecting in") && screen.contains("total"));
    let _again = daemon(folder.path(), &address);
    terminal.press("\x12");
    let parts = ["● connected", "60/60", "succeeded", "step 60 at"];
    terminal.until(|screen| parts.iter().all(|part| screen.contains(part)));
    terminal.press("3");
    terminal.until(|screen| screen.lines().any(|line| line.contains("cat ") && line.contains("ready")));
    terminal.press("1");
    terminal.until(|screen| screen.contains("WAITED") && screen.matches("succeeded").count() >= 2);
    terminal.press("6");
    let parts = ["disconnected: ", "train cat  running", "train cat  succeeded"];
    let log = terminal.until(|screen| parts.iter().all(|part| screen.contains(part)));
    assert_eq!((log.matches(" connected to").count(), log.matches(" daemon ").count()), (2, 1), "{log}");

    for size in [(20, 5), (19, 4), (200, 60), (80, 24)] {
        terminal.resize(size);
        terminal.shows(if size.0 < 20 { "needs 20×5" } else { "atelier" });
    }
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    terminal.is_given_back();
}

/// The two come over different ways; one that is seen must not hide the other.
#[test]
fn a_key_pressed_in_the_moment_of_a_resize_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let running = daemon(folder.path(), "127.0.0.1:0");
    let terminal = open(&mut console(&format!("http://{}", running.address), folder.path()));
    terminal.shows("● connected");
    for round in 0..40 {
        terminal.resize((100 + round % 2, 30));
        terminal.press(if round % 2 == 0 { "4" } else { "1" });
        terminal.shows(if round % 2 == 0 { "THREADS" } else { "no jobs yet" });
    }
}

#[test]
fn the_terminal_is_given_back_after_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let mut terminal = open(&mut console("http://127.0.0.1:1", folder.path()));
        terminal.shows("no daemon answers");
        assert!(terminal.is_taken(), "the console has the terminal");
        terminal.signal(signal);
        assert_eq!(terminal.ended(), code, "{signal:?}");
        terminal.is_given_back();
    }
}

#[test]
fn the_terminal_is_given_back_after_a_panic() {
    let mut terminal = open(&mut Command::new(env!("CARGO_BIN_EXE_panics")));
    assert_eq!(terminal.ended(), 101);
    terminal.shows("on purpose");
    terminal.is_given_back();
}

#[test]
fn leaving_before_any_daemon_answered_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = open(&mut console("http://127.0.0.1:1", folder.path()));
    terminal.shows("reconnecting in");
    terminal.press("q");
    assert_eq!(terminal.ended(), 3);
    terminal.shows("no daemon answers at http://127.0.0.1:1");
    terminal.is_given_back();
}

#[test]
fn a_lost_terminal_ends_the_console() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = open(&mut console("http://127.0.0.1:1", folder.path()));
    terminal.shows("no daemon answers");
    terminal.hang_up();
    // By the signal, or by what the terminal no longer is: whichever comes first.
    let code = terminal.ended();
    assert!([129, 1].contains(&code), "{code}");
}

/// Opens the choice of photos, with a look at one, in a terminal that answers in this way.
fn looking(address: &str, photos: &Path, answers: Answers) -> Terminal {
    let mut program = console(&format!("http://{address}"), photos);
    let terminal = Terminal::open(env!("CARGO_BIN_EXE_on-terminal"), &mut program, (110, 32), answers);
    // The key works once a style is known.
    terminal.shows("s submit");
    terminal.press("s");
    terminal.shows("cat.png");
    terminal.shows("96×64");
    terminal
}

/// A folder with a photo in it, beside what else a test keeps.
fn photos(folder: &Path) -> PathBuf {
    let photos = folder.join("photos");
    std::fs::create_dir(&photos).unwrap();
    std::fs::write(photos.join("cat.png"), picture(96, 64)).unwrap();
    photos
}

#[test]
fn a_picture_is_drawn_the_best_way_that_the_terminal_answers_for() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photos(folder.path());
    let daemon = daemon(folder.path(), "127.0.0.1:0");
    for (answers, begin) in [(SIXEL, "\x1bP"), (KITTY, "\x1b_Gq=2,i="), (PLAIN, "▀")] {
        let mut terminal = looking(&daemon.address, &photos, answers);
        // On a machine that stands still for a second the answers come too late, and blocks are drawn.
        while terminal.receives(&[begin, "▀"]) != begin {
            terminal = looking(&daemon.address, &photos, answers);
        }
        terminal.press("\x1b");
        terminal.until(|screen| !screen.contains("cat.png") && screen.contains("no jobs yet"));
        terminal.press("q");
        assert_eq!(terminal.ended(), 0);
        terminal.is_given_back();
    }
}

#[test]
fn a_terminal_that_answers_nothing_loses_no_key_and_little_time() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photos(folder.path());
    let daemon = daemon(folder.path(), "127.0.0.1:0");
    let mut program = console(&format!("http://{}", daemon.address), &photos);
    let mut terminal = Terminal::open(env!("CARGO_BIN_EXE_on-terminal"), &mut program, (110, 32), SILENT);
    // Typed while the console still listens for answers.
    terminal.receives(&["\x1b[c"]);
    terminal.press("6");
    terminal.until(|screen| screen.contains("6 Log") && screen.contains(" daemon "));
    // One that comes late is no key.
    terminal.press("\x1b[?62;4c1s");
    terminal.shows("cat.png");
    terminal.receives(&["▀"]);
    terminal.press("\x03q");
    assert_eq!(terminal.ended(), 0);
    terminal.is_given_back();
}

#[test]
fn a_shell_gets_the_terminal_back_until_it_calls() {
    let folder = tempfile::tempdir().unwrap();
    let terminal = open(Command::new("sh").arg("-i").current_dir(folder.path()));
    terminal.shows("ready>");
    let program = env!("CARGO_BIN_EXE_atelier-under-test");
    terminal.press(&format!("{program} --server http://127.0.0.1:1\r"));
    terminal.shows("reconnecting in");
    terminal.press("\x1a");
    terminal.until(|screen| screen.contains("Stopped") && !screen.contains("reconnecting in"));
    assert!(!terminal.is_taken());
    terminal.press("fg\r");
    terminal.shows("reconnecting in");
    assert!(terminal.is_taken());
    terminal.press("q");
    terminal.shows("no daemon answers at");
    assert!(!terminal.is_taken());
}

#[test]
fn the_console_counts_memory_as_the_daemon_does() {
    let orders = [
        TrainOrder::new("x".parse().unwrap()),
        TrainOrder { batch: Some(16), size: Some(512), ..TrainOrder::new("x".parse().unwrap()) },
        TrainOrder {
            art_size: Some(2048),
            width: Some(37),
            residuals: Some(9),
            ..TrainOrder::new("x".parse().unwrap())
        },
    ];
    for order in orders {
        let training = order.fill().unwrap();
        let artwork = (900, 640);
        let recipe = models::training::Recipe {
            batch: training.batch,
            size: training.size,
            art_size: training.art_size,
            width: training.width,
            residuals: training.residuals,
            ..models::training::Recipe::house()
        };
        let (exact, square) = (recipe.memory_bytes(artwork.0, artwork.1), recipe.memory_bytes(1, 1));
        let training = Parameters::Train(training);
        assert_eq!(memory_bytes(&training, Some(artwork)), Some(exact));
        assert_eq!(memory_bytes(&training, None), Some(square));
    }
    for optimizer in [painter::Optimizer::Lbfgs, painter::Optimizer::Adam] {
        let recipe = PaintRecipe { optimizer, ..PaintRecipe::default() };
        let optimizer = if optimizer == painter::Optimizer::Adam { Optimizer::Adam } else { Optimizer::Lbfgs };
        let paint = |size| PaintOrder { optimizer: Some(optimizer), size, ..PaintOrder::default() };
        let painting = |size| Parameters::Paint(paint(size).fill(1, OutputFormat::Png).unwrap());
        let size = models::picture::size_with_longest(900, 641, 333, models::picture::Limits::default()).unwrap();
        for (wanted, (width, height)) in [(None, (900, 641)), (Some(333), size)] {
            let daemon = recipe.memory_bytes(width, height, &[]);
            assert_eq!(memory_bytes(&painting(wanted), Some((900, 641))), Some(daemon), "{optimizer} {wanted:?}");
        }
        assert_eq!(memory_bytes(&painting(None), None), None);
    }
}
