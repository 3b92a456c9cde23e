//! How the daemon starts, reloads and ends, as a process.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};

use crate::program::{ATELIERD, PATIENCE, Running, atelierd, away, file, refusal, run};

#[test]
fn a_start_prints_one_block_and_serves_until_a_signal() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Running::start(folder.path());
        let names: Vec<_> = daemon.block[1..].iter().map(|line| line[2..16].trim()).collect();
        assert_eq!(names, ["page and API", "styles", "devices", "data", "mail"], "{:?}", daemon.block);
        assert!(daemon.block[2].contains("6 ready"), "{:?}", daemon.block);
        assert!(daemon.ask("GET /livez HTTP/1.1", b"").starts_with("HTTP/1.1 200"));
        daemon.signal(signal);
        assert_eq!(daemon.ended().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_second_signal_ends_the_daemon_at_once() {
    // The drain lasts a second at most. A machine too busy to send the second signal in that time gets another try.
    let codes: Vec<_> = (0..5).map(|_| code_after_two_signals()).take_while(|code| *code != Some(143)).collect();
    assert!(codes.len() < 5, "{codes:?}");
}

fn code_after_two_signals() -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Running::start(folder.path());
    // An upload that stops half-way holds the drain up for as long as it may.
    let mut held = TcpStream::connect(&daemon.address).unwrap();
    let head = "POST /v1/stylize?style=great-wave HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 9999\r\n\r\n";
    held.write_all(head.as_bytes()).unwrap();
    held.write_all(b"half").unwrap();
    daemon.signal("TERM");
    daemon.logged("a second signal ends at once");
    loop {
        if let Some(status) = daemon.has_ended() {
            return status.code();
        }
        daemon.signal("TERM");
    }
}

#[test]
fn a_second_daemon_is_refused_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Running::start(folder.path());
    let same_data = run(folder.path(), &["--listen", "127.0.0.1:0", "--data", "data"]);
    assert!(refusal(&same_data).starts_with("atelierd: another atelierd already uses the data folder data"));
    let same_address = run(folder.path(), &["--listen", &daemon.address, "--data", "other"]);
    let line = refusal(&same_address);
    assert!(line.contains(&daemon.address) && line.contains("in use"), "{line}");
    assert!(!folder.path().join("other").exists(), "nothing is made for a daemon that can't listen");
}

#[test]
fn what_stops_a_start_is_one_line_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "in-the-way", "");
    let bad = file(folder.path(), "bad.toml", "[server]\nlisen = 1\n");
    let many = file(folder.path(), "many.toml", "[devices]\nuse = [\"cpu:1024\"]\n");
    for (arguments, expected) in [
        (
            &["--data", "in-the-way/data"][..],
            "the data folder in-the-way/data can't be used: File exists (os error 17); make it writable or choose another \
             with data.dir",
        ),
        (
            &["--data", "d", "--models", "in-the-way"],
            "the folder of styles in-the-way can't be used: Not a directory (os error 20); make it writable or choose \
             another with models.dir",
        ),
        (&["--config", &bad], "bad.toml:2: unknown key server.lisen; did you mean server.listen?"),
        (&["--config", "nowhere.toml"], "nowhere.toml: No such file"),
        (&["--device", "cuda:9", "--data", "d"], "--device: devices.use: "),
        (
            &["--config", &many],
            "many.toml:2: devices.use: \"cpu:1024\" asks for more devices than this machine has cores",
        ),
        (&["--listen", "0.0.0.0:0", "--data", "d"], "auth.tokens_file"),
        (&["--listen", "nonsense"], "--listen: server.listen: expected an address"),
    ] {
        let mut all = vec!["--listen", "127.0.0.1:0"];
        if arguments.contains(&"--listen") {
            all.clear();
        }
        all.extend(arguments);
        let line = refusal(&run(folder.path(), &all));
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
    let unknown = atelierd(folder.path()).env("ATELIER_SERVER__PORT", "1").output().unwrap();
    assert!(refusal(&unknown).contains("ATELIER_SERVER__PORT: unknown key server.port"));
    let absent = atelierd(folder.path()).env("ATELIER_DEVICES__USE", "metal,cuda:1023").output().unwrap();
    assert!(refusal(&absent).contains("ATELIER_DEVICES__USE: devices.use: "), "{absent:?}");
    let checked = run(folder.path(), &["check", "--config", &many, "--data", "d"]);
    let text = String::from_utf8(checked.stdout).unwrap();
    let says_so =
        |line: &str| line.starts_with("wrong   devices") && line.contains("many.toml:2: devices.use: \"cpu:1024\"");
    assert!(checked.status.code() == Some(1) && text.lines().any(says_so), "{text}");
    assert_eq!(run(folder.path(), &["--nonsense"]).status.code(), Some(2));
}

