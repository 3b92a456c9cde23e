//! Bare sockets that behave badly: each gets a clear answer or is hung up on, and the daemon goes on.

use std::time::Duration;

use daemon::http::Patience;
use reqwest::Method;
use serde_json::Value;
use tests::{Act, Door, House, picture, puppet};
use tokio::io::AsyncWriteExt;

/// So little patience that a test needs none.
fn hurry() -> Patience {
    let short = Duration::from_millis(300);
    Patience { head: short, idle: short, body: short, reader: short, ..Patience::default() }
}

async fn hurried() -> (House, Door) {
    let house = House::open_with(vec![puppet("a").0], |config| config.limits.upload_bytes = 100_000);
    let door = Door::open_with(&house, hurry()).await;
    (house, door)
}

/// Says something and checks the status and the code of the answer, after which the daemon hangs up. Returns the
/// answer's detail.
async fn refused(door: &Door, said: impl AsRef<[u8]>, status: u16, code: &str) -> String {
    let mut raw = door.raw().await;
    raw.say(said).await;
    let answer = raw.rest().await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let problem: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(problem["code"], code, "{answer}");
    assert_eq!(door.get("/livez").await.status(), 200);
    problem["detail"].as_str().unwrap().to_owned()
}

const POST: &str = "POST /v1/stylize?style=great-wave HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_length_over_the_limit_is_refused_before_anything_is_read() {
    let (_house, door) = hurried().await;
    refused(&door, format!("{POST}Content-Length: 10000000000\r\n\r\n"), 413, "upload_too_large").await;
    // Also for a client that would be refused for something else.
    let foreign = POST.replace("localhost", "evil.example");
    refused(&door, format!("{foreign}Content-Length: 10000000000\r\n\r\n"), 413, "upload_too_large").await;
    // It must not be told to go on.
    let mut raw = door.raw().await;
    raw.say(format!("{POST}Expect: 100-continue\r\nContent-Length: 10000000000\r\n\r\n")).await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 413 "));
    // Nor where the body claims to be a stream of messages.
    let mut raw = door.raw().await;
    let disguised = POST.replace("image/png", "application/grpc");
    raw.say(format!("{disguised}Expect: 100-continue\r\nContent-Length: 10000000000\r\n\r\n")).await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("atelier-code: upload_too_large\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_on_regardless_still_sees_the_answer() {
    let (_house, door) = hurried().await;
    let mut raw = door.raw().await;
    raw.say(format!("{POST}Content-Length: 8000000\r\n\r\n")).await;
    // Many clients give up at the first write that fails, without looking for an answer.
    raw.stream.write_all(&vec![0; 8_000_000]).await.expect("the connection is not reset");
    assert!(raw.rest().await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_body_was_read_is_the_connections_last() {
    let (_house, door) = hurried().await;
    let mut raw = door.raw().await;
    raw.say("PUT /v1/styles/UPPER HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n").await;
    assert!(raw.until("\r\n\r\n").await.contains("connection: close\r\n"));
    // A body that has been read leaves the connection as it is.
    let mut raw = door.raw().await;
    let change = "PATCH /v1/jobs/00000000 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    raw.say(format!("{change}Content-Length: 16\r\n\r\n{{\"note\":\"later\"")).await;
    raw.say("}").await;
    assert!(!raw.until("\r\n\r\n").await.contains("connection: close"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_length_is_counted() {
    let (_house, door) = hurried().await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let said = format!("{POST}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n");
    refused(&door, said, 413, "upload_too_large").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_half_way_is_timed_out() {
    let (house, door) = hurried().await;
    refused(&door, format!("{POST}Content-Length: 1000\r\n\r\nhalf"), 408, "request_timeout").await;
    let form = POST.replace("image/png", "multipart/form-data; boundary=b").replace("?style=great-wave", "");
    let part = "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\nhalf";
    refused(&door, format!("{form}Content-Length: 1000\r\n\r\n{part}"), 408, "request_timeout").await;
    let seed = "POST /transform HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"email\":";
    let mut raw = door.raw().await;
    raw.say(seed).await;
    assert!(raw.rest().await.contains("\"status\":\"REQUEST TIMEOUT\""));
    let spool = house.config.data.dir.join("spool");
    let left = ["incoming", ""].map(|folder| std::fs::read_dir(spool.join(folder)).unwrap().count());
    assert_eq!(left, [0, 3], "what was half received is gone: there is the folder for it, and the journal's two files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_early_is_refused() {
    let (_house, door) = hurried().await;
    let mut raw = door.raw().await;
    raw.say(format!("{POST}Content-Length: 1000\r\n\r\nhalf")).await;
    raw.stream.shutdown().await.unwrap();
    let answer = raw.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let form = POST.replace("image/png", "multipart/form-data; boundary=b").replace("?style=great-wave", "");
    let cut = "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\nhalf";
    let said = format!("{form}Content-Length: {}\r\nConnection: close\r\n\r\n{cut}", cut.len());
    refused(&door, said, 400, "malformed_request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_an_end_to_its_heads_is_refused() {
    let (_house, door) = hurried().await;
    let form = POST.replace("image/png", "multipart/form-data; boundary=b").replace("?style=great-wave", "");
    let head = format!("--b\r\nContent-Disposition: form-data; name=\"{}", "x".repeat(90_000));
    let said = format!("{form}Content-Length: {}\r\nConnection: close\r\n\r\n{head}", head.len());
    let detail = refused(&door, said, 400, "malformed_request").await;
    assert!(detail.contains("too long"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_too_slowly_is_hung_up_on() {
    let (_house, door) = hurried().await;
    for said in ["", "G", "GET / HTTP/1.1\r\nHost: local", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut raw = door.raw().await;
        raw.say(said).await;
        raw.rest().await;
    }
    // Also after a request that was served.
    let mut raw = door.raw().await;
    raw.say("GET /session HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(raw.rest().await.contains("\"role\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_answered_or_hung_up_on() {
    let (_house, door) = hurried().await;
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(200));
    let smuggled = "POST /session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx";
    for said in [long.as_str(), many.as_str(), smuggled, "\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\0\x01"] {
        let mut raw = door.raw().await;
        raw.say(said).await;
        let answer = raw.rest().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(door.get("/livez").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_odd_requests_are_understood() {
    let (_house, door) = hurried().await;
    let cases = [
        ("GET /v1/styles HTTP/1.0\r\n\r\n", "200"),
        ("GET /v1/styles HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        ("GET http://localhost/v1/styles HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "200"),
        ("GET http://evil.example/v1/styles HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "403"),
        ("GET /v1/styles HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n", "400"),
    ];
    for (said, status) in cases {
        let mut raw = door.raw().await;
        raw.say(said).await;
        let answer = raw.rest().await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{said}\n{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_waits_at_the_door_and_is_served_when_others_leave() {
    let house = House::open_with(vec![puppet("a").0], |config| config.limits.connections = 4);
    let door = Door::open_with(&house, hurry()).await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(door.raw().await);
    }
    // Those inside say nothing and are shown out; the next ones come in.
    assert_eq!(door.get("/livez").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_is_hung_up_on() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open_with(&house, hurry()).await;
    strings.act(Act::Finish);
    let request = door.request(Method::POST, "/v1/stylize?style=great-wave&format=png").header("prefer", "wait=19");
    let noise = request.header("content-type", "image/png").body(picture(2000, 2000)).send().await.unwrap();
    assert_eq!(noise.status(), 200);
    let job = noise.headers()["atelier-job"].to_str().unwrap().to_owned();
    drop(noise);
    let mut raw = door.raw().await;
    // All at once, so that the daemon has read all it will be told: then nothing but its own decision cuts the connection.
    raw.say(format!("GET /v1/jobs/{job}/result HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(20)).await;
    let closed = tokio::time::timeout(Duration::from_secs(90), raw.stream.ready(tokio::io::Interest::ERROR)).await;
    assert!(closed.is_ok(), "the daemon still waits for its reader");
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_too() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let answer = client.get(format!("http://{}/v1/styles", door.address)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
    let large = client.put(format!("http://{}/v1/styles/mine", door.address)).body(vec![0; 40 << 20]).send().await;
    assert_eq!(large.unwrap().status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_takes_a_second_at_most_whoever_stays() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let mut idle = door.raw().await;
    idle.say("GET /session HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    idle.until("\"role\"").await;
    let mut uploading = door.raw().await;
    uploading.say(format!("{POST}Content-Length: 1000\r\n\r\nhalf")).await;
    let mut silent = door.raw().await;
    silent.say("GET ").await;
    let began = std::time::Instant::now();
    door.close().await;
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
}
