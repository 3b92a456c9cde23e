//! `POST /v1/stylize` from outside.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tests::{Act, Door, House, picture, problem, puppet};

fn photo() -> Part {
    Part::bytes(picture(4, 3)).file_name("photo.png")
}

fn form() -> Form {
    Form::new().part("image", photo()).text("style", "great-wave")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_photo_is_a_job_with_every_default_filled_in() {
    let (engine, _puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let answer = door.stylize(form().text("note", "for the hall").text("strength", "0.5")).await;
    assert_eq!(answer.status(), 202);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let marked = answer.headers()["atelier-job"].to_str().unwrap().to_owned();
    let job: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/v1/jobs/{}", job["id"].as_str().unwrap()));
    assert_eq!(job["id"], marked);
    assert_eq!((&job["kind"], &job["note"]), (&"stylize".into(), &"for the hall".into()));
    let parameters = &job["parameters"];
    assert_eq!((&parameters["strength"], &parameters["preserve_color"]), (&0.5.into(), &false.into()));
    assert_eq!((&parameters["format"], &parameters["size"]), (&"png".into(), &Value::Null));
    assert_eq!(door.json(&location).await["id"], marked);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_prefers_to_wait_gets_the_painting_itself() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    puppet.act(Act::Finish);
    let request = door.request(Method::POST, "/v1/stylize?style=great-wave&format=jpeg");
    let request = request.header("content-type", "image/png").header("prefer", "wait=15").body(picture(9, 7));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "image/jpeg");
    let job = answer.headers()["atelier-job"].to_str().unwrap().to_owned();
    let painting = answer.bytes().await.unwrap();
    assert_eq!(painting[..3], [0xff, 0xd8, 0xff]);
    assert_eq!(door.json(&format!("/v1/jobs/{job}")).await["result"]["width"], 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_short_gets_the_job() {
    let (engine, _puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    for prefer in ["wait=0", "wait=1"] {
        let answer = door.request(Method::POST, "/v1/stylize").header("prefer", prefer).multipart(form());
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 202, "{prefer}");
        assert!(answer.headers().contains_key("location"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_meanwhile_answers_with_its_own_error() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    puppet.act(Act::NotFinite);
    let request = door.request(Method::POST, "/v1/stylize").header("prefer", "wait=15").multipart(form());
    let answer = request.send().await.unwrap();
    assert!(answer.headers().contains_key("atelier-job"));
    problem(answer, 422, "not_finite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_when_the_daemon_closes_gets_the_job() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let request = door.request(Method::POST, "/v1/stylize").header("prefer", "wait=60").multipart(form());
    let waiting = tokio::spawn(request.send());
    tokio::task::spawn_blocking(move || puppet.begun()).await.unwrap();
    door.close().await;
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status(), 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let cases: [(Form, &str, &str); 14] = [
        (Form::new().text("style", "great-wave"), "missing_field", "image"),
        (Form::new().part("image", photo()), "missing_field", "style"),
        (form().part("image", photo()), "invalid_field", "image"),
        (form().text("style", "great-wave"), "invalid_field", "style"),
        (form().text("colour", "red"), "invalid_field", "colour"),
        (form().text("", "x"), "invalid_field", "\"\""),
        (form().text("strength", "7"), "invalid_field", "strength"),
        (form().text("strength", "NaN"), "invalid_field", "strength"),
        (form().text("size", "-1"), "invalid_field", "size"),
        (form().text("size", "0"), "invalid_field", "size"),
        (form().text("format", "gif"), "invalid_field", "format"),
        (form().text("preserve_color", "maybe"), "invalid_field", "preserve_color"),
        (form().text("priority", "urgent"), "invalid_field", "priority"),
        (form().text("note", "x".repeat(20_000)), "invalid_field", "note"),
    ];
    for (form, code, name) in cases {
        let detail = problem(door.stylize(form).await, 422, code).await;
        assert!(detail.contains(name), "{name}: {detail}");
    }
    let style = Form::new().part("image", photo()).text("style", "../etc");
    assert!(problem(door.stylize(style).await, 422, "invalid_field").await.contains("style"));
    let style = Form::new().part("image", photo()).text("style", "no-such-style");
    assert!(problem(door.stylize(style).await, 422, "unknown_style").await.contains("no-such-style"));
    let email = form().text("email", "me@example.org\r\nBcc: you@example.org");
    assert!(problem(door.stylize(email).await, 422, "invalid_field").await.contains("e-mail"));
    assert_eq!(door.json("/v1/jobs").await["jobs"], Value::Array(vec![]), "none of them made a job");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_picture_is_refused_now() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let whole = picture(64, 64);
    let cases: [(Vec<u8>, u16, &str); 4] = [
        (Vec::new(), 422, "invalid_picture"),
        (whole[..whole.len() / 2].to_vec(), 422, "invalid_picture"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), 415, "unsupported_media_type"),
        (vec![b'x'; 1000], 415, "unsupported_media_type"),
    ];
    for (bytes, status, code) in cases {
        let part = Part::bytes(bytes).file_name("photo");
        let answer = door.stylize(Form::new().part("image", part).text("style", "great-wave")).await;
        problem(answer, status, code).await;
    }
}

/// Begins a picture of 60000×60000, and ends there.
fn absurd_headers() -> [(&'static str, Vec<u8>); 3] {
    const SIDE: u16 = 60_000;
    let (be, le, wide) = (SIDE.to_be_bytes(), SIDE.to_le_bytes(), u32::from(SIDE).to_le_bytes());
    let components = b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01";
    [
        ("JPEG", [b"\xff\xd8\xff\xc0\0\x11\x08", &be[..], &be, components].concat()),
        ("GIF", [b"GIF89a", &le[..], &le, &[0, 0, 0]].concat()),
        ("BMP", [b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", &wide[..], &wide, &[1, 0, 24, 0]].concat()),
    ]
}

/// A GIF of two pixels that has so many frames.
fn frames(count: usize) -> Vec<u8> {
    let head = b"GIF89a\x02\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
    let frame = b"\x2c\0\0\0\0\x02\0\x01\0\0\x02\x02\x44\x0a\0";
    [head.as_slice(), &frame.repeat(count), b"\x3b"].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_picture_is_refused_with_the_way_out() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let refused = async |bytes: &[u8], status: u16, code: &str, words: &str| {
        let part = Part::bytes(bytes.to_vec()).file_name("../../photo.png");
        let form = door.stylize(Form::new().part("image", part).text("style", "great-wave")).await;
        let detail = problem(form, status, code).await;
        assert!(detail.contains(words), "{detail}");
        let bare = door.request(Method::POST, "/v1/stylize?style=great-wave").header("content-type", "image/png");
        assert_eq!(problem(bare.body(bytes.to_vec()).send().await.unwrap(), status, code).await, detail);
    };
    for (format, bytes) in absurd_headers() {
        let words = "60000×60000 pixels is over the limit of 40000000 pixels; make it smaller";
        refused(&bytes, 422, "too_many_pixels", words).await;
        let padded = [bytes, vec![0x5a; 100_000]].concat();
        refused(&padded, 422, "too_many_pixels", words).await;
        assert_eq!(door.get("/livez").await.status(), 200, "{format}");
    }
    let many = frames(100_000);
    refused(&many[..many.len() - 7], 422, "invalid_picture", "GIF file is cut short; send it again, whole").await;
    let unsupported = "unsupported_media_type";
    refused(
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        415,
        unsupported,
        "HEIC picture, which can't be read; export it as JPEG",
    )
    .await;
    refused(
        b"<?xml version='1.0'?><svg onload='alert(1)'/>",
        415,
        unsupported,
        "SVG drawing, which can't be read; export it as PNG",
    )
    .await;
    let archive = [b"PK\x03\x04".as_slice(), &picture(4, 3)].concat();
    refused(&archive, 415, unsupported, "an archive, which can't be read; unpack it").await;
    let script = b"GIF89a/*\x20*/=1;alert(document.cookie)//";
    refused(script, 422, "too_many_pixels", "10799×10784 pixels is over the limit").await;
    let noise: Vec<u8> = (0..5000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for signature in [b"\x89PNG\r\n\x1a\n".as_slice(), b"\xff\xd8\xff", b"II*\0\x08\0\0\0"] {
        refused(&[signature, &noise].concat(), 422, "invalid_picture", "").await;
    }
    refused(&noise, 415, unsupported, "an unknown kind of file, which can't be read; send a JPEG").await;
    assert_eq!(door.json("/v1/jobs").await["jobs"], Value::Array(vec![]), "none of them made a job");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hides_behind_a_whole_picture_never_comes_out_again() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let hidden = b"PK\x03\x04<svg onload=alert(1)>";
    let polyglot = [picture(2, 1).as_slice(), hidden].concat();
    for bytes in [polyglot, frames(100_000)] {
        puppet.act(Act::Finish);
        let request = door.request(Method::POST, "/v1/stylize?style=great-wave").header("content-type", "image/png");
        let answer = request.header("prefer", "wait=15").body(bytes).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"image/png".parse().unwrap()));
        let painting = answer.bytes().await.unwrap();
        assert!(painting.starts_with(b"\x89PNG") && painting.len() < 1000);
        assert!(!painting.windows(hidden.len()).any(|window| window == hidden));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_type_is_told_what_to_be() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x"] {
        let answer = door.request(Method::POST, "/v1/stylize").header("content-type", kind).body("x");
        let detail = problem(answer.send().await.unwrap(), 415, "unsupported_media_type").await;
        assert!(detail.contains("multipart/form-data"), "{detail}");
    }
    for kind in ["multipart/form-data", "multipart/form-data; boundary="] {
        let answer = door.request(Method::POST, "/v1/stylize").header("content-type", kind).body("x");
        problem(answer.send().await.unwrap(), 400, "malformed_request").await;
    }
    let answer = door.request(Method::POST, "/v1/stylize?style=great-wave").multipart(form()).send().await.unwrap();
    problem(answer, 422, "invalid_field").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_submit_answers_with_the_first_job() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let submit = |form: Form| door.request(Method::POST, "/v1/stylize").header("idempotency-key", "k1").multipart(form);
    let first = submit(form()).send().await.unwrap();
    assert!(!first.headers().contains_key("idempotent-replayed"));
    let first: Value = first.json().await.unwrap();
    // Another boundary, another order of parts, a default spelt out: the same content.
    let again = Form::new().text("strength", "1").text("style", "great-wave").part("image", photo());
    let again = submit(again).send().await.unwrap();
    assert_eq!((again.status().as_u16(), &again.headers()["idempotent-replayed"]), (202, &"true".parse().unwrap()));
    assert_eq!(again.json::<Value>().await.unwrap()["id"], first["id"]);
    let bare = door.request(Method::POST, "/v1/stylize?style=great-wave").header("content-type", "image/png");
    let bare = bare.header("idempotency-key", "k1").body(picture(4, 3)).send().await.unwrap();
    assert_eq!(bare.json::<Value>().await.unwrap()["id"], first["id"]);
    problem(submit(form().text("strength", "0.9")).send().await.unwrap(), 422, "idempotency_mismatch").await;
    for bad in ["", &"k".repeat(256)] {
        let answer = door.request(Method::POST, "/v1/stylize").header("idempotency-key", bad).multipart(form());
        problem(answer.send().await.unwrap(), 422, "invalid_field").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_first_request_is_still_arriving_is_taken() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let mut slow = door.raw().await;
    slow.say(
        "POST /v1/stylize?style=great-wave HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n\
              Idempotency-Key: k2\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n",
    )
    .await;
    // The daemon asks for the body once the key is reserved.
    slow.until("100 Continue").await;
    let again = door.request(Method::POST, "/v1/stylize").header("idempotency-key", "k2").multipart(form());
    problem(again.send().await.unwrap(), 409, "idempotency_in_progress").await;
}