#[test]
fn a_reload_says_what_it_could_not_change_and_a_broken_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "atelier.toml", "[log]\nlevel = \"info\"\n");
    let mut daemon = Running::start(folder.path());
    file(folder.path(), "atelier.toml", "[log]\nlevle = \"debug\"\n");
    daemon.signal("HUP");
    let line = daemon.logged("the configuration stays as it is");
    assert!(line.contains("unknown key log.levle"), "{line}");
    file(folder.path(), "atelier.toml", "[devices]\nuse = [\"cpu:1\"]\n[queue]\nmax_waiting = 3\n");
    daemon.signal("HUP");
    let line = daemon.logged("wait for a restart");
    assert!(line.contains("devices.use") && !line.contains("max_waiting"), "{line}");
    file(folder.path(), "atelier.toml", "[log]\nlevel = \"debug\"\n");
    daemon.signal("HUP");
    daemon.logged("has been read again");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn a_reload_puts_limits_and_names_in_force_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Running::start(folder.path());
    let by_name = || daemon.ask("GET http://paint.example/v1/styles HTTP/1.1", b"");
    let submit = || {
        let head = "POST /v1/stylize?style=great-wave HTTP/1.1\r\nContent-Type: image/png";
        daemon.ask(head, &tests::picture(40, 30))
    };
    assert!(by_name().contains("foreign_host"));
    assert!(submit().starts_with("HTTP/1.1 202"));
    let changed = "[server]\nallowed_hosts = [\"paint.example\"]\n[limits]\nupload_bytes = 100\n";
    file(folder.path(), "atelier.toml", changed);
    daemon.signal("HUP");
    daemon.logged("has been read again");
    assert!(by_name().starts_with("HTTP/1.1 200"));
    assert!(submit().contains("limits.upload_bytes, 100 bytes"));
    file(folder.path(), "atelier.toml", "[limits]\npixels = 100\nrequests_per_minute = 2\n");
    daemon.signal("HUP");
    daemon.logged("has been read again");
    assert!(submit().contains("too_many_pixels"));
    assert!(by_name().contains("foreign_host"), "it is not counted");
    submit();
    assert!(submit().contains("rate_limited"));
}

#[test]
fn a_daemon_whose_doors_close_by_themselves_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Running::start(folder.path());
    daemon.ask("GET /livez HTTP/1.1", b"");
    // The porch's polls are the last that it opens, and so many files are just too few for them.
    let files = daemon.last_poll().to_string();
    daemon.signal("TERM");
    daemon.ended();
    let mut command = away("sh", folder.path());
    command.args(["-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "sh", &files, ATELIERD]);
    let mut daemon = Running::start_as(command.args(["--listen", "127.0.0.1:0", "--data", "data"]));
    daemon.logged("the front doors have closed");
    assert_eq!(daemon.ended().code(), Some(1));
}

#[test]
fn a_signal_to_all_who_are_in_front_does_not_end_a_verifier() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Running::start(folder.path());
    daemon.signal("TERM");
    daemon.ended();
    // Before all else sled reads its settings and, where they are empty, writes them. Each waits here for its other end.
    let index = folder.path().join("data/index");
    let settings = index.join("conf");
    std::fs::remove_file(&settings).unwrap();
    assert!(Command::new("mkfifo").arg(&settings).status().unwrap().success());
    let end = |options: &mut OpenOptions| options.custom_flags(OFlags::NONBLOCK.bits() as i32).open(&settings);
    let mut command = atelierd(folder.path());
    let mut verifier = command.arg("verify-index").arg(&index).stdin(Stdio::piped()).spawn().unwrap();
    // It ends when this closes, which waiting for it would do.
    let _parent = verifier.stdin.take();
    let _read = loop {
        match end(File::options().write(true)) {
            Ok(read) => break read,
            Err(_) => assert_eq!(verifier.try_wait().unwrap(), None, "it asks for its settings"),
        }
    };
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        kill_process(Pid::from_child(&verifier), signal).unwrap();
    }
    let _written = end(File::options().read(true)).unwrap();
    assert_eq!(verifier.wait().unwrap().code(), Some(0));
}

