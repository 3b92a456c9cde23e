#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
use std::path::Path;

use protocol::Mail;

use super::*;
use crate::config::{Smtp, SmtpSecurity, Transport};
use crate::fixtures::{self, House};
use crate::mail::test_server::{Mood, Server};

const RESULT: &[u8] = b"a painting";

fn config(data: &Path) -> Config {
    let mut config = Config::default();
    config.data.dir = data.to_owned();
    config.mail.from = Some("atelier@example.org".to_owned());
    config
}

fn through(server: &Server, data: &Path) -> Config {
    let smtp = Smtp {
        host: "127.0.0.1".to_owned(),
        port: Some(server.address.port()),
        security: SmtpSecurity::None,
        username: None,
        password: None,
        ca_file: None,
    };
    let mut config = config(data);
    config.mail.transport = Transport::Smtp(smtp);
    config
}

fn postman(house: &House) -> Postman {
    Postman::new(house.store.clone(), Arc::clone(&house.spool), Signer::new([1; 32]))
}

/// Accepts a job with a mail and finishes it.
fn finished_job(house: &House) -> JobId {
    let mut record = fixtures::record_with(None, Some("me@example.org"));
    house.accept(&record);
    let now = Timestamp::now();
    record.job.attempt = 1;
    record.job.state = JobState::Succeeded {
        started_at: now,
        finished_at: now,
        device: "cpu".to_owned(),
        result: JobResult {
            url: String::new(),
            media_type: "image/png".to_owned(),
            width: Some(4),
            height: Some(3),
            bytes: RESULT.len() as u64,
            sha256: String::new(),
        },
    };
    record.release_letter(now);
    house.spool.put_result(record.job.id, RESULT).unwrap();
    let saved = record.clone();
    house.store.write(move |ledger| ledger.save(&saved)).durable_blocking().unwrap().unwrap();
    record.job.id
}

fn mail(house: &House, id: JobId) -> Mail {
    house.store.record(id).unwrap().unwrap().as_mail().unwrap()
}

fn minutes(count: u64) -> Timestamp {
    Timestamp::now() + Duration::from_secs(60 * count)
}

async fn opened(data: &Path) -> (House, JobId) {
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || {
        let house = House::open(&data);
        let job = finished_job(&house);
        (house, job)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_finished_job_is_mailed_once() {
    let folder = tempfile::tempdir().unwrap();
    let (house, job) = opened(folder.path()).await;
    let server = Server::start(Mood::Good, None, false).await;
    let (postman, config, mut known) = (postman(&house), through(&server, folder.path()), DueTimes::new());
    assert_eq!(postman.round(&config, Timestamp::now(), &mut known).await, Duration::ZERO);
    assert_eq!(postman.round(&config, minutes(600), &mut known).await, LONGEST_REST);
    let sent = mail(&house, job);
    assert_eq!((sent.state, sent.attempts, sent.next_try), (MailState::Sent, 1, None));
    assert_eq!(sent.last_answer.as_deref(), Some("250 taken as 4711"));
    let taken = server.taken();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].contains(&format!("Message-ID: <{job}.1@example.org>")), "{}", taken[0]);
    assert!(taken[0].contains("YSBwYWludGluZw=="), "the painting is attached: {}", taken[0]);
}

#[tokio::test]
async fn a_mail_that_is_not_taken_waits_longer_each_time_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (house, job) = opened(folder.path()).await;
    let busy = Server::start(Mood::Says("RCPT", "450 busy"), None, false).await;
    let config = through(&busy, folder.path());
    let (first, mut known) = (postman(&house), DueTimes::new());
    first.round(&config, Timestamp::now(), &mut known).await;
    let waiting = mail(&house, job);
    assert_eq!((waiting.state, waiting.attempts), (MailState::Queued, 1));
    assert!(waiting.last_answer.unwrap().contains("busy"));
    let rest = first.round(&config, Timestamp::now(), &mut known).await;
    assert!((40..80).contains(&rest.as_secs()), "{rest:?}");
    assert_eq!(mail(&house, job).attempts, 1, "it is not yet due");
    first.round(&config, minutes(2), &mut known).await;
    assert_eq!(mail(&house, job).attempts, 2);
    drop(first);

    let data = folder.path().to_owned();
    let house = tokio::task::spawn_blocking(move || {
        house.close();
        House::open(&data)
    })
    .await
    .unwrap();
    assert_eq!(mail(&house, job).attempts, 2);
    let good = Server::start(Mood::Good, None, false).await;
    let config = through(&good, folder.path());
    postman(&house).round(&config, minutes(10), &mut DueTimes::new()).await;
    assert_eq!((mail(&house, job).state, mail(&house, job).attempts), (MailState::Sent, 3));
    assert_eq!(good.taken().len(), 1);
}

