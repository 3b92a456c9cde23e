//! Jobs from outside: listing, looking, steering, and paths that lead nowhere.

use protocol::JobId;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Act, Door, House, problem, puppet};

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_newest_first_page_by_page() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(house.submit_one().await.id.to_string());
    }
    ids.reverse();
    let first = door.json("/v1/jobs?limit=2&kind=stylize&style=great-wave").await;
    let cursor = first["next"].as_str().unwrap();
    let second = door.json(&format!("/v1/jobs?limit=2&after={cursor}")).await;
    let listed = [&first, &second].into_iter().flat_map(|page| page["jobs"].as_array().unwrap());
    assert_eq!(listed.map(|job| job["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    assert_eq!(second["next"], Value::Null);
    assert_eq!(door.json("/v1/jobs?state=failed").await, json!({ "jobs": [], "next": null }));
    for bad in ["state=odd", "kind=odd", "limit=0", "limit=x", "after=x", "style=..", "colour=red", "limit=1&limit=1"] {
        problem(door.get(&format!("/v1/jobs?{bad}")).await, 422, "invalid_field").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_found_by_its_id_or_the_end_of_it() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let job = house.submit_one().await;
    for name in [job.id.to_string(), job.id.short().to_string()] {
        assert_eq!(door.json(&format!("/v1/jobs/{name}")).await["id"], job.id.to_string());
    }
    let none = JobId::new().to_string();
    for name in [none.as_str(), "00000000", "x", "..%2f..%2fetc", "%ff", "%00"] {
        problem(door.get(&format!("/v1/jobs/{name}")).await, 404, "job_not_found").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_steered_and_its_state_may_forbid_it() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let path = format!("/v1/jobs/{}", house.submit_one().await.id);
    puppet.begun();
    let waiting = format!("/v1/jobs/{}", house.submit_one().await.id);
    let state = |answer: reqwest::Response| async move {
        assert_eq!(answer.status(), 200);
        answer.json::<Value>().await.unwrap()["state"].as_str().unwrap().to_owned()
    };
    problem(door.post(&format!("{waiting}/resume")).await, 409, "wrong_state").await;
    problem(door.post(&format!("{waiting}/retry")).await, 409, "wrong_state").await;
    assert_eq!(state(door.post(&format!("{waiting}/pause")).await).await, "paused");
    assert_eq!(state(door.post(&format!("{waiting}/resume")).await).await, "queued");
    for _ in 0..2 {
        let cancelled = door.request(Method::DELETE, &waiting).send().await.unwrap();
        assert_eq!(state(cancelled).await, "cancelled");
    }
    assert_eq!(state(door.post(&format!("{waiting}/retry")).await).await, "queued");
    let purge = door.request(Method::DELETE, &format!("{waiting}?purge=true")).send().await.unwrap();
    problem(purge, 409, "wrong_state").await;
    puppet.act(Act::Finish);
    let id = path.rsplit('/').next().unwrap().parse().unwrap();
    house.finished(id).await;
    problem(door.post(&format!("{path}/pause")).await, 409, "wrong_state").await;
    let purged = door.request(Method::DELETE, &format!("{path}?purge=true")).send().await.unwrap();
    assert_eq!(purged.status(), 200);
    problem(door.get(&path).await, 404, "job_not_found").await;
    problem(door.request(Method::DELETE, &format!("{waiting}?purge=odd")).send().await.unwrap(), 422, "invalid_field")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_and_note_can_be_changed() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    house.submit_one().await;
    puppet.begun();
    let path = format!("/v1/jobs/{}", house.submit_one().await.id);
    let patch = |change: Value| door.request(Method::PATCH, &path).json(&change).send();
    let job: Value = patch(json!({ "priority": "batch", "note": "later" })).await.unwrap().json().await.unwrap();
    assert_eq!((&job["priority"], &job["note"]), (&"batch".into(), &"later".into()));
    let job: Value = patch(json!({ "note": null })).await.unwrap().json().await.unwrap();
    assert_eq!((&job["priority"], &job["note"]), (&"batch".into(), &Value::Null));
    problem(patch(json!({})).await.unwrap(), 422, "missing_field").await;
    for wrong in [json!({ "priority": "urgent" }), json!({ "priority": 1 }), json!({ "note": 1 }), json!({ "x": 1 })] {
        problem(patch(wrong).await.unwrap(), 422, "invalid_field").await;
    }
    // What is refused changes nothing, not even in part.
    problem(patch(json!({ "priority": "interactive", "note": "a\u{7}b" })).await.unwrap(), 422, "invalid_field").await;
    assert_eq!(door.json(&path).await["priority"], "batch");
    problem(patch(json!([])).await.unwrap(), 400, "malformed_request").await;
    let text = door.request(Method::PATCH, &path).body("{}").send().await.unwrap();
    problem(text, 415, "unsupported_media_type").await;
    let long = door.request(Method::PATCH, &path).json(&json!({ "note": "x".repeat(70_000) })).send().await.unwrap();
    problem(long, 413, "upload_too_large").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_path_or_method_says_so() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    for path in ["/nowhere", "/v1", "/v1/jobs/", "/v1/stylize/", "/assets/nothing.js", "/assets/%ff", "//", "/v1/draw"]
    {
        problem(door.get(path).await, 404, "route_not_found").await;
    }
    let cases = [
        (Method::DELETE, "/v1/jobs", "GET,HEAD"),
        (Method::GET, "/v1/stylize", "POST"),
        (Method::PUT, "/livez", "GET,HEAD"),
        (Method::OPTIONS, "/v1/styles", "GET,HEAD"),
        (Method::from_bytes(b"BREW").unwrap(), "/v1/jobs", "GET,HEAD"),
    ];
    for (method, path, allow) in cases {
        let answer = door.request(method, path).send().await.unwrap();
        assert_eq!(answer.headers()["allow"], allow, "{path}");
        problem(answer, 405, "method_not_allowed").await;
    }
}
