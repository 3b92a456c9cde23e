//! Mail through a server that nobody here wrote, and through one that misbehaves.

use std::io::BufReader;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tests::{Fault, Line, MOST_BYTES, MailServer, free_ports, installed, not_tested, picture};

use crate::mail::event;
use crate::program::{Running, atelierd};

/// The daemon with its mail through a port.
fn through(folder: &Path, port: u16) -> Command {
    let mut command = atelierd(folder);
    command
        .args(["--data", "data"])
        .env("ATELIER_SERVER__LISTEN", "127.0.0.1:0")
        .env("ATELIER_MAIL__TRANSPORT", "smtp")
        .env("ATELIER_MAIL__FROM", "Atelier <atelier@mail.test>")
        .env("ATELIER_MAIL__SMTP__HOST", "localhost")
        .env("ATELIER_MAIL__SMTP__SECURITY", "none")
        .env("ATELIER_MAIL__SMTP__PORT", port.to_string());
    command
}

/// The daemon with its mail encrypted and logged in.
fn logged_in(folder: &Path, server: &MailServer, security: &str) -> Command {
    let port = if security == "tls" { server.tls_port } else { server.starttls_port };
    let mut command = through(folder, port);
    command
        .env("ATELIER_MAIL__SMTP__SECURITY", security)
        .env("ATELIER_MAIL__SMTP__CA_FILE", server.ca_file())
        .env("ATELIER_MAIL__SMTP__USERNAME", "atelier")
        .env("ATELIER_MAIL__SMTP__PASSWORD", "swordfish");
    command
}

/// Submits a photo of this side for somebody at `example.org`, and returns the job's id.
fn submit(daemon: &Running, to: &str, side: u32) -> String {
    let request = format!("POST /v1/stylize?style=great-wave&format=png&email={to}%40example.org HTTP/1.1");
    let answer = daemon.ask(&format!("{request}\r\nContent-Type: image/png"), &picture(side, side));
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    document(&answer)["id"].as_str().unwrap().to_owned()
}

fn document(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// The letter of a job, as the daemon shows it.
fn shown(daemon: &Running, job: &str) -> Value {
    let answer = document(&daemon.ask("GET /v1/mail HTTP/1.1", b""));
    let mails = answer["mail"].as_array().unwrap();
    mails.iter().find(|mail| mail["job"] == job).unwrap().clone()
}

/// Reads the daemon's events from before the first submit on.
fn events(daemon: &Running) -> BufReader<TcpStream> {
    let mut events = BufReader::new(daemon.begin("GET /v1/events HTTP/1.1", b""));
    event(&mut events, "snapshot");
    events
}

/// Waits until a job's letter has been tried so often, and returns it.
fn tried(events: &mut BufReader<TcpStream>, job: &str, attempts: u64) -> Value {
    loop {
        let mail: Value = serde_json::from_str(&event(events, "mail")).unwrap();
        if mail["job"] == job && mail["attempts"] == attempts {
            return mail;
        }
    }
}

/// Submits a photo and waits until its letter has been tried.
fn outcome(daemon: &Running, to: &str, side: u32) -> (String, Value) {
    let mut events = events(daemon);
    let job = submit(daemon, to, side);
    let mail = tried(&mut events, &job, 1);
    (job, mail)
}

/// The value of a letter's field.
fn field<'a>(letter: &'a str, name: &str) -> &'a str {
    letter.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

