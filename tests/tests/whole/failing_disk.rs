//! Disks that are full, fail, or can't be written: refusals that say so, nothing half done, and no trust in a disk that
//! could not keep its word.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use tests::disk::{Disk, Fate, Rule};
use tests::{noise, picture, tiny_training};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::crash::{Atelierd, jobs};
use crate::program::{Running, atelierd, refusal};

/// Error numbers of Linux: an input or output error, no permission, no space left, a file system that is read-only.
const EIO: i32 = 5;
const EACCES: i32 = 13;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// A shell's pattern for a job's id.
const ID: &str = "????????-????-????-????-????????????";

/// How long anything may take before it counts as never.
const LONG: Duration = Duration::from_secs(240);

/// A daemon on a disk that can fail, and a client of it.
struct Patient<'a> {
    daemon: Atelierd,
    folder: &'a Path,
    client: Client,
}

impl<'a> Patient<'a> {
    fn start(disk: &Disk, folder: &'a Path) -> Self {
        let daemon = Atelierd::start_with(folder, |command| {
            disk.put_under(command, folder);
            command.env("ATELIER_DATA__RESERVE_BYTES", "0");
        });
        Self { daemon, folder, client: Client::new() }
    }

    async fn submit(&self) -> Response {
        self.send(picture(48, 32)).await
    }

    async fn send(&self, photo: Vec<u8>) -> Response {
        let photo = Part::bytes(photo).file_name("photo.png");
        let form = Form::new().part("image", photo).text("style", "great-wave");
        self.client.post(format!("{}/v1/stylize", self.daemon.url)).multipart(form).send().await.unwrap()
    }

