//! Who is let in, over the wire.

use std::path::PathBuf;

use daemon::access::{Role, tokens};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use serde_json::{Value, json};
use tests::{Act, Door, House, problem, puppet, tiny_training};

/// A house where tokens are in force, with one of each role.
struct Guarded {
    house: House,
    tokens: [String; 3],
    file: PathBuf,
    _folder: tempfile::TempDir,
}

fn guarded() -> (Guarded, tests::Puppet) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let roles = [("vera", Role::View), ("sam", Role::Submit), ("ada", Role::Admin)];
    let tokens = roles.map(|(name, role)| tokens::add(&file, name, role).unwrap());
    let (engine, puppet) = puppet("a");
    let house = House::open_with(vec![engine], |config| config.auth.tokens_file = Some(file.clone()));
    (Guarded { house, tokens, file, _folder: folder }, puppet)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_what_it_may_and_no_more() {
    let (guarded, puppet) = guarded();
    let door = Door::open(&guarded.house).await;
    puppet.act(Act::Finish);
    let job = guarded.house.submit_one().await.id;
    guarded.house.finished(job).await;
    let job = format!("/v1/jobs/{job}");
    let (purge, events) = (format!("{job}?purge=true"), format!("{job}/events"));
    // The status for nobody, view, submit, admin; the admin's is that of a request which went through.
    let cases = [
        (Method::GET, "/v1/jobs", [401, 200, 200, 200]),
        (Method::GET, events.as_str(), [401, 200, 200, 200]),
        (Method::GET, "/v1/mail", [401, 200, 200, 200]),
        (Method::GET, "/metrics", [401, 200, 200, 200]),
        (Method::GET, "/openapi.json", [401, 200, 200, 200]),
        (Method::GET, "/help", [401, 200, 200, 200]),
        (Method::GET, "/session", [401, 200, 200, 200]),
        (Method::GET, "/nowhere", [401, 404, 404, 404]),
        (Method::GET, "/", [200, 200, 200, 200]),
        (Method::GET, "/livez", [200, 200, 200, 200]),
        (Method::GET, "/readyz", [200, 200, 200, 200]),
        (Method::POST, "/v1/stylize?style=great-wave", [401, 403, 422, 422]),
        (Method::POST, "/transform", [401, 403, 400, 400]),
        (Method::DELETE, job.as_str(), [401, 403, 200, 200]),
        (Method::DELETE, "/v1/styles/no-such-style", [401, 403, 403, 404]),
        (Method::PUT, "/v1/styles/mine", [401, 403, 403, 422]),
        (Method::DELETE, purge.as_str(), [401, 403, 403, 200]),
    ];
    for (method, path, statuses) in cases {
        let callers = [None, Some(&guarded.tokens[0]), Some(&guarded.tokens[1]), Some(&guarded.tokens[2])];
        for (token, status) in callers.into_iter().zip(statuses) {
            let mut request = door.request(method.clone(), path);
            if let Some(token) = token {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{method} {path} as {token:?}");
            if status == 401 {
                assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_learns_a_style_in_the_place_of_another() {
    let (guarded, _puppet) = guarded();
    let door = Door::open(&guarded.house).await;
    let train = |token: &str, replace: &'static str| {
        let form = tiny_training("great-wave", 1).text("replace", replace);
        door.request(Method::POST, "/v1/train").header(AUTHORIZATION, format!("Bearer {token}")).multipart(form).send()
    };
    let [_, submit, admin] = &guarded.tokens;
    problem(train(submit, "true").await.unwrap(), 403, "forbidden").await;
    problem(train(submit, "false").await.unwrap(), 409, "style_exists").await;
    assert_eq!(train(admin, "true").await.unwrap().status(), 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_signs_in_once_and_out_again() {
    let (guarded, _puppet) = guarded();
    let door = Door::open(&guarded.house).await;
    let sign_in = |token: &str| door.request(Method::POST, "/session").json(&json!({ "token": token })).send();
    problem(sign_in("guess").await.unwrap(), 401, "unauthenticated").await;
    problem(door.request(Method::POST, "/session").json(&json!({})).send().await.unwrap(), 422, "missing_field").await;
    let answer = sign_in(&guarded.tokens[0]).await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "name": "vera", "role": "view" }));
    let cookie = cookie.split(';').next().unwrap();
    let with_cookie = |method: Method, path: &str| door.request(method, path).header(COOKIE, cookie).send();
    assert_eq!(with_cookie(Method::GET, "/v1/jobs").await.unwrap().status(), 200);
    assert_eq!(with_cookie(Method::DELETE, "/session").await.unwrap().status(), 204);
    problem(with_cookie(Method::GET, "/v1/jobs").await.unwrap(), 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_tokens_are_in_force_nobody_signs_in() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    assert_eq!(door.json("/session").await["role"], "admin");
    let sign_in = door.request(Method::POST, "/session").json(&json!({ "token": "x" })).send().await.unwrap();
    problem(sign_in, 409, "wrong_state").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_token_ends_without_a_restart() {
    let (guarded, _puppet) = guarded();
    let door = Door::open(&guarded.house).await;
    let get = || door.request(Method::GET, "/v1/jobs").header(AUTHORIZATION, format!("Bearer {}", guarded.tokens[0]));
    assert_eq!(get().send().await.unwrap().status(), 200);
    tokens::remove(&guarded.file, "vera").unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while get().send().await.unwrap().status() == 200 {
        assert!(tokio::time::Instant::now() < deadline, "the token still works");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailed_link_opens_the_result_without_a_token() {
    let (guarded, puppet) = guarded();
    let door = Door::open(&guarded.house).await;
    puppet.act(Act::Finish);
    let job = guarded.house.submit_one().await.id;
    guarded.house.finished(job).await;
    let hour = std::time::Duration::from_secs(3600);
    let now = std::time::SystemTime::now();
    let link = door.signer.link(job, (now + hour).try_into().unwrap());
    // As a mail program on the web makes a browser follow it.
    let follow = |link: &str| {
        let request = door.request(Method::GET, link).header("sec-fetch-site", "cross-site");
        request.header("sec-fetch-mode", "navigate").send()
    };
    assert_eq!(follow(&link).await.unwrap().status(), 200);
    problem(follow(&door.signer.link(job, (now - hour).try_into().unwrap())).await.unwrap(), 410, "result_gone").await;
    problem(follow(&link.replace("cap=", "cap=1")).await.unwrap(), 401, "unauthenticated").await;
    problem(follow(&format!("/v1/jobs/{job}/result")).await.unwrap(), 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_hosts_and_pages_are_refused() {
    let house = House::open_with(vec![puppet("a").0], |config| {
        config.server.allowed_hosts = vec!["nas.lan".to_owned()];
    });
    let door = Door::open(&house).await;
    for (host, status) in [("evil.example", 403), ("nas.lan:9", 200), ("localhost", 200), ("[::1]:1", 200)] {
        let answer = door.request(Method::GET, "/v1/styles").header(HOST, host).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{host}");
    }
    let foreign = door.request(Method::GET, "/").header(HOST, "evil.example").send().await.unwrap();
    assert!(problem(foreign, 403, "foreign_host").await.contains("server.allowed_hosts"));
    for origin in ["http://evil.example", "null", "http://localhost:1"] {
        let answer = door.request(Method::POST, "/v1/stylize").header(ORIGIN, origin).send().await.unwrap();
        problem(answer, 403, "foreign_origin").await;
    }
    let own = door.request(Method::GET, "/v1/styles").header(ORIGIN, format!("http://{}", door.address));
    assert_eq!(own.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let house = House::open_with(vec![puppet("a").0], |config| config.limits.requests_per_minute = Some(3));
    let door = Door::open(&house).await;
    for _ in 0..3 {
        assert_eq!(door.get("/v1/styles").await.status(), 200);
    }
    let answer = door.get("/v1/styles").await;
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    problem(answer, 429, "rate_limited").await;
    assert_eq!(door.get("/livez").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_rules_hold_for_grpc() {
    use protocol::wire::ListStylesRequest;
    use protocol::wire::atelier_client::AtelierClient;
    let (guarded, _puppet) = guarded();
    let door = Door::open(&guarded.house).await;
    let mut client = AtelierClient::connect(format!("http://{}", door.address)).await.unwrap();
    let refused = client.list_styles(ListStylesRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    assert!(refused.message().contains("token"), "{refused}");
    let mut request = tonic::Request::new(ListStylesRequest {});
    let token = format!("Bearer {}", guarded.tokens[0]).parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    assert!(!client.list_styles(request).await.unwrap().into_inner().styles.is_empty());
    // A path that no service has.
    let unknown = door.client.post(format!("http://{}/no.Such/Thing", door.address));
    let unknown = unknown.header("content-type", "application/grpc").bearer_auth(&guarded.tokens[0]);
    let answer = unknown.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"12".parse().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unix_socket_serves_the_same() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atelier.sock");
    let house = House::open_with(vec![puppet("a").0], |config| config.server.unix_socket = Some(path.clone()));
    let door = Door::open(&house).await;
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /session HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"name\":\"unix\",\"role\":\"admin\"}"),
        "{answer}"
    );
    // The page behind a proxy that hands its name on.
    for (origin, status) in [("http://nas.lan", "404"), ("http://evil.example", "403")] {
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        let head = "POST /v1/jobs/00000000/pause HTTP/1.1\r\nHost: nas.lan\r\nConnection: close\r\nOrigin:";
        stream.write_all(format!("{head} {origin}\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
    door.close().await;
    assert!(!path.exists(), "the socket goes with the daemon");
}
