//! What a training shows of itself over HTTP: losses, previews, checkpoints; and ending it with what there is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use daemon::curve::CurveFile;
use protocol::{LossPoint, StateName};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tests::{Deed, Door, House, Move, picture, problem, puppet};

/// A house without devices, and a training that waits in it.
struct Waiting {
    house: House,
    door: Door,
    id: String,
}

async fn waiting() -> Waiting {
    let house = House::open(Vec::new());
    let door = Door::open(&house).await;
    let id = train(&door, "new").await;
    Waiting { house, door, id }
}

async fn train(door: &Door, name: &str) -> String {
    let artwork = Part::bytes(picture(256, 256)).file_name("artwork.png");
    let answer = door.form("/v1/train", Form::new().part("artwork", artwork).text("name", name.to_owned())).await;
    assert_eq!(answer.status(), 202);
    answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
}

fn point(step: u64, total: f64) -> LossPoint {
    let layers = BTreeMap::from([("relu1_1".to_owned(), total / 4.0), ("relu2_1".to_owned(), total / 8.0)]);
    LossPoint { step, seconds: step as f64 / 2.0, total, content: total / 2.0, style: total / 6.0, tv: 0.0, layers }
}

impl Waiting {
    fn folder(&self) -> PathBuf {
        self.house.config.data.dir.join("spool").join(&self.id)
    }

    /// Writes a curve as a device's work does.
    fn learn(&self, totals: &[f64]) {
        let mut curve = CurveFile::open(&self.folder().join("curve"), &[]).unwrap();
        for (step, total) in (1..).zip(totals) {
            curve.append(&point(step, *total)).unwrap();
        }
    }

    async fn get(&self, rest: &str) -> Response {
        self.door.get(&format!("/v1/jobs/{}{rest}", self.id)).await
    }

