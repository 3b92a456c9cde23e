//! Looking at things and steering jobs from the command line.

use std::process::Stdio;
use std::time::Duration;

use daemon::access::{Role, tokens};
use protocol::{Device, Event, Job, JobPage, Mail, StateName, Style};
use rustix::process::{Pid, Signal, kill_process};
use tests::{Act, Fault, Line, Served, admin, noise, order, picture, puppet};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::cli::{Answer, Desk, command, read, run};
use crate::grpc_things::packed;

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_looked_at_by_people_and_programs() {
    let (engine, puppet) = puppet("cpu:7");
    let desk = Desk::new(Served::open(vec![engine]).await);
    let mailed = daemon::intake::StylizeOrder { email: Some("me@example.org".to_owned()), ..order() };
    let job = desk.served.house.submit(None, mailed, &picture(4, 3)).await.unwrap().job;
    puppet.begun();
    let short = job.id.short().to_string();

    let text = desk.run("jobs").await.is(0).stdout;
    assert!(text.starts_with("ID ") && text.contains(&short) && text.contains("running"), "{text}");
    let page: JobPage = serde_json::from_value(desk.run("jobs --json").await.is(0).json()).unwrap();
    assert_eq!(page.jobs[0].id, job.id);
    assert_eq!(desk.run("jobs --state failed --json").await.is(0).json()["jobs"].as_array().unwrap().len(), 0);

    let text = desk.run(&format!("show {short}")).await.is(0).stdout;
    assert!(text.contains(&job.id.to_string()) && text.contains("mail:"), "{text}");
    let shown: Job = serde_json::from_value(desk.run(&format!("show {} --json", job.id)).await.is(0).json()).unwrap();
    assert_eq!(shown.id, job.id);

    let of = |answer: serde_json::Value, key: &str| answer[key].clone();
    let devices: Vec<Device> =
        serde_json::from_value(of(desk.run("devices --json").await.is(0).json(), "devices")).unwrap();
    assert_eq!((devices[0].name.as_str(), devices[0].job), ("cpu:7", Some(job.id)));
    assert!(desk.run("devices").await.is(0).stdout.contains("busy"));
    let mail: Vec<Mail> = serde_json::from_value(of(desk.run("mail --json").await.is(0).json(), "mail")).unwrap();
    assert_eq!(mail[0].recipient, "me@example.org");
    assert!(desk.run("mail").await.is(0).stdout.contains("me@example.org"));
    let styles: Vec<Style> =
        serde_json::from_value(of(desk.run("styles --json").await.is(0).json(), "styles")).unwrap();
    assert!(styles.iter().any(|style| style.name.as_str() == "great-wave"));
    assert!(desk.run("styles great-wave").await.is(0).stdout.contains("architecture:"));
    assert_eq!(desk.run("styles nowhere --json").await.is(1).json()["error"]["code"], "style_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_steered_by_their_short_ids() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    desk.served.house.submit_one().await;
    puppet.begun();
    let (first, second) = (desk.served.house.submit_one().await, desk.served.house.submit_one().await);
    let both = format!("{} {}", first.id.short(), second.id.short());
    for (verb, word) in [
        ("pause", "paused"),
        ("resume", "resumed"),
        ("cancel", "cancelled"),
        ("retry", "queued"),
        ("cancel", "cancelled"),
        ("forget", "forgotten"),
    ] {
        let text = desk.run(&format!("{verb} {both}")).await.is(0).stdout;
        assert_eq!(text, format!("{}  {word}\n{}  {word}\n", first.id.short(), second.id.short()));
    }
    // One that fails does not keep the others from being tried.
    let third = desk.served.house.submit_one().await;
    let answer = desk.run(&format!("cancel {} {} --json", first.id.short(), third.id.short())).await.is(1);
    let lines = answer.lines();
    assert_eq!((&lines[0]["error"]["code"], &lines[1]["state"]), (&"job_not_found".into(), &"cancelled".into()));
    let answer = desk.run(&format!("resume {}", third.id.short())).await.is(1);
    assert!(answer.stdout.is_empty() && answer.stderr.contains(&third.id.short().to_string()), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_what_is_finished_says_so() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    let job = desk.served.house.submit_one().await;
    puppet.act(Act::Finish);
    desk.served.house.finished(job.id).await;
    let text = desk.run(&format!("cancel {}", job.id)).await.is(0).stdout;
    assert_eq!(text, format!("{}  succeeded already\n", job.id.short()));
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_wrong_usage_from_a_daemon_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    run(&nobody, folder.path(), "").await.is(3);
    run(&nobody, folder.path(), "dance").await.is(2);
    run(&nobody, folder.path(), "show 12").await.is(2);
    run(&nobody, folder.path(), "--server ftp://x jobs").await.is(2);
    run(&nobody, folder.path(), "--help").await.is(0);
    for server in [nobody.as_str(), "unix:nowhere.sock"] {
        let answer = run(server, folder.path(), "jobs").await.is(3);
        assert!(answer.stderr.starts_with(&format!("atelier: no daemon answers at {server}")), "{answer:?}");
        assert!(answer.stdout.is_empty());
        assert_eq!(run(server, folder.path(), "jobs --json").await.is(3).json()["error"]["code"], "unreachable");
    }
    let script = run(&nobody, folder.path(), "completions bash").await.is(0).stdout;
    assert!(script.contains("_atelier"));
    let json = run(&nobody, folder.path(), "--json completions bash").await.is(0).json();
    assert_eq!(json, serde_json::json!({ "shell": "bash", "script": script }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_kind_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let other = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let answer = run(&server, folder.path(), "jobs").await;
    assert!(matches!(answer.code, Some(1 | 3)), "{answer:?}");
    assert!(answer.stderr.contains(&server), "{answer:?}");
    other.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unix_socket_serves_the_command_line_too() {
    let desk = Desk::new(Served::open(vec![puppet("a").0]).await);
    let answer = run(&desk.served.socket(), desk.folder.path(), "styles").await.is(0);
    assert!(answer.stdout.contains("great-wave"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_door() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let token = tokens::add(&file, "me", Role::View).unwrap();
    let open = Served::open_with(vec![puppet("a").0], |config| config.auth.tokens_file = Some(file));
    let desk = Desk::new(open.await);
    assert_eq!(desk.run("jobs --json").await.is(1).json()["error"]["code"], "unauthenticated");
    desk.run(&format!("jobs --token {token}")).await.is(0);
    let output = desk.command("jobs").env("ATELIER_TOKEN", &token).output().await.unwrap();
    assert!(output.status.success());
    let refused = desk.run(&format!("submit cat.png --style great-wave --json --token {token}")).await.is(1);
    assert_eq!(refused.json()["error"]["code"], "forbidden");
    assert!(!refused.stderr.contains(&token) && !desk.run("--help").await.stdout.contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_watched_to_its_end() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    for (act, code, state) in [(Act::Finish, 0, "succeeded"), (Act::NotFinite, 1, "failed")] {
        let job = desk.served.house.submit_one().await;
        puppet.act(act);
        let answer = desk.run(&format!("watch {} --json", job.id.short())).await.is(code);
        let events: Vec<Event> = answer.lines().into_iter().map(|line| serde_json::from_value(line).unwrap()).collect();
        assert!(events.is_sorted_by_key(|event| event.sequence));
        let text = desk.run(&format!("watch {}", job.id.short())).await.is(code).stdout;
        assert!(text.contains(state), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_error() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    let job = desk.served.house.submit_one().await;
    puppet.begun();
    let mut process = desk.command("watch").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains(&job.id.short().to_string()));
    drop(lines);
    puppet.act(Act::Finish);
    desk.served.house.finished(job.id).await;
    let output = process.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_keeps_no_job_from_being_changed() {
    let desk = Desk::new(Served::open(Vec::new()).await);
    let jobs = [desk.served.house.submit_one().await.id, desk.served.house.submit_one().await.id];
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let line = format!("cancel {} {}", jobs[0], jobs[1]);
    let process = desk.command(&line).stdout(writer).spawn().unwrap();
    read(process.wait_with_output().await.unwrap()).is(0);
    for job in jobs {
        assert_eq!(desk.served.house.job(job).await.state.name(), StateName::Cancelled);
    }
}

/// Runs a command over a line on which the end of a painting never arrives, and interrupts it there.
pub(crate) async fn interrupted_before_the_end(desk: &Desk, line: &str, begun: impl FnOnce()) -> Answer {
    let served = desk.served.url();
    let wire = Line::to(served.rsplit(':').next().unwrap().parse().unwrap());
    wire.spoil(Fault::Swallow("IEND"));
    let process = command(&format!("http://127.0.0.1:{}", wire.port), desk.folder.path(), line).spawn().unwrap();
    let pid = Pid::from_raw(process.id().unwrap() as i32).unwrap();
    begun();
    wire.has_struck();
    kill_process(pid, Signal::INT).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), process.wait_with_output()).await;
    read(ended.expect("it listens to signals").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_given_up_leaves_nothing_behind() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    let job = desk.served.house.submit(None, order(), &noise()).await.unwrap().job;
    puppet.act(Act::Finish);
    desk.served.house.finished(job.id).await;
    interrupted_before_the_end(&desk, &format!("result {}", job.id), || {}).await.is(130);
    assert_eq!(std::fs::read_dir(desk.folder.path()).unwrap().count(), 2, "the photos of before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_fetched_under_a_name_that_says_what_it_is() {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    let job = desk.served.house.submit_one().await;
    puppet.begun();
    let id = job.id.short();
    assert_eq!(desk.run(&format!("result {id} --json")).await.is(1).json()["error"]["code"], "result_not_ready");
    puppet.act(Act::Finish);
    desk.served.house.finished(job.id).await;
    let name = format!("great-wave-{id}.png");
    let answer = desk.run(&format!("result {id}")).await.is(0);
    assert!(answer.stdout.contains(&name) && desk.exists(&name), "{answer:?}");
    let answer = desk.run(&format!("result {id}")).await.is(1);
    assert!(answer.stderr.contains("--force"), "{answer:?}");
    desk.run(&format!("result {id} --force")).await.is(0);
    let written = desk.run(&format!("result {id} -o new/ --json")).await.is(0).json();
    assert_eq!(written["output"], format!("new/{name}"));
    let output = desk.command(&format!("result {id} -o -")).output().await.unwrap();
    assert_eq!(output.stdout, std::fs::read(desk.folder.path().join(name)).unwrap());
    desk.served.house.intake().forget(&admin(), protocol::JobRef::Id(job.id)).await.unwrap();
    assert_eq!(desk.run(&format!("result {id} --json")).await.is(1).json()["error"]["code"], "job_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_style_is_imported_from_a_folder_or_a_file() {
    let desk = Desk::new(Served::open(vec![puppet("a").0]).await);
    let wave = desk.served.house.config.models.dir.join("great-wave");
    let style: Style =
        serde_json::from_value(desk.run(&format!("import {} --name one --json", wave.display())).await.is(0).json())
            .unwrap();
    assert_eq!(style.name.as_str(), "one");
    std::fs::write(desk.folder.path().join("wave.tar"), packed(&wave)).unwrap();
    assert!(desk.run("import wave.tar --name two").await.is(0).stdout.contains("ready"));
    assert_eq!(desk.run("import cat.png --name three --json").await.is(1).json()["error"]["code"], "invalid_package");
    desk.run("import nowhere.tar --name four").await.is(1);
    desk.run("import wave.tar --name ../five").await.is(2);
}
