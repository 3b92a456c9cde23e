//! The seed system's API, word for word.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tests::{Act, Door, House, picture, puppet};

/// The photo of the tests in base64, made by hand so that the encoder is not the one under test.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]);
            text.push(if at <= group.len() { digit } else { '=' });
        }
    }
    text
}

fn order() -> Value {
    json!({ "email": "me@example.org", "filename": "cat.png", "image": base64(&picture(5, 4)), "model": "great-wave" })
}

async fn refused(answer: Response, status: u16, word: &str) -> String {
    let (got, seen) = (answer.status().as_u16(), answer.text().await.unwrap());
    let seen: Value = serde_json::from_str(&seen).unwrap_or_else(|_| panic!("not JSON: {seen}"));
    assert_eq!((got, &seen["status"]), (status, &word.into()), "{seen}");
    seen["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn help_names_the_models() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let help = door.json("/help").await;
    assert_eq!(help["status"], "HELP_SUCCESS");
    assert!(help["models"].as_array().unwrap().contains(&"great-wave".into()));
    assert!(help["format"].as_str().unwrap().contains("jpg"));
    assert_eq!(door.get("/index").await.headers()["content-type"], "text/html; charset=utf-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn transform_submits_a_job_that_is_mailed() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    for (field, value) in [
        ("model", "great-wave.ckpt".to_owned()),
        ("email", "me@example.info".to_owned()),
        ("email", "me@example.studio".to_owned()),
        ("filename", "CAT.JPEG".to_owned()),
        ("image", format!("data:image/png;base64,{}", base64(&picture(5, 4)))),
        ("image", base64(&picture(5, 4)).trim_end_matches('=').to_owned()),
        (
            "image",
            base64(&picture(5, 4)).as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\r\n").collect(),
        ),
    ] {
        let mut order = order();
        order[field] = value.into();
        let answer = door.request(Method::POST, "/transform").json(&order).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{field}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["status"], "SUBMIT_SUCCESS");
        let job = door.json(&format!("/v1/jobs/{}", answer["job"].as_str().unwrap())).await;
        assert_eq!((&job["style"], &job["mail"]["to"]), (&"great-wave".into(), order.get("email").unwrap()));
        puppet.act(Act::Finish);
        let job = house.finished(job["id"].as_str().unwrap().parse().unwrap()).await;
        assert_eq!(serde_json::to_value(job).unwrap()["result"]["width"], 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_the_seeds_words() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let cases = [
        ("filename", json!("cat.txt"), 422, "FILENAME NOT SUPPORT"),
        ("filename", json!("jpg"), 422, "FILENAME NOT SUPPORT"),
        ("email", json!("nobody"), 422, "EMAIL FORMAT ERROR"),
        ("email", json!("me@example.org\r\nBcc: you@example.org"), 422, "EMAIL FORMAT ERROR"),
        ("email", json!(""), 422, "EMAIL FORMAT ERROR"),
        ("model", json!("no-such-style"), 422, "MODEL NOT EXISTS"),
        ("model", json!("../great-wave"), 422, "MODEL NOT EXISTS"),
        ("image", json!("%%%"), 422, "IMAGE ERROR"),
        ("image", json!("QQ==QQ=="), 422, "IMAGE ERROR"),
        // It is read in pieces, and one ends between the two.
        ("image", json!("A".repeat((64 << 10) - 4) + "QQ==QQ=="), 422, "IMAGE ERROR"),
        ("image", json!(""), 422, "IMAGE ERROR"),
        ("image", json!(base64(b"not a picture at all")), 415, "IMAGE ERROR"),
        ("image", json!(base64(b"<svg xmlns='http://www.w3.org/2000/svg'/>")), 415, "IMAGE ERROR"),
        ("image", json!(base64(b"GIF89a\x60\xea\x60\xea\0\0\0")), 422, "IMAGE ERROR"),
        ("filename", json!("../../cat"), 422, "FILENAME NOT SUPPORT"),
        ("image", json!(base64(&picture(64, 64)[..200])), 422, "IMAGE ERROR"),
        ("image", json!(7), 400, "PARAMS ERROR"),
        ("email", Value::Null, 400, "PARAMS ERROR"),
    ];
    for (field, value, status, word) in cases {
        let mut order = order();
        order[field] = value;
        let answer = door.request(Method::POST, "/transform").json(&order).send().await.unwrap();
        refused(answer, status, word).await;
    }
    for field in ["email", "filename", "image", "model"] {
        let mut order = order();
        order.as_object_mut().unwrap().remove(field);
        let answer = door.request(Method::POST, "/transform").json(&order).send().await.unwrap();
        assert!(refused(answer, 400, "PARAMS ERROR").await.contains(field));
    }
    let whole = order().to_string();
    let twice = whole.replacen('{', "{\"model\":\"great-wave\",", 1);
    let deep = "[".repeat(100_000);
    let list = json!(["me@example.org", "cat.png", order()["image"], "great-wave"]).to_string();
    for body in
        ["", "{", "[]", &list, "null", "\u{0}", &deep, &twice, &whole[..whole.len() - 1], &format!("{whole}{whole}")]
    {
        let answer = door.request(Method::POST, "/transform").body(body.to_owned()).send().await.unwrap();
        let detail = refused(answer, 400, "PARAMS ERROR").await;
        assert!(detail.ends_with("send an object of four texts: email, filename, image and model"), "{detail}");
    }
    let answer =
        door.request(Method::POST, "/transform").body(vec![b'{', b'"', 0xff, b'"', b'}']).send().await.unwrap();
    refused(answer, 400, "PARAMS ERROR").await;
    refused(door.get("/transform").await, 405, "METHOD NOT ALLOWED").await;
    assert_eq!(door.json("/v1/jobs").await["jobs"], json!([]), "none of them made a job");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_transform_answers_with_the_first_job() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let submit =
        |order: Value| door.request(Method::POST, "/transform").header("idempotency-key", "k").json(&order).send();
    let first: Value = submit(order()).await.unwrap().json().await.unwrap();
    let again = submit(order()).await.unwrap();
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    for (field, value) in [("email", "you@example.org"), ("filename", "dog.png")] {
        let mut other = order();
        other[field] = value.into();
        refused(submit(other).await.unwrap(), 422, "IDEMPOTENCY MISMATCH").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_in_the_seeds_shape() {
    let house = House::open_with(vec![puppet("a").0], |config| config.limits.upload_bytes = 1000);
    let door = Door::open(&house).await;
    let mut large = order();
    large["image"] = "A".repeat(2000).into();
    let answer = door.request(Method::POST, "/transform").json(&large).send().await.unwrap();
    refused(answer, 413, "UPLOAD TOO LARGE").await;
}