    async fn delete(&self, query: &str) -> Response {
        self.door.request(Method::DELETE, &format!("/v1/jobs/{}{query}", self.id)).send().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_curve_comes_as_json_as_a_table_and_as_drawings() {
    let waiting = waiting().await;
    let empty: Value = waiting.get("/losses").await.json().await.unwrap();
    assert_eq!(empty, json!({ "job": waiting.id, "terms": ["total", "content", "style", "tv"], "points": [] }));
    waiting.learn(&[8.0, 4.0, 2.0]);
    let curve: Value = waiting.get("/losses").await.json().await.unwrap();
    assert_eq!(curve["terms"], json!(["total", "content", "style", "tv", "relu1_1", "relu2_1"]));
    let second = json!({
        "step": 2, "seconds": 1.0, "total": 4.0, "content": 2.0, "style": 4.0 / 6.0, "tv": 0.0,
        "layers": { "relu1_1": 1.0, "relu2_1": 0.5 },
    });
    assert_eq!((curve["points"].as_array().unwrap().len(), &curve["points"][1]), (3, &second));

    let path = format!("/v1/jobs/{}/losses", waiting.id);
    let by_name = waiting.get("/losses.csv").await;
    let by_accept = waiting.door.request(Method::GET, &path).header("accept", "text/csv").send().await.unwrap();
    assert_eq!(by_accept.headers()["vary"], "accept");
    for table in [by_name, by_accept] {
        assert_eq!(table.headers()["content-type"], "text/csv; charset=utf-8");
        let table = table.text().await.unwrap();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!((lines.len(), lines[0]), (4, "step,seconds,total,content,style,tv,relu1_1,relu2_1"));
        assert!(lines[2].starts_with("2,1,4,2,0.66666"), "{}", lines[2]);
    }
    let drawing = waiting.get("/losses.svg").await;
    assert_eq!(drawing.headers()["content-type"], "image/svg+xml");
    assert!(drawing.text().await.unwrap().starts_with("<svg"));
    let drawing = waiting.get("/losses.png").await;
    assert_eq!(drawing.headers()["content-type"], "image/png");
    assert!(drawing.bytes().await.unwrap().starts_with(b"\x89PNG"));
    let by_short_id = waiting.door.json(&format!("/v1/jobs/{}/losses", &waiting.id[28..])).await;
    assert_eq!(by_short_id, curve);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_curve_is_whole_or_thinned_without_losing_a_spike() {
    let waiting = waiting().await;
    let totals: Vec<_> = (0..500).map(|step| if step == 321 { 900.0 } else { 1.0 }).collect();
    waiting.learn(&totals);
    let whole: Value = waiting.get("/losses").await.json().await.unwrap();
    let steps = whole["points"].as_array().unwrap().iter().map(|point| point["step"].as_u64().unwrap());
    assert!(steps.eq(1..=500), "{whole}");
    assert_eq!(waiting.get("/losses.csv").await.text().await.unwrap().lines().count(), 501);
    let curve: Value = waiting.get("/losses?max=20").await.json().await.unwrap();
    let points = curve["points"].as_array().unwrap();
    assert!(points.len() <= 20 && points.iter().any(|point| point["total"] == 900.0), "{points:?}");
    assert_eq!((&points[0]["step"], &points[points.len() - 1]["step"]), (&json!(1), &json!(500)));
    assert_eq!(waiting.get("/losses.csv?max=10").await.text().await.unwrap().lines().count(), 11);
    for bad in ["max=0", "max=-1", "max=many", "most=3"] {
        problem(waiting.get(&format!("/losses?{bad}")).await, 422, "invalid_field").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_preview_is_sent_once_there_is_one() {
    let waiting = waiting().await;
    problem(waiting.get("/preview").await, 404, "preview_not_found").await;
    assert_eq!(waiting.get("/checkpoints").await.json::<Value>().await.unwrap()["checkpoints"], json!([]));
    std::fs::write(waiting.folder().join("preview"), b"a JPEG").unwrap();
    let preview = waiting.get("/preview").await;
    assert_eq!((preview.status().as_u16(), &preview.headers()["content-type"]), (200, &"image/jpeg".parse().unwrap()));
    assert_eq!(preview.text().await.unwrap(), "a JPEG");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_in_a_learned_style_has_none_of_this() {
    let (engine, _puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let job = house.submit_one().await.id;
    for rest in ["losses", "losses.csv", "losses.svg", "losses.png", "preview", "checkpoints"] {
        problem(door.get(&format!("/v1/jobs/{job}/{rest}")).await, 409, "wrong_kind").await;
        let nobody = format!("/v1/jobs/01890a5d-ac96-774b-bcce-b302099a8057/{rest}");
        problem(door.get(&nobody).await, 404, "job_not_found").await;
    }
    let kept = door.request(Method::DELETE, &format!("/v1/jobs/{job}?keep=true")).send().await.unwrap();
    problem(kept, 409, "wrong_kind").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_without_a_step_has_nothing_to_keep() {
    let waiting = waiting().await;
    problem(waiting.delete("?keep=true&purge=true").await, 422, "invalid_field").await;
    let ended = waiting.delete("?keep=true").await;
    assert_eq!(ended.status(), 200);
    assert_eq!(ended.json::<Value>().await.unwrap()["state"], "cancelled");
    let again: Value = waiting.delete("?keep=true").await.json().await.unwrap();
    assert_eq!(again["state"], "cancelled", "it stays as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_whose_name_was_taken_meanwhile_is_not_retried() {
    let waiting = waiting().await;
    waiting.delete("").await;
    train(&waiting.door, "new").await;
    let retried = waiting.door.post(&format!("/v1/jobs/{}/retry", waiting.id)).await;
    problem(retried, 409, "style_exists").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_is_followed_live_and_its_package_bears_the_styles_name() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let artwork = Part::bytes(picture(256, 256)).file_name("artwork.png");
    let form = Form::new().part("artwork", artwork).text("name", "new").text("steps", "3").text("preview_every", "2");
    let job: Value = door.form("/v1/train", form).await.json().await.unwrap();
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(puppet.deed(), Deed::Open(0));
    let stream = door.get(&format!("{path}/events")).await;
    puppet.play(Move::Run);
    let heard = stream.text().await.unwrap();
    let said = |event: &str| heard.lines().filter(|line| *line == format!("event: {event}")).count();
    assert_eq!([said("snapshot"), said("loss"), said("preview"), said("end")], [1, 3, 1, 1], "{heard}");
    assert!(heard.contains("\"point\":{\"step\":2,") && heard.contains("\"step\":2}"), "{heard}");

    let job = door.json(&path).await;
    assert_eq!((&job["state"], &job["result"]["width"]), (&json!("succeeded"), &Value::Null));
    assert_eq!(job["skipped_files"], json!(["broken.jpg: cut short"]));
    let package = door.get(&format!("{path}/result")).await;
    assert_eq!(package.headers()["content-disposition"], "attachment; filename=\"new.safetensors\"");
    assert_eq!(package.bytes().await.unwrap().len() as u64, job["result"]["bytes"].as_u64().unwrap());
    assert_eq!(door.json("/v1/styles/new").await["state"], "ready");
    assert_eq!(door.json(&format!("{path}/losses")).await["points"].as_array().unwrap().len(), 3);
    assert!(door.get(&format!("{path}/preview")).await.bytes().await.unwrap().starts_with(&[0xff, 0xd8, 0xff]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_training_ends_with_what_there_is() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let id = train(&door, "new").await;
    assert_eq!(puppet.deed(), Deed::Open(0));
    puppet.steps(5);
    assert_eq!(puppet.deed(), Deed::Asked);
    let kept = door.request(Method::DELETE, &format!("/v1/jobs/{id}?keep=true")).send().await.unwrap();
    assert_eq!(kept.json::<Value>().await.unwrap()["state"], "running", "between two steps it will end");
    let more = puppet.until_dropped();
    let job = house.finished(id.parse().unwrap()).await;
    assert_eq!(job.state.name(), StateName::Succeeded);
    let points = door.json(&format!("/v1/jobs/{id}/losses")).await["points"].as_array().unwrap().len();
    assert_eq!(points as u64, 5 + more);
    assert_eq!(door.json("/v1/styles/new").await["state"], "ready");
}
