//! The real program learns a style, and is killed without warning while it does.

use std::path::Path;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tests::{picture, tiny_training};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::crash::Atelierd;

/// How long anything may take before it counts as never.
const LONG: Duration = Duration::from_secs(240);

/// The smallest training there is, in so many steps.
async fn train(daemon: &Atelierd, steps: u32) -> String {
    let form = tiny_training("tiny", steps);
    let form = form.text("seed", "5").text("checkpoint_every", "4").text("preview_every", "7");
    let answer = Client::new().post(format!("{}/v1/train", daemon.url)).multipart(form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let job: Value = answer.json().await.unwrap();
    job["id"].as_str().unwrap().to_owned()
}

async fn json(daemon: &Atelierd, path: &str) -> Value {
    let answer = reqwest::get(format!("{}{path}", daemon.url)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.json().await.unwrap()
}

/// Returns a job's curve, without what no two runs have in common: how long it took.
async fn curve(daemon: &Atelierd, job: &str) -> Vec<Value> {
    let mut losses = json(daemon, &format!("/v1/jobs/{job}/losses")).await;
    let points = losses["points"].as_array_mut().unwrap();
    for point in points.iter_mut() {
        assert!(point.as_object_mut().unwrap().remove("seconds").unwrap().as_f64().unwrap() > 0.0);
    }
    std::mem::take(points)
}

/// Looks until something is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    let mut looks = interval(Duration::from_millis(20));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if is_so().await {
            return;
        }
        assert!(Instant::now() < deadline, "it never is so");
    }
}

async fn reaches(daemon: &Atelierd, job: &str, steps: usize) {
    until(async || {
        let now = json(daemon, &format!("/v1/jobs/{job}")).await;
        assert_ne!(now["state"], "failed", "{now}");
        now["state"] == "succeeded" || curve(daemon, job).await.len() >= steps
    })
    .await;
}

/// Learns a style, killing the daemon whenever so many steps are done; returns the curve and the style as one file.
async fn learn(folder: &Path, kills: &[usize]) -> (Vec<Value>, Vec<u8>) {
    let mut daemon = Atelierd::start(folder);
    let job = train(&daemon, 60).await;
    for steps in kills {
        reaches(&daemon, &job, *steps).await;
        daemon.kill();
        daemon = Atelierd::start(folder);
    }
    until(async || json(&daemon, &format!("/v1/jobs/{job}")).await["state"] == "succeeded").await;
    let ended = json(&daemon, &format!("/v1/jobs/{job}")).await;
    assert_eq!(ended["attempt"], kills.len() as u64 + 1);
    let styles = json(&daemon, "/v1/styles/tiny").await;
    assert_eq!(styles["state"], "ready");
    let result = reqwest::get(format!("{}/v1/jobs/{job}/result", daemon.url)).await.unwrap();
    (curve(&daemon, &job).await, result.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_is_killed_again_and_again_ends_as_one_that_was_left_in_peace() {
    let [peaceful, killed] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (curve, style) = learn(peaceful.path(), &[]).await;
    assert_eq!(curve.len(), 60);
    // Before the first checkpoint, right after one, and between two.
    let (curve_of_killed, style_of_killed) = learn(killed.path(), &[2, 4, 10, 39]).await;
    assert_eq!(curve_of_killed, curve);
    assert!(style_of_killed == style, "the styles differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_that_turn_out_to_be_broken_fail_the_training_and_it_is_retried_with_better_ones() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    std::fs::write(folder.path().join("atelier.toml"), "[train.datasets]\nholidays = \"photos\"\n").unwrap();
    // Its heads are whole; only decoding shows that its pixels are not.
    let mut broken = picture(96, 80);
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    std::fs::write(photos.join("broken.png"), broken).unwrap();
    let daemon = Atelierd::start(folder.path());
    let form = tiny_training("tiny", 3).text("dataset", "holidays");
    let answer = Client::new().post(format!("{}/v1/train", daemon.url)).multipart(form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let job = answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    until(async || json(&daemon, &format!("/v1/jobs/{job}")).await["state"] == "failed").await;
    let failed = json(&daemon, &format!("/v1/jobs/{job}")).await;
    assert_eq!(failed["error"]["code"], "dataset_unusable", "{failed}");
    let detail = failed["error"]["detail"].as_str().unwrap();
    assert!(
        detail.contains("none of the 1 photos of holidays can be used") && detail.contains("broken.png"),
        "{detail}"
    );
    std::fs::write(photos.join("whole.png"), picture(96, 80)).unwrap();
    let retried = Client::new().post(format!("{}/v1/jobs/{job}/retry", daemon.url)).send().await.unwrap();
    assert_eq!(retried.status(), StatusCode::OK);
    until(async || json(&daemon, &format!("/v1/jobs/{job}")).await["state"] == "succeeded").await;
    let skipped = &json(&daemon, &format!("/v1/jobs/{job}")).await["skipped_files"];
    assert!(skipped[0].as_str().unwrap().contains("broken.png"), "{skipped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_comes_back_while_a_training_has_the_only_device() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Atelierd::start(folder.path());
    let job = train(&daemon, 200_000).await;
    reaches(&daemon, &job, 1).await;
    let request = Client::new().post(format!("{}/v1/stylize?style=great-wave", daemon.url));
    let request = request.header("content-type", "image/png").header("prefer", "wait=240").body(picture(64, 48));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    let now = json(&daemon, &format!("/v1/jobs/{job}")).await;
    assert_eq!((&now["state"], &now["attempt"]), (&"running".into(), &1.into()), "{now}");
    let steps = curve(&daemon, &job).await.len();
    reaches(&daemon, &job, steps + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_painting_that_is_killed_comes_out_the_same() {
    let mut paintings = Vec::new();
    for is_killed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Atelierd::start(folder.path());
        let file = |width, height| Part::bytes(picture(width, height)).file_name("picture.png");
        let form = Form::new().part("image", file(72, 56)).part("artwork", file(64, 64)).text("steps", "40");
        let answer = Client::new().post(format!("{}/v1/paint", daemon.url)).multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let job = answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
        if is_killed {
            reaches(&daemon, &job, 26).await;
            daemon.kill();
            daemon = Atelierd::start(folder.path());
        }
        until(async || json(&daemon, &format!("/v1/jobs/{job}")).await["state"] == "succeeded").await;
        let result = reqwest::get(format!("{}/v1/jobs/{job}/result", daemon.url)).await.unwrap();
        paintings.push((result.bytes().await.unwrap(), curve(&daemon, &job).await));
    }
    assert!(paintings[0] == paintings[1], "the paintings or their curves differ");
}