#[test]
fn systemd_hears_when_the_daemon_serves_and_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = |wanted: &str| {
        let mut buffer = [0; 256];
        loop {
            let length = socket.recv(&mut buffer).unwrap();
            if String::from_utf8_lossy(&buffer[..length]).contains(wanted) {
                return;
            }
        }
    };
    let mut command = atelierd(folder.path());
    command.args(["--listen", "127.0.0.1:0", "--data", "data"]);
    command.env("NOTIFY_SOCKET", folder.path().join("notify")).env("WATCHDOG_USEC", "200000");
    let mut daemon = Running::start_as(&mut command);
    heard("READY=1");
    heard("WATCHDOG=1");
    daemon.signal("TERM");
    heard("STOPPING=1");
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn tokens_are_made_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let token = |arguments: &[&str]| {
        let mut command = atelierd(folder.path());
        command.env("ATELIER_AUTH__TOKENS_FILE", "tokens").arg("token").args(arguments).output().unwrap()
    };
    let made = token(&["add", "alice", "--role", "submit"]);
    assert!(made.status.success() && made.stderr.is_empty(), "{made:?}");
    let secret = String::from_utf8(made.stdout).unwrap();
    assert!(secret.starts_with("atl_") && secret.lines().count() == 1, "{secret}");
    let path = folder.path().join("tokens");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&path).unwrap().contains(secret.trim()));
    assert!(refusal(&token(&["add", "alice", "--role", "view"])).contains("alice"));
    assert_eq!(String::from_utf8(token(&["list"]).stdout).unwrap(), "alice  submit\n");
    assert!(token(&["remove", "alice"]).status.success());
    assert!(refusal(&token(&["remove", "alice"])).contains("alice"));
    assert!(refusal(&run(folder.path(), &["token", "list"])).contains("auth.tokens_file"));
    assert_eq!(token(&["add", "bob", "--role", "king"]).status.code(), Some(2));
}

#[test]
fn a_check_says_what_is_wrong_and_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Running::start(folder.path());
    let beside = run(folder.path(), &["check", "--data", "data"]);
    assert!(beside.status.success(), "{beside:?}");
    let broken = folder.path().join("data/styles/broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("style.toml"), "nonsense").unwrap();
    let found = run(folder.path(), &["check", "--data", "data"]);
    let text = String::from_utf8(found.stdout).unwrap();
    let names_it =
        |text: &str| text.lines().any(|line| line.starts_with("wrong   styles") && line.contains("broken: "));
    assert!(found.status.code() == Some(1) && names_it(&text), "{text}");
    let submit = "POST /v1/stylize?style=great-wave HTTP/1.1\r\nContent-Type: image/png";
    assert!(daemon.ask(submit, &tests::picture(4, 3)).starts_with("HTTP/1.1 202"));
    daemon.signal("TERM");
    daemon.ended();
    std::fs::write(folder.path().join("data/index/db"), "no index").unwrap();
    let found = run(folder.path(), &["check", "--data", "data"]);
    let text = String::from_utf8(found.stdout).unwrap();
    assert_eq!(found.status.code(), Some(1), "{text}");
    assert!(text.lines().any(|line| line.starts_with("wrong   index")), "{text}");
    assert!(names_it(&text), "{text}");
    std::fs::remove_dir_all(&broken).unwrap();
    let mended = run(folder.path(), &["check", "--repair", "--data", "data"]);
    let text = String::from_utf8(mended.stdout).unwrap();
    assert!(mended.status.success() && text.contains("\nmended  index"), "{text}");
    assert!(run(folder.path(), &["check", "--data", "data"]).status.success());
}

#[test]
fn the_version_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = run(folder.path(), &["version"]);
    assert_eq!(String::from_utf8(told.stdout).unwrap(), format!("atelierd {}\n", env!("CARGO_PKG_VERSION")));
}