#[tokio::test]
async fn a_refused_or_hopeless_mail_is_given_up_and_the_job_stays_succeeded() {
    for (mood, after, answer) in
        [(Mood::Says("RCPT", "550 no such user"), 0, "550"), (Mood::Cuts("EHLO"), 6 * 24 * 60, "given up: ")]
    {
        let folder = tempfile::tempdir().unwrap();
        let (house, job) = opened(folder.path()).await;
        let server = Server::start(mood, None, false).await;
        let config = through(&server, folder.path());
        postman(&house).round(&config, minutes(after), &mut DueTimes::new()).await;
        let failed = mail(&house, job);
        assert_eq!((failed.state, failed.next_try), (MailState::Failed, None), "{failed:?}");
        assert!(failed.last_answer.unwrap().contains(answer));
        let record = house.store.record(job).unwrap().unwrap();
        assert!(matches!(record.job.state, JobState::Succeeded { .. }));
        assert_eq!(record.job.mail.unwrap().state, MailState::Failed);
    }
}

#[tokio::test]
async fn a_painting_beyond_the_limit_is_linked_with_a_public_address() {
    let folder = tempfile::tempdir().unwrap();
    let (house, job) = opened(folder.path()).await;
    let mut config = config(folder.path());
    config.mail.attach_limit = 3;
    config.server.public_url = Some("https://atelier.example.org".to_owned());
    postman(&house).round(&config, Timestamp::now(), &mut DueTimes::new()).await;
    let text = std::fs::read_to_string(folder.path().join(format!("outbox/{job}.1.eml"))).unwrap();
    let text = text.replace("=\r\n", "").replace("=3D", "=");
    assert!(text.contains(&format!("https://atelier.example.org/v1/jobs/{job}/result?cap=")), "{text}");
    assert!(!text.contains("Content-Disposition: attachment"));
}

#[tokio::test]
async fn a_dead_server_costs_no_letter_and_no_flood() {
    let folder = tempfile::tempdir().unwrap();
    let (house, job) = opened(folder.path()).await;
    let mut config = config(folder.path());
    config.mail.transport = Transport::Off;
    let (postman, mut known) = (postman(&house), DueTimes::new());
    for _ in 0..5 {
        postman.round(&config, Timestamp::now(), &mut known).await;
    }
    assert_eq!((mail(&house, job).state, mail(&house, job).attempts), (MailState::Queued, 1));
}

#[tokio::test]
async fn a_painting_that_can_not_be_read_just_now_is_mailed_later() {
    let folder = tempfile::tempdir().unwrap();
    let (house, job) = opened(folder.path()).await;
    let server = Server::start(Mood::Good, None, false).await;
    let (postman, config, mut known) = (postman(&house), through(&server, folder.path()), DueTimes::new());
    let (result, away) = (house.spool.result(job), folder.path().join("away"));
    std::fs::rename(&result, &away).unwrap();
    std::fs::create_dir(&result).unwrap();
    postman.round(&config, Timestamp::now(), &mut known).await;
    let waiting = mail(&house, job);
    assert_eq!((waiting.state, waiting.attempts), (MailState::Queued, 1));
    assert!(waiting.last_answer.unwrap().contains("can't be read"));
    std::fs::remove_dir(&result).unwrap();
    std::fs::rename(&away, &result).unwrap();
    postman.round(&config, minutes(2), &mut known).await;
    assert_eq!(mail(&house, job).state, MailState::Sent);
}

#[tokio::test]
async fn a_letter_whose_outcome_has_no_room_on_the_disk_is_sent_once() {
    let folder = tempfile::tempdir().unwrap();
    let (house, job) = opened(folder.path()).await;
    let server = Server::start(Mood::Good, None, false).await;
    let (postman, config, mut known) = (postman(&house), through(&server, folder.path()), DueTimes::new());
    // Whatever is written there, the device has no room for it.
    std::os::unix::fs::symlink("/dev/full", house.spool.folder(job).join(".job.json")).unwrap();
    for minute in [0, 600, 1200] {
        postman.round(&config, minutes(minute), &mut known).await;
    }
    assert_eq!(server.taken().len(), 1);
    assert_eq!(mail(&house, job).state, MailState::Sent);
}

#[tokio::test]
async fn a_letter_whose_outcome_could_not_be_kept_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (house, _) = opened(folder.path()).await;
    let server = Server::start(Mood::Good, None, false).await;
    let (postman, config, mut known) = (postman(&house), through(&server, folder.path()), DueTimes::new());
    assert!(house.store.write(|_| -> () { panic!("as sled does") }).durable().await.is_err());
    while !house.store.has_failed() {
        tokio::task::yield_now().await;
    }
    assert_eq!(postman.round(&config, Timestamp::now(), &mut known).await, AFTER_TROUBLE);
    assert!(server.taken().is_empty());
}
