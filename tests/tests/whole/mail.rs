//! From a submit with an address to a mail.

use std::io::{BufRead, BufReader};

use tests::picture;

use crate::program::{Running, atelierd};

/// Reads an event stream until an event of this name, and returns its data.
pub(crate) fn event(stream: &mut impl BufRead, name: &str) -> String {
    let mut lines = stream.lines().map(Result::unwrap);
    lines.find(|line| *line == format!("event: {name}")).unwrap();
    lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap()
}

#[test]
fn a_painting_is_mailed_to_the_outbox_and_the_daemon_backed_up() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Running::start(folder.path());
    let mut events = BufReader::new(daemon.begin("GET /v1/events HTTP/1.1", b""));
    event(&mut events, "snapshot");
    let submit = "POST /v1/stylize?style=great-wave&email=me%40example.org HTTP/1.1\r\nContent-Type: image/png";
    let answer = daemon.ask(submit, &picture(8, 6));
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let mail = event(&mut events, "mail");
    assert!(mail.contains("\"state\":\"sent\"") && mail.contains("me@example.org"), "{mail}");
    let outbox = folder.path().join("data/outbox");
    let letters: Vec<_> = std::fs::read_dir(outbox).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(letters.len(), 1);
    let letter = std::fs::read_to_string(&letters[0]).unwrap();
    assert!(letter.contains("To: me@example.org") && letter.contains("Content-Disposition: attachment"), "{letter}");

    let backup = atelierd(folder.path()).args(["backup", "copy", "--data", "data"]).output().unwrap();
    assert!(String::from_utf8(backup.stdout).unwrap().starts_with("copied 1 jobs"));
    let restored = Running::start_as(atelierd(folder.path()).args(["--listen", "127.0.0.1:0", "--data", "copy"]));
    assert!(restored.ask("GET /v1/jobs HTTP/1.1", b"").contains("\"succeeded\""));
}