#[test]
fn letters_reach_a_real_server_encrypted_and_logged_in() {
    let Some(server) = MailServer::start() else { return };
    for (count, security) in [(1, "starttls"), (2, "tls")] {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Running::start_as(&mut logged_in(folder.path(), &server, security));
        let (job, mail) = outcome(&daemon, "me", 12);
        assert_eq!(mail["state"], "sent", "{mail}");
        assert!(mail["last_answer"].as_str().unwrap().contains("queued as"), "{mail}");
        let letters = server.delivered(count);
        let letter = letters.iter().find(|letter| letter.contains(&job)).unwrap();
        // S: encrypted; A: logged in.
        assert!(letter.contains("with ESMTPSA id"), "{letter}");
        assert_eq!(field(letter, "Message-ID"), format!("<{job}.1@mail.test>"));
        let painting = std::fs::read(folder.path().join("data/spool").join(&job).join("result")).unwrap();
        let letter = letter.replace(['\r', '\n'], "");
        assert!(letter.contains(&STANDARD.encode(painting)), "the painting came through whole: {letter}");
    }
}

#[test]
fn a_check_says_what_a_real_server_does_not_like() {
    let Some(server) = MailServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let check = |change: &dyn Fn(&mut Command)| {
        let mut command = logged_in(folder.path(), &server, "starttls");
        change(command.arg("check"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = check(&|_| {});
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = check(&|command| {
        command.env("ATELIER_MAIL__SMTP__PASSWORD", "haddock");
    });
    assert!(code == Some(1) && said.contains("535") && !said.contains("haddock"), "{said}");
    let (code, said) = check(&|command| {
        command.env_remove("ATELIER_MAIL__SMTP__CA_FILE");
    });
    assert!(code == Some(1) && said.contains("certificate"), "{said}");
}

#[test]
fn what_a_real_server_refuses_is_final_or_waits_over_a_restart() {
    let Some(server) = MailServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Running::start_as(&mut logged_in(folder.path(), &server, "starttls"));
    let (_, refused) = outcome(&daemon, "nobody", 8);
    assert_eq!((&refused["state"], refused["next_try"].is_null()), (&"failed".into(), true), "{refused}");
    assert!(refused["last_answer"].as_str().unwrap().contains("no such person"), "{refused}");

    // Noise does not pack well: as base64 this one is beyond the server's limit.
    let (job, large) = outcome(&daemon, "me", 160);
    let painted = std::fs::metadata(folder.path().join("data/spool").join(&job).join("result")).unwrap().len();
    assert!(painted > MOST_BYTES as u64, "{painted}");
    assert_eq!(large["state"], "failed", "{large}");
    assert!(large["last_answer"].as_str().unwrap().contains("552"), "{large}");

    let (job, full) = outcome(&daemon, "full", 8);
    assert_eq!((&full["state"], &full["attempts"]), (&"queued".into(), &1.into()), "{full}");
    assert!(full["last_answer"].as_str().unwrap().contains("mailbox full"), "{full}");
    let next_try = full["next_try"].as_str().unwrap().to_owned();
    daemon.signal("KILL");
    daemon.ended();
    let daemon = Running::start_as(&mut logged_in(folder.path(), &server, "starttls"));
    let waiting = shown(&daemon, &job);
    assert_eq!((&waiting["next_try"], &waiting["attempts"]), (&next_try.into(), &1.into()), "{waiting}");
    assert_eq!(server.letters().len(), 0);
}

#[test]
fn a_letter_that_was_put_off_or_cut_short_arrives_once() {
    let Some(server) = MailServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let line = Line::to(server.plain_port);
    let daemon = Running::start_as(&mut through(folder.path(), line.port));
    let mut events = events(&daemon);
    line.spoil(Fault::CutAfter(2500));
    let cut = submit(&daemon, "me", 60);
    let after = tried(&mut events, &cut, 1);
    line.has_struck();
    assert_eq!(after["state"], "queued", "{after}");
    let grey = submit(&daemon, "grey", 8);
    let after = tried(&mut events, &grey, 1);
    assert!(after["last_answer"].as_str().unwrap().contains("come back later"), "{after}");
    assert!(server.log().contains("lost connection after DATA"), "{}", server.log());
    // They are due again after about a minute, in either order.
    let mut again = [&cut, &grey].map(|job| (job, false));
    while again.iter().any(|(_, is_sent)| !is_sent) {
        let mail: Value = serde_json::from_str(&event(&mut events, "mail")).unwrap();
        assert_eq!((&mail["state"], &mail["attempts"]), (&"sent".into(), &2.into()), "{mail}");
        again.iter_mut().filter(|(job, _)| mail["job"] == **job).for_each(|(_, is_sent)| *is_sent = true);
    }
    assert_eq!(server.delivered(2).len(), 2);
}

#[test]
fn a_kill_after_the_servers_yes_repeats_a_letter_once_with_the_same_message_id() {
    let Some(server) = MailServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let line = Line::to(server.plain_port);
    line.spoil(Fault::Swallow("queued as"));
    let mut daemon = Running::start_as(&mut through(folder.path(), line.port));
    let job = submit(&daemon, "me", 8);
    line.has_struck();
    daemon.signal("KILL");
    daemon.ended();
    assert_eq!(server.delivered(1).len(), 1);
    let mut daemon = Running::start_as(&mut through(folder.path(), line.port));
    let letters = server.delivered(2);
    assert_eq!(field(&letters[0], "Message-ID"), format!("<{job}.1@mail.test>"));
    assert_eq!(field(&letters[0], "Message-ID"), field(&letters[1], "Message-ID"));
    assert_eq!(field(&letters[0], "Date"), field(&letters[1], "Date"));
    // What was written down by then is not sent again.
    let mut events = BufReader::new(daemon.begin("GET /v1/events HTTP/1.1", b""));
    while shown(&daemon, &job)["state"] != "sent" {
        event(&mut events, "mail");
    }
    daemon.signal("KILL");
    daemon.ended();
    let daemon = Running::start_as(&mut through(folder.path(), line.port));
    let (_, mail) = outcome(&daemon, "me", 8);
    assert_eq!(mail["state"], "sent");
    assert_eq!(server.delivered(3).len(), 3);
}

/// Postfix's own test server, with a fault.
struct Sink(Child);

impl Sink {
    fn start(program: &Path, arguments: &[&str], port: u16) -> Self {
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(program);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        command.args(arguments).args([&address, "16"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut sink = Self(command.spawn().unwrap());
        while TcpStream::connect(&address).is_err() {
            assert!(sink.0.try_wait().unwrap().is_none(), "smtp-sink {arguments:?} does not start");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        sink
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_fault_of_a_sink_is_final_or_not_as_it_should_be() {
    let Some(program) = installed("smtp-sink") else {
        return not_tested("with smtp-sink's faults: install Postfix (Debian: postfix)");
    };
    let folder = tempfile::tempdir().unwrap();
    let [port] = free_ports();
    let daemon = Running::start_as(&mut through(folder.path(), port));
    let (_, nobody) = outcome(&daemon, "me", 4);
    assert_eq!(nobody["state"], "queued", "nobody is there: {nobody}");
    for (arguments, state) in [
        (&["-r", "MAIL"][..], "queued"),
        (&["-r", "RCPT"], "queued"),
        (&["-r", "DATA"], "queued"),
        (&["-r", "."], "queued"),
        (&["-f", "MAIL"], "failed"),
        (&["-f", "RCPT"], "failed"),
        (&["-f", "."], "failed"),
        (&["-q", "EHLO"], "queued"),
        (&["-q", "DATA"], "queued"),
        (&["-q", "."], "queued"),
        (&["-Q", "CONNECT"], "queued"),
        (&["-Q", "RCPT"], "queued"),
        (&["-Q", "."], "queued"),
        // It answers before the letter has been said, and hangs up.
        (&["-A", "1"], "failed"),
        (&["-q", "QUIT"], "sent"),
        (&["-W", ".:1"], "sent"),
        (&[], "sent"),
    ] {
        let _sink = Sink::start(&program, arguments, port);
        let (_, mail) = outcome(&daemon, "me", 4);
        assert_eq!(mail["state"], state, "smtp-sink {arguments:?}: {mail}");
    }
}
