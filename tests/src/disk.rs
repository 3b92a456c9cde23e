//! A disk that is watched and can be made to fail, under a program of its own process.
//!
//! `disk.c` stands between the program and the C library. So the shipped daemon needs no switch for its tests, and tests
//! need neither root nor a debugger.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

mod call;
mod platter;
mod syncs;
mod told;

pub use call::{Call, What};
pub use platter::{Cut, Platter};
pub use syncs::SyncNames;
pub use told::{Fact, Told, facts};

/// The size of the file that rules are passed in; the library maps so much of it.
const CONTROL_BYTES: usize = 4096;

/// A watched disk.
pub struct Disk {
    folder: TempDir,
    control: File,
    generation: u32,
}

/// What happens to a call that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The program is killed before it happens.
    KillBefore,
    /// The program is killed once it has happened.
    KillAfter,
    /// It fails with this error number.
    Fail(i32),
}

/// Which calls something happens to.
#[derive(Clone, Debug)]
pub struct Rule<'a> {
    /// What happens.
    pub fate: Fate,
    /// Which of the matches is meant, counted from 1; 0 for all.
    pub nth: usize,
    /// The kinds of call: `c`reate, `w`rite, `t`runcate, `s`ync, sync `e`verything, `f`lush, `r`ename, `m`ake a folder,
    /// `d`elete.
    pub operations: &'a str,
    /// A shell's pattern for the whole path; a rename's is the new one.
    pub pattern: &'a str,
}

impl Disk {
    /// Makes the library. Where that is not possible it says so, and there is none; where `ATELIER_REQUIRE_SERVERS=1`
    /// that is a failure.
    pub fn open() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        if let Err(reason) = compile(&folder.path().join("disk.so")) {
            let line = format!("not tested on a failing disk: {reason}");
            assert!(std::env::var_os("ATELIER_REQUIRE_SERVERS").is_none_or(|value| value != "1"), "{line}");
            eprintln!("{line}");
            return None;
        }
        let control = File::options().read(true).write(true).create_new(true).open(folder.path().join("control"));
        let control = control.unwrap();
        control.set_len(CONTROL_BYTES as u64).unwrap();
        Some(Self { folder, control, generation: 0 })
    }

    /// Puts the library under a program, to watch everything below a folder.
    pub fn put_under(&self, command: &mut Command, root: &Path) {
        command.env("LD_PRELOAD", self.folder.path().join("disk.so"));
        command.env("DISK_ROOT", root).env("DISK_CONTROL", self.folder.path().join("control"));
        command.env("DISK_LOG", self.log());
    }

    /// Sets the one rule that is in force, also for a running program.
    pub fn rule(&mut self, rule: &Rule<'_>) {
        let (action, error) = match rule.fate {
            Fate::KillBefore => ("kill-before", 0),
            Fate::KillAfter => ("kill-after", 0),
            Fate::Fail(error) => ("fail", error),
        };
        self.say(&format!("{action} {error} {} {} {}", rule.nth, rule.operations, rule.pattern));
    }

    /// Lets the disk be well again.
    pub fn mend(&mut self) {
        self.say("");
    }

    /// The generation comes last: whoever sees it sees the rule.
    fn say(&mut self, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        assert!(bytes.len() < CONTROL_BYTES - 4, "the rule is too long");
        bytes.resize(CONTROL_BYTES - 4, 0);
        self.generation += 1;
        self.control.write_all_at(&bytes, 4).unwrap();
        self.control.write_all_at(&self.generation.to_ne_bytes(), 0).unwrap();
    }

    /// Returns every call so far below `root`, in order.
    pub fn calls(&self, root: &Path) -> Vec<Call> {
        call::read(&fs::read(self.log()).unwrap_or_default(), &fs::canonicalize(root).unwrap())
    }

    /// Forgets the calls so far.
    pub fn forget(&self) {
        fs::write(self.log(), []).unwrap();
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

/// Makes the library, and tries whether programs load it.
fn compile(library: &Path) -> Result<(), String> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return Err("it is Linux with glibc that lets a library stand before the C library".to_owned());
    }
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let arguments = ["-shared", "-fPIC", "-O1", "-x", "c", "-", "-o"].map(OsStr::new);
    let mut child = Command::new(&compiler)
        .args(arguments)
        .arg(library)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the C compiler {} can't be started: {error}", compiler.display()))?;
    let mut source = child.stdin.take().expect("it was asked for");
    source.write_all(include_bytes!("disk/disk.c")).unwrap();
    drop(source);
    let status = child.wait().unwrap();
    if status.success() { Ok(()) } else { Err(format!("the C compiler ended with {status}")) }
}
