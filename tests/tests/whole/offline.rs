//! What the real program does beside a daemon, or without one: backup, check, repair.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use reqwest::Client;
use serde_json::Value;
use tests::picture;

use crate::crash::{Atelierd, ended, jobs};
use crate::reopened::Reopened;

/// Runs `atelierd` on a folder's data.
fn atelierd(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atelierd-under-test"));
    command.args(arguments).env("ATELIER_DATA__DIR", folder.join("data")).current_dir(folder).output().unwrap()
}

/// Says what a run has printed, and checks how it ended.
fn printed(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

async fn submit(url: &str) -> Option<String> {
    let request = Client::new().post(format!("{url}/v1/stylize?style=great-wave"));
    let answer = request.header("content-type", "image/png").body(picture(48, 32)).send().await.ok()?;
    Some(answer.json::<Value>().await.ok()?["id"].as_str()?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_taken_under_load_has_all_that_was_acknowledged_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Atelierd::start(folder.path());
    let mut before = Vec::new();
    for _ in 0..10 {
        before.push(submit(&daemon.url).await.unwrap());
    }
    let url = daemon.url.clone();
    let load = tokio::spawn(async move { while submit(&url).await.is_some() {} });
    let copy = folder.path().join("elsewhere/data");
    let output = {
        let (folder, copy) = (folder.path().to_owned(), copy.display().to_string());
        tokio::task::spawn_blocking(move || atelierd(&folder, &["backup", &copy])).await.unwrap()
    };
    printed(&output, 0);
    drop(daemon);
    load.await.unwrap();
    let opened = Reopened::open(&copy).unwrap();
    for id in opened.spool.list().unwrap() {
        opened.is_whole(id).unwrap();
    }
    opened.close();
    let restored = Atelierd::start(copy.parent().unwrap());
    let states = ended(&restored.url).await;
    assert!(states.iter().all(|(_, state)| state == "succeeded"), "{states:?}");
    let missing: Vec<_> = before.iter().filter(|id| !states.iter().any(|(job, _)| job == *id)).collect();
    assert!(missing.is_empty(), "not in the backup: {missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_is_named_by_check_and_mended_by_repair_or_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Atelierd::start(folder.path());
    for _ in 0..5 {
        submit(&daemon.url).await.unwrap();
    }
    let before = ended(&daemon.url).await;
    drop(daemon);
    let database = folder.path().join("data/index/db");
    for is_repaired in [true, false] {
        fs::write(&database, vec![0x5a; 100_000]).unwrap();
        assert!(printed(&atelierd(folder.path(), &["check"]), 1).contains("wrong   index"));
        if is_repaired {
            assert!(printed(&atelierd(folder.path(), &["check", "--repair"]), 0).contains("mended  index"));
            printed(&atelierd(folder.path(), &["check"]), 0);
        }
        let daemon = Atelierd::start(folder.path());
        assert_eq!(jobs(&daemon.url).await, before);
    }
}