    /// Submits a training that does not end by itself.
    async fn training(&self) -> String {
        let form = tiny_training("tiny", 200_000).text("checkpoint_every", "4");
        let answer = self.client.post(format!("{}/v1/train", self.daemon.url)).multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    async fn accepted(&self) -> String {
        let answer = self.submit().await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    async fn status(&self, path: &str) -> StatusCode {
        self.client.get(format!("{}{path}", self.daemon.url)).send().await.unwrap().status()
    }

    async fn job(&self, id: &str) -> Value {
        let url = format!("{}/v1/jobs/{id}", self.daemon.url);
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn reaches(&self, id: &str, state: &str) -> Value {
        let deadline = Instant::now() + LONG;
        let mut looks = interval(Duration::from_millis(50));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let job = self.job(id).await;
            if job["state"] == state {
                return job;
            }
            assert!(Instant::now() < deadline, "it never is {state}: {job}");
        }
    }

    /// Lists what lies in a folder of the spool, folders of jobs and drafts alike.
    fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("data").join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

async fn code(answer: Response) -> (StatusCode, String) {
    let status = answer.status();
    let problem: Value = answer.json().await.unwrap();
    (status, problem["code"].as_str().unwrap().to_owned())
}

#[test]
fn a_folder_that_cannot_be_made_stops_the_start_with_one_line() {
    let Some(mut disk) = Disk::open() else { return };
    for (error, words) in [(EACCES, "Permission denied (os error 13)"), (EROFS, "Read-only file system (os error 30)")]
    {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        disk.rule(&Rule { fate: Fate::Fail(error), nth: 0, operations: "cmr", pattern: "*/data*" });
        let mut command = atelierd(folder.path());
        disk.put_under(&mut command, folder.path());
        let line = refusal(&command.args(["--listen", "127.0.0.1:0", "--data", "data"]).output().unwrap());
        let told = format!("data/styles can't be used: {words}; make it writable or choose another with models.dir");
        assert!(line.ends_with(&told), "{line}");
        disk.mend();
        drop(Running::start(folder.path()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_sync_that_failed_nothing_is_accepted_until_a_restart() {
    let Some(mut disk) = Disk::open() else { return };
    // Those of a photo whose folder is synced itself, and those of a small one.
    let folder = format!("*/incoming/{ID}");
    let large = ["*/incoming/*/input", "*/incoming/*/job.json", &folder, "*/spool"].map(|sync| (noise(), sync));
    let small = (picture(48, 32), "*/arrivals-?");
    for (photo, pattern) in large.into_iter().chain([small]) {
        let folder = tempfile::tempdir().unwrap();
        let patient = Patient::start(&disk, folder.path());
        let kept = patient.accepted().await;
        patient.reaches(&kept, "succeeded").await;
        disk.rule(&Rule { fate: Fate::Fail(EIO), nth: 1, operations: "s", pattern });
        assert_eq!(
            code(patient.send(photo).await).await,
            (StatusCode::SERVICE_UNAVAILABLE, "storage_failed".to_owned()),
            "{pattern}"
        );
        // The disk says that it is well again. It may have lost what it could not write.
        disk.mend();
        assert_eq!(code(patient.submit().await).await.1, "storage_failed", "{pattern}");
        assert_eq!(patient.status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(patient.status("/livez").await, StatusCode::OK);
        let Patient { daemon, .. } = patient;
        drop(daemon);
        let patient = Patient::start(&disk, folder.path());
        assert_eq!(patient.status("/readyz").await, StatusCode::OK);
        assert_eq!(patient.job(&kept).await["state"], "succeeded");
        patient.accepted().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_can_not_be_synced_ends_acceptance_and_loses_no_job() {
    let Some(mut disk) = Disk::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let patient = Patient::start(&disk, folder.path());
    disk.rule(&Rule { fate: Fate::Fail(EIO), nth: 1, operations: "s", pattern: "*/index/db" });
    // It is safe in the spool; the sync that fails is the one when it begins.
    let job = patient.accepted().await;
    let (deadline, mut looks) = (Instant::now() + LONG, interval(Duration::from_millis(50)));
    while patient.status("/readyz").await == StatusCode::OK {
        assert!(Instant::now() < deadline, "the index is never synced");
        looks.tick().await;
    }
    disk.mend();
    assert_eq!(code(patient.submit().await).await.1, "storage_failed");
    drop(patient);
    let patient = Patient::start(&disk, folder.path());
    patient.reaches(&job, "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_can_not_make_what_arrived_safe_stops_with_one_line_and_keeps_it() {
    let Some(mut disk) = Disk::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let patient = Patient::start(&disk, folder.path());
    let job = patient.accepted().await;
    // Killed: the journal still has the job.
    drop(patient);
    disk.rule(&Rule { fate: Fate::Fail(EIO), nth: 1, operations: "e", pattern: "*/spool" });
    let mut command = atelierd(folder.path());
    disk.put_under(&mut command, folder.path());
    let line = refusal(&command.args(["--listen", "127.0.0.1:0", "--data", "data"]).output().unwrap());
    assert!(line.contains("the data folder data can't be used: Input/output error (os error 5)"), "{line}");
    disk.mend();
    let patient = Patient::start(&disk, folder.path());
    patient.reaches(&job, "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_painting_that_could_not_be_synced_is_painted_again_after_a_restart() {
    let Some(mut disk) = Disk::open() else { return };
    for pattern in ["*/spool", "*/.result", "*/.job.json", &format!("*/spool/{ID}")] {
        let folder = tempfile::tempdir().unwrap();
        let patient = Patient::start(&disk, folder.path());
        disk.rule(&Rule { fate: Fate::Fail(EIO), nth: 1, operations: "s", pattern });
        let job = patient.accepted().await;
        let deadline = Instant::now() + LONG;
        while patient.status("/readyz").await == StatusCode::OK {
            assert!(Instant::now() < deadline, "the failure of {pattern} is not noticed");
        }
        disk.mend();
        drop(patient);
        let patient = Patient::start(&disk, folder.path());
        patient.reaches(&job, "succeeded").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_nothing_leaves_nothing_half_done_and_is_used_again_when_it_does() {
    let Some(mut disk) = Disk::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let patient = Patient::start(&disk, folder.path());
    for (error, expected) in
        [(ENOSPC, (507, "storage_full")), (EIO, (503, "storage_failed")), (EROFS, (503, "storage_failed"))]
    {
        for (operations, photo) in
            ["c", "w", "m", "r"].into_iter().flat_map(|kind| [(kind, picture(48, 32)), (kind, noise())])
        {
            let before = patient.files("spool");
            disk.rule(&Rule { fate: Fate::Fail(error), nth: 0, operations, pattern: "*/spool/*" });
            let (status, code) = code(patient.send(photo).await).await;
            assert_eq!((status.as_u16(), code.as_str()), expected, "{operations}");
            assert_eq!(patient.files("spool"), before, "{operations}");
            assert_eq!(patient.files("spool/incoming"), [""; 0], "{operations}");
            disk.mend();
            assert_eq!(patient.status("/readyz").await, StatusCode::OK);
        }
    }
    let job = patient.accepted().await;
    patient.reaches(&job, "succeeded").await;
    drop(patient);
    let patient = Patient::start(&disk, folder.path());
    assert_eq!(jobs(&patient.daemon.url).await, [(job, "succeeded".to_owned())], "what was refused stays away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_painting_without_room_waits_for_it_and_one_that_can_not_be_written_says_so() {
    let Some(mut disk) = Disk::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let patient = Patient::start(&disk, folder.path());
    disk.rule(&Rule { fate: Fate::Fail(ENOSPC), nth: 0, operations: "cw", pattern: "*/.result" });
    let waiting = patient.accepted().await;
    let paused = patient.reaches(&waiting, "paused").await;
    assert!(paused["warnings"][0].as_str().unwrap().contains("no room"), "{paused}");
    disk.rule(&Rule { fate: Fate::Fail(EIO), nth: 0, operations: "cw", pattern: "*/.result" });
    let failing = patient.accepted().await;
    let failed = patient.reaches(&failing, "failed").await;
    assert_eq!(failed["error"]["code"], "storage_failed", "{failed}");
    disk.mend();
    // By itself, at the next round of the sweeper.
    patient.reaches(&waiting, "succeeded").await;
    let retried = patient.client.post(format!("{}/v1/jobs/{failing}/retry", patient.daemon.url)).send().await.unwrap();
    assert_eq!(retried.status(), StatusCode::OK);
    patient.reaches(&failing, "succeeded").await;
}

/// A file system of a few megabytes, for whoever may make one.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(place: &'a Path) -> Option<Self> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "atelier-test"]).arg(place).output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Self(place));
        }
        eprintln!("not tested on a small file system: only root may mount one here");
        None
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: somebody may still have a file open. It goes with the last one.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_is_refused_and_used_again_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("data");
    fs::create_dir(&place).unwrap();
    let Some(_disk) = SmallDisk::mount(&place) else { return };
    let daemon = Atelierd::start_with(folder.path(), |command| {
        command.env("ATELIER_MODELS__DIR", folder.path().join("styles")).env("ATELIER_DATA__RESERVE_BYTES", "4MiB");
    });
    let patient = Patient { daemon, folder: folder.path(), client: Client::new() };
    let first = patient.accepted().await;
    patient.reaches(&first, "succeeded").await;
    let training = patient.training().await;
    patient.reaches(&training, "running").await;
    // Somebody else fills it, to the last byte.
    let filler = place.join("filler");
    let full = fs::write(&filler, vec![1; 64 << 20]).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(ENOSPC));
    assert_eq!(code(patient.submit().await).await, (StatusCode::INSUFFICIENT_STORAGE, "storage_full".to_owned()));
    assert_eq!(patient.status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(patient.job(&first).await["state"], "succeeded");
    let paused = patient.reaches(&training, "paused").await;
    assert!(paused["warnings"][0].as_str().unwrap().contains("no room"), "{paused}");
    fs::remove_file(&filler).unwrap();
    assert_eq!(patient.status("/readyz").await, StatusCode::OK);
    let second = patient.accepted().await;
    patient.reaches(&second, "succeeded").await;
    // By itself, at the next round of the sweeper.
    patient.reaches(&training, "running").await;
}
