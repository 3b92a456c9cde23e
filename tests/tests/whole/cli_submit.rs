//! Painting photos from the command line.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::process::Stdio;

use daemon::config::Config;
use protocol::wire::ListDevicesRequest;
use protocol::{JobRef, StateName};
use rustix::fs::{CWD, FileType, Mode};
use rustix::process::{Pid, Signal, kill_process};
use tests::{Act, Served, picture, puppet};
use tokio::io::AsyncWriteExt as _;

use crate::cli::{Desk, read};

#[tokio::test(flavor = "multi_thread")]
async fn photos_go_in_and_files_come_out() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    let more = desk.folder.path().join("more");
    std::fs::create_dir(&more).unwrap();
    std::fs::write(more.join("cat.png"), picture(8, 8)).unwrap();
    for _ in 0..3 {
        puppet.act(Act::Finish);
    }
    let answer = desk.run("submit cat.png dog.png more/cat.png --style great-wave -o out/ --format jpeg").await.is(0);
    let mut written: Vec<_> = answer.stdout.lines().collect();
    written.sort_unstable();
    assert_eq!(written, ["out/cat-great-wave-2.jpg", "out/cat-great-wave.jpg", "out/dog-great-wave.jpg"]);
    for name in written {
        let bytes = std::fs::read(desk.folder.path().join(name)).unwrap();
        assert!(bytes.starts_with(&[0xff, 0xd8, 0xff]), "{name}");
    }
    assert_eq!(std::fs::read_dir(desk.folder.path().join("out")).unwrap().count(), 3, "nothing is left beside them");
    assert!(answer.stderr.contains("cat.png: waiting as "), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_never_overwritten_unasked() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    std::fs::write(desk.folder.path().join("mine.png"), "mine").unwrap();
    let answer = desk.run("submit cat.png --style great-wave -o mine.png").await.is(1);
    assert!(answer.stderr.contains("mine.png") && answer.stderr.contains("--force"), "{answer:?}");
    assert_eq!(std::fs::read(desk.folder.path().join("mine.png")).unwrap(), b"mine");
    assert_eq!(desk.jobs().await, 0, "nothing is sent that could not be written");
    puppet.act(Act::Finish);
    desk.run("submit cat.png --style great-wave -o mine.png --force").await.is(0);
    assert_ne!(std::fs::read(desk.folder.path().join("mine.png")).unwrap(), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_format_follows_the_files_name() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    puppet.act(Act::Finish);
    desk.run("submit cat.png --style great-wave -o cat.webp").await.is(0);
    assert_eq!(&std::fs::read(desk.folder.path().join("cat.webp")).unwrap()[8..12], b"WEBP");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_wait_prints_ids_at_once() {
    let (engine, _puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    let answer = desk.run("submit cat.png dog.png --style great-wave --no-wait").await.is(0);
    let ids: Vec<_> = answer.stdout.lines().map(|line| line.parse::<JobRef>().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    for id in ids {
        assert!(!desk.served.house.intake().job(id).await.unwrap().state.is_finished());
    }
    let line =
        "submit cat.png --style great-wave --no-wait --json --note wall --priority batch --strength 0.5 --size 20";
    let job = desk.run(line).await.is(0).json();
    assert_eq!((job["file"].as_str(), job["state"].as_str()), (Some("cat.png"), Some("queued")));
    assert_eq!((job["note"].as_str(), job["priority"].as_str()), (Some("wall"), Some("batch")));
    assert_eq!(job["parameters"]["strength"], 0.5);
    assert_eq!(job["parameters"]["size"], 20);
    assert!(job.get("output").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_one_json_line_a_photo() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    std::fs::write(desk.folder.path().join("torn.png"), &picture(40, 30)[..60]).unwrap();
    puppet.act(Act::Finish);
    puppet.act(Act::NotFinite);
    let mut lines = desk.run("submit cat.png torn.png dog.png --style great-wave -o out/ --json").await.is(1).lines();
    lines.sort_by_key(|line| line["state"].as_str().unwrap_or_default().to_owned());
    let [refused, failed, done] = lines.try_into().unwrap();
    assert_eq!(failed["error"]["code"], "not_finite");
    assert_eq!((refused["file"].as_str(), &refused["error"]["code"]), (Some("torn.png"), &"invalid_picture".into()));
    assert_eq!(done["state"], "succeeded");
    let output = done["output"].as_str().unwrap();
    assert!(output.ends_with("-great-wave.png") && desk.exists(output), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_passes_through_stdin_and_stdout() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    for line in ["submit - --style great-wave -o -", "submit /dev/stdin --style great-wave -o /dev/stdout"] {
        puppet.act(Act::Finish);
        let mut process = desk.command(line).stdin(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(&picture(40, 30)).await.unwrap();
        let output = process.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        assert!(output.stdout.starts_with(b"\x89PNG") && output.stdout.ends_with(b"IEND\xaeB`\x82"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_and_a_link_take_a_painting_and_stay_what_they_are() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    let path = |name: &str| desk.folder.path().join(name);
    rustix::fs::mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    // Both ends are held here, so that nobody waits for the other one.
    let mut pipe = File::options().read(true).write(true).open(path("pipe")).unwrap();
    puppet.act(Act::Finish);
    desk.run("submit cat.png --style great-wave -o pipe").await.is(0);
    let mut piped = vec![0; 1 << 16];
    let read = pipe.read(&mut piped).unwrap();
    assert!(piped[..read].starts_with(b"\x89PNG"));
    assert!(path("pipe").metadata().unwrap().file_type().is_fifo());

    std::fs::write(path("mine.png"), "mine").unwrap();
    std::os::unix::fs::symlink("mine.png", path("link.png")).unwrap();
    desk.run("submit cat.png --style great-wave -o link.png").await.is(1);
    puppet.act(Act::Finish);
    desk.run("submit cat.png --style great-wave -o link.png --force").await.is(0);
    assert!(path("link.png").is_symlink());
    assert!(std::fs::read(path("mine.png")).unwrap().starts_with(b"\x89PNG"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_the_pace_slows_a_batch_down_and_fails_nothing() {
    let (engine, puppet) = puppet("a");
    let slow = |config: &mut Config| config.limits.requests_per_minute = Some(120);
    let desk = Desk::new(Served::open_with(vec![engine], slow).await);
    let mut client = desk.served.client().await;
    while client.list_devices(ListDevicesRequest {}).await.is_ok() {}
    puppet.act(Act::Finish);
    puppet.act(Act::Finish);
    desk.run("submit cat.png dog.png --style great-wave -o out/").await.is(0);
    assert!(desk.exists("out/cat-great-wave.png") && desk.exists("out/dog-great-wave.png"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_keeps_no_photo_from_being_painted() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    for how in ["--no-wait", "-o out/"] {
        let line = format!("submit cat.png dog.png --style great-wave {how}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        puppet.act(Act::Finish);
        puppet.act(Act::Finish);
        let process = desk.command(&line).stdout(writer).spawn().unwrap();
        read(process.wait_with_output().await.unwrap()).is(0);
    }
    assert_eq!(desk.jobs().await, 4);
    assert!(desk.exists("out/cat-great-wave.png") && desk.exists("out/dog-great-wave.png"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_sent_is_said_before_anything_is() {
    let desk = Desk::new(Served::open(vec![puppet("a").0]).await);
    for (line, code, words) in [
        ("submit cat.png nowhere.png --style great-wave", 1, "nowhere.png"),
        ("submit cat.png . --style great-wave", 1, "."),
        ("submit cat.png dog.png --style great-wave -o -", 2, "stdout"),
        ("submit cat.png dog.png --style great-wave -o dog.png", 2, "folder"),
        ("submit - - --style great-wave", 2, "stdin"),
    ] {
        let answer = desk.run(line).await.is(code);
        assert!(answer.stderr.contains(words), "{line}: {answer:?}");
    }
    let answer = desk.run("submit cat.png --style nowhere --json").await.is(1);
    assert_eq!(answer.json()["error"]["code"], "unknown_style");
    assert_eq!(desk.jobs().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_an_answer_for_one_photo() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open_with(vec![engine], |config| config.max_waiting = 1).await);
    desk.served.house.submit_one().await;
    puppet.begun();
    desk.served.house.submit_one().await;
    let answer = desk.run("submit cat.png --style great-wave --json").await.is(1);
    assert_eq!(answer.json()["error"]["code"], "queue_full");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_waiting_learns_that_the_job_goes_on() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    let process = desk.command("submit cat.png --style great-wave").spawn().unwrap();
    puppet.begun();
    let pid = Pid::from_raw(process.id().unwrap() as i32).unwrap();
    // The photo is being painted, but its sender may not have been told so yet.
    let events = desk.served.house.intake();
    let job = events.jobs(daemon::intake::JobFilter::default()).await.unwrap().jobs.remove(0);
    let waiting = tokio::spawn(process.wait_with_output());
    kill_process(pid, Signal::INT).unwrap();
    let answer = read(waiting.await.unwrap().unwrap()).is(130);
    assert!(answer.stderr.contains(&job.id.short().to_string()), "{answer:?}");
    assert!(answer.stderr.contains("without this program"), "{answer:?}");
    puppet.act(Act::Finish);
    assert_eq!(desk.served.house.finished(job.id).await.state.name(), StateName::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_daemon_is_waited_out() {
    let (engine, strings) = puppet("a");
    let mut desk = Desk::new(Served::open(vec![engine]).await);
    let process = desk.command("submit cat.png --style great-wave -o out/").spawn().unwrap();
    strings.begun();
    let (engine, strings) = puppet("a");
    desk.served.restart(vec![engine]).await;
    strings.act(Act::Finish);
    let answer = read(process.wait_with_output().await.unwrap()).is(0);
    assert_eq!(answer.stdout, "out/cat-great-wave.png\n");
    assert!(desk.exists("out/cat-great-wave.png"));
    assert_eq!(desk.jobs().await, 1, "nothing is sent twice");
}
