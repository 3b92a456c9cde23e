//! How the daemon does, from outside, and what every answer has in common.

use std::io::{Read, Write};

use reqwest::Method;
use reqwest::header::IF_NONE_MATCH;
use tests::{Door, House, problem, puppet};

#[tokio::test(flavor = "multi_thread")]
async fn probes_devices_mail_and_metrics_answer() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    house.submit_one().await;
    puppet.begun();
    for path in ["/livez", "/healthz", "/readyz"] {
        assert_eq!(door.get(path).await.status(), 200, "{path}");
    }
    let devices = door.json("/v1/devices").await;
    assert_eq!((&devices["devices"][0]["name"], &devices["devices"][0]["busy"]), (&"a".into(), &true.into()));
    assert_eq!(door.json("/v1/mail").await["mail"], serde_json::json!([]));
    let metrics = door.get("/metrics").await.text().await.unwrap();
    for line in [
        "atelier_jobs{state=\"running\"} 1",
        "atelier_jobs{state=\"failed\"} 0",
        "atelier_queue_length 0",
        "atelier_device_busy{device=\"a\"} 1",
        "atelier_ready 1",
        "atelier_http_requests_total{method=\"GET\",route=\"/v1/devices\",status=\"200\"} 1",
        "atelier_http_request_duration_seconds_count{route=\"/livez\"} 1",
    ] {
        assert!(metrics.lines().any(|got| got == line), "{line} is not in\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_drains_lives_but_is_not_ready() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    house.daemon().drain();
    assert_eq!(door.get("/livez").await.status(), 200);
    problem(door.get("/readyz").await, 503, "not_ready").await;
    let submit = door.request(Method::POST, "/v1/stylize?style=great-wave").body("x").send().await.unwrap();
    assert!(submit.headers().contains_key("retry-after"));
    problem(submit, 503, "draining").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id_when_it_is_sane() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let with_id = |id: &str| door.request(Method::GET, "/nowhere").header("x-request-id", id).send();
    let answer = with_id("trace-1.a_B").await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "trace-1.a_B");
    problem(answer, 404, "route_not_found").await;
    for odd in ["", "a b", "{}", &"x".repeat(65)] {
        let answer = with_id(odd).await.unwrap();
        assert_eq!(answer.headers()["x-request-id"].len(), 32, "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_safe_in_a_browser_and_the_page_loads_only_its_own() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    for path in ["/", "/v1/styles", "/nowhere", "/v1/styles/great-wave/preview"] {
        let answer = door.get(path).await;
        let headers = answer.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/index", "text/html; charset=utf-8"),
        ("/assets/style.css", "text/css; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
    ] {
        let answer = door.get(path).await;
        assert_eq!(answer.headers()["content-type"], kind, "{path}");
        let etag = answer.headers()["etag"].clone();
        // What a proxy that compresses makes of it names the same.
        for known in [etag.to_str().unwrap().to_owned(), format!("\"other\", W/{}", etag.to_str().unwrap())] {
            let again = door.request(Method::GET, path).header(IF_NONE_MATCH, known).send().await.unwrap();
            assert_eq!(again.status(), 304, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let document = door.json("/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/v1/stylize"]["post"]["requestBody"]["content"]["multipart/form-data"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn health_is_answered_while_everything_else_is_kept_busy() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let (begin, begun) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    // The only thread for requests does something else until it is told.
    let busy = tokio::spawn(async move {
        begin.send(()).unwrap();
        ended.recv()
    });
    begun.recv().unwrap();
    for path in ["/livez", "/healthz", "/readyz"] {
        let mut stream = std::net::TcpStream::connect(door.address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    end.send(()).unwrap();
    busy.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_health_is_answered_that_and_nothing_else() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let mut raw = door.raw().await;
    // What comes after it would be served on the thread that health is answered on.
    raw.say("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/styles HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = raw.rest().await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("alive\n"), "{answer}");
}
