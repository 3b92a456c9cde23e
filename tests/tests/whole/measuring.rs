//! Measuring how near a style comes, over HTTP and from the command line.

use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tests::{Door, House, Served, admin, picture, problem};

use crate::cli::Desk;

fn file(bytes: Vec<u8>) -> Part {
    Part::bytes(bytes).file_name("a.png")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_style_is_measured_from_the_command_line_with_every_photo_named() {
    let desk = Desk::new(Served::open(Vec::new()).await);
    std::fs::write(desk.folder.path().join("art.png"), picture(64, 80)).unwrap();
    let photos = desk.folder.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    let none = desk.run("styles --measure great-wave --artwork art.png --photos photos").await;
    none.is(2);
    for (name, side) in [("b.png", 48), ("a.png", 40), ("notes.txt", 9)] {
        std::fs::write(photos.join(name), picture(side, 32)).unwrap();
    }
    let measured = desk.run("styles --measure great-wave --artwork art.png --photos photos --json").await.is(0).json();
    let names: Vec<_> = measured["photos"].as_array().unwrap().iter().map(|photo| &photo["photo"]).collect();
    assert_eq!(names, ["a.png", "b.png"]);
    for term in ["style", "content"] {
        let of = |place: &Value| place[term].as_f64().unwrap();
        let (a, b) = (of(&measured["photos"][0]), of(&measured["photos"][1]));
        assert!(a > 0.0 && b > 0.0 && (of(&measured["mean"]) - f64::midpoint(a, b)).abs() < 1e-9, "{measured}");
    }
    std::fs::write(photos.join("c.jpg"), "no picture").unwrap();
    let refused = desk.run("styles --measure great-wave --artwork art.png --photos photos --json").await.is(1).json();
    assert!(refused["error"]["detail"].as_str().unwrap().starts_with("photo 3: "), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_style_is_measured_over_http_one_at_a_time() {
    let house = House::open(Vec::new());
    let door = Door::open(&house).await;
    let path = "/v1/styles/great-wave/measure";
    let artwork = || Form::new().part("artwork", file(picture(64, 64)));
    let measured = door.form(path, artwork().part("image", file(picture(40, 32)))).await;
    assert_eq!(measured.status(), 200);
    let measured: Value = measured.json().await.unwrap();
    assert_eq!((&measured["style"], &measured["photos"][0]), (&"great-wave".into(), &measured["mean"]));
    problem(door.form(path, artwork()).await, 422, "missing_field").await;
    problem(door.form(path, Form::new().part("image", file(picture(4, 3)))).await, 422, "missing_field").await;
    problem(door.form("/v1/styles/nowhere/measure", artwork()).await, 422, "unknown_style").await;
    let thin =
        problem(door.form(path, artwork().part("image", file(picture(1450, 50)))).await, 422, "invalid_picture").await;
    assert!(thin.contains("long and thin"), "{thin}");
    let flat = Form::new().part("artwork", file(picture(9, 9)));
    problem(door.form(path, flat).await, 422, "artwork_unusable").await;
    let receiving = house.intake().receive_measured(&admin()).unwrap();
    let draft = receiving.write(picture(64, 64).into()).await.unwrap().finish().await.unwrap();
    let _held = house.intake().measure(&admin(), "great-wave".parse().unwrap(), draft).await.unwrap();
    problem(door.form(path, artwork()).await, 429, "rate_limited").await;
}
