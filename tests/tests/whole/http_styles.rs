//! Styles from outside.

use reqwest::Method;
use reqwest::header::IF_NONE_MATCH;
use serde_json::Value;
use tests::{Door, House, problem, puppet};

#[tokio::test(flavor = "multi_thread")]
async fn styles_are_listed_shown_and_previewed() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let styles = door.json("/v1/styles").await;
    let names: Vec<_> =
        styles["styles"].as_array().unwrap().iter().map(|style| style["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"great-wave") && names.is_sorted(), "{names:?}");
    assert_eq!(door.json("/v1/styles/great-wave").await["state"], "ready");
    let preview = door.get("/v1/styles/great-wave/preview").await;
    assert_eq!((preview.status().as_u16(), &preview.headers()["content-type"]), (200, &"image/jpeg".parse().unwrap()));
    let etag = preview.headers()["etag"].clone();
    assert_eq!(preview.bytes().await.unwrap()[..2], [0xff, 0xd8]);
    let again = door.request(Method::GET, "/v1/styles/great-wave/preview").header(IF_NONE_MATCH, etag);
    assert_eq!(again.send().await.unwrap().status(), 304);
    for none in ["no-such-style", "..%2fx", "UPPER", "%ff"] {
        problem(door.get(&format!("/v1/styles/{none}")).await, 404, "style_not_found").await;
        problem(door.get(&format!("/v1/styles/{none}/preview")).await, 404, "style_not_found").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_style_is_brought_in_replaced_and_deleted() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let package = std::fs::read(house.config.models.dir.join("great-wave/weights.safetensors")).unwrap();
    let put = |name: &str, bytes: Vec<u8>| door.request(Method::PUT, &format!("/v1/styles/{name}")).body(bytes).send();
    for refused in [Vec::new(), b"not a package".to_vec(), package[..package.len() / 2].to_vec()] {
        problem(put("mine", refused).await.unwrap(), 422, "invalid_package").await;
    }
    problem(door.get("/v1/styles/mine").await, 404, "style_not_found").await;
    for name in ["UPPER", ".hidden", "..%2fx"] {
        problem(put(name, package.clone()).await.unwrap(), 422, "invalid_field").await;
    }
    let form = door.request(Method::PUT, "/v1/styles/mine").multipart(reqwest::multipart::Form::new().text("a", "b"));
    problem(form.send().await.unwrap(), 415, "unsupported_media_type").await;
    problem(door.request(Method::DELETE, "/v1/styles/mine").send().await.unwrap(), 404, "style_not_found").await;
    let gone = door.request(Method::DELETE, "/v1/styles/great-wave").send().await.unwrap();
    assert_eq!((gone.status().as_u16(), gone.text().await.unwrap()), (204, String::new()));
    problem(door.get("/v1/styles/great-wave").await, 404, "style_not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_style_is_created_and_an_old_one_replaced() {
    let house = House::open(vec![puppet("a").0]);
    let door = Door::open(&house).await;
    let package = tar(&house.config.models.dir.join("great-wave"));
    for (status, location) in [(201, Some("/v1/styles/mine")), (200, None)] {
        let answer = door.request(Method::PUT, "/v1/styles/mine").body(package.clone()).send().await.unwrap();
        let (got, headers) = (answer.status(), answer.headers().clone());
        let style: Value = answer.json().await.unwrap();
        assert_eq!((got.as_u16(), &style["state"]), (status, &"ready".into()), "{style}");
        assert_eq!(headers.get("location").map(|location| location.to_str().unwrap()), location);
    }
    assert_eq!(door.json("/v1/styles/mine").await["name"], "mine");
}

/// Packs a folder's files as a tar archive (POSIX ustar).
fn tar(folder: &std::path::Path) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let content = std::fs::read(entry.path()).unwrap();
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        put(0, entry.file_name().as_encoded_bytes());
        put(100, b"0000644\0");
        put(124, format!("{:011o}\0", content.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, b"0");
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(&content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend_from_slice(&[0; 1024]);
    archive
}
