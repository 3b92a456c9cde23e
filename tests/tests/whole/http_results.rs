//! Results as files.

use reqwest::Method;
use reqwest::header::{IF_NONE_MATCH, IF_RANGE, RANGE};
use tests::{Act, Door, House, picture, problem, puppet};

/// A house with one finished job, and the path of its result.
async fn finished() -> (House, Door, String) {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    puppet.act(Act::Finish);
    let job = house.submit_one().await.id;
    house.finished(job).await;
    (house, door, format!("/v1/jobs/{job}/result"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_comes_whole_named_and_only_when_it_changed() {
    let (_house, door, path) = finished().await;
    let whole = door.get(&path).await;
    assert_eq!(whole.status(), 200);
    let headers = whole.headers().clone();
    assert_eq!(
        (&headers["content-type"], &headers["accept-ranges"]),
        (&"image/png".parse().unwrap(), &"bytes".parse().unwrap())
    );
    let name = headers["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("inline; filename=\"atelier-") && name.ends_with(".png\""), "{name}");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let bytes = whole.bytes().await.unwrap();
    assert_eq!(headers["content-length"].to_str().unwrap(), bytes.len().to_string());
    let etag = &headers["etag"];
    for known in [etag.to_str().unwrap().to_owned(), format!("\"x\", W/{}", etag.to_str().unwrap()), "*".to_owned()] {
        let again = door.request(Method::GET, &path).header(IF_NONE_MATCH, known).send().await.unwrap();
        assert_eq!((again.status().as_u16(), &again.headers()["etag"]), (304, etag));
    }
    let head = door.request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!((head.status().as_u16(), &head.headers()["content-length"]), (200, &headers["content-length"]));
    assert!(head.bytes().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_result_is_that_part() {
    let (_house, door, path) = finished().await;
    let whole = door.get(&path).await;
    let etag = whole.headers()["etag"].clone();
    let whole = whole.bytes().await.unwrap();
    let length = whole.len();
    let head = door.request(Method::HEAD, &path).header(RANGE, "bytes=0-3").send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-length"]),
        (200, &length.to_string().parse().unwrap())
    );
    let part = |range: &str| door.request(Method::GET, &path).header(RANGE, range).send();
    for (range, from, to) in [("bytes=0-3", 0, 4), ("bytes=5-", 5, length), ("bytes=-7", length - 7, length)] {
        let answer = part(range).await.unwrap();
        assert_eq!(answer.status(), 206, "{range}");
        assert_eq!(answer.headers()["content-range"], format!("bytes {from}-{}/{length}", to - 1));
        assert_eq!(answer.bytes().await.unwrap(), whole[from..to]);
    }
    let outside = part(&format!("bytes={length}-")).await.unwrap();
    assert_eq!(outside.headers()["content-range"], format!("bytes */{length}"));
    problem(outside, 416, "range_not_satisfiable").await;
    for (condition, status) in [(etag.to_str().unwrap(), 206), ("\"other\"", 200)] {
        let answer = door.request(Method::GET, &path).header(RANGE, "bytes=0-0").header(IF_RANGE, condition);
        assert_eq!(answer.send().await.unwrap().status(), status, "{condition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_result_before_the_end_and_none_for_a_failed_job() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let job = house.submit_one().await.id;
    puppet.begun();
    let path = format!("/v1/jobs/{job}/result");
    problem(door.get(&path).await, 409, "result_not_ready").await;
    puppet.act(Act::NotFinite);
    house.finished(job).await;
    assert!(problem(door.get(&path).await, 409, "wrong_state").await.contains("not finite"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_streams_whole() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    puppet.act(Act::Finish);
    let request = door.request(Method::POST, "/v1/stylize?style=great-wave").header("prefer", "wait=19");
    let answer = request.header("content-type", "image/png").body(picture(1500, 900)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(answer.bytes().await.unwrap().len(), length);
}
