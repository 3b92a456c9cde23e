//! `POST /v1/train` and `POST /v1/paint`: what is accepted, what is refused and with which words.

use futures::future::join_all;
use models::picture::{OutputFormat, Picture, encode};
use protocol::JobRef;
use reqwest::Response;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tests::{Door, House, picture, problem};

fn file(bytes: Vec<u8>) -> Part {
    Part::bytes(bytes).file_name("picture.png")
}

/// An artwork with these fields.
fn training(artwork: Vec<u8>, fields: &[(&'static str, &str)]) -> Form {
    let form = Form::new().part("artwork", file(artwork));
    fields.iter().fold(form, |form, (name, value)| form.text(*name, (*value).to_owned()))
}

async fn train(door: &Door, fields: &[(&'static str, &str)]) -> Response {
    door.form("/v1/train", training(picture(300, 280), fields)).await
}

fn flat(width: u32, height: u32) -> Vec<u8> {
    let rgb = vec![90; (width * height * 3) as usize];
    encode(&Picture::new(width, height, rgb, None).unwrap(), OutputFormat::Png).unwrap()
}

/// A house without devices: what is accepted stays queued.
async fn quiet() -> (House, Door) {
    let house = House::open(Vec::new());
    let door = Door::open(&house).await;
    (house, door)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_default_of_a_training_is_in_the_answer() {
    let (house, door) = quiet().await;
    let answer = train(&door, &[("name", "my-wave"), ("note", "for the wall")]).await;
    assert_eq!(answer.status(), 202);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let job: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/v1/jobs/{}", job["id"].as_str().unwrap()));
    let brief = [&job["kind"], &job["state"], &job["style"], &job["priority"], &job["note"]];
    assert_eq!(brief, ["train", "queued", "my-wave", "batch", "for the wall"]);
    let expected = json!({
        "name": "my-wave", "dataset": "builtin", "replace": false, "recipe": "house", "steps": 400, "batch": 2,
        "size": 256, "art_size": 448, "seed": 1, "learning_rate": 0.002, "content_weight": 1.0, "style_weight": 3.0,
        "tv_weight": 0.0, "norm": "instance", "upsample": "nearest", "width": 16, "residuals": 3, "init": "auto",
        "early_stop": false, "checkpoint_every": 50, "preview_every": 20,
    });
    assert_eq!(job["parameters"], expected);
    assert_eq!(job["skipped_files"], json!([]));
    assert_eq!(door.json("/v1/jobs?kind=train&style=my-wave").await["jobs"][0]["id"], job["id"]);
    let id = job["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(house.intake().job(JobRef::Id(id)).await.unwrap().style().unwrap().as_str(), "my-wave");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_style_to_start_from_the_rate_is_higher() {
    let (_house, door) = quiet().await;
    for (name, extra, rate) in [
        ("a", ("init", "none"), 0.003),
        ("b", ("init", "great-wave"), 0.002),
        // No style at hand has such a network, so there is nothing to start from.
        ("c", ("width", "20"), 0.003),
        ("d", ("recipe", "johnson"), 0.001),
    ] {
        let answer = train(&door, &[("name", name), extra]).await;
        assert_eq!(answer.status(), 202);
        let job: Value = answer.json().await.unwrap();
        assert_eq!(job["parameters"]["learning_rate"], rate, "{extra:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_training_can_have_is_refused_in_a_sentence() {
    let (_house, door) = quiet().await;
    let check = async |fields: &[(&'static str, &str)], code: &str, words: &str| {
        let detail = problem(train(&door, fields).await, 422, code).await;
        assert!(detail.contains(words), "{fields:?}: {detail}");
    };
    check(&[], "missing_field", "\"name\" is missing").await;
    check(&[("name", "My Wave")], "invalid_field", "1 to 64 of a-z").await;
    check(&[("name", "../wave")], "invalid_field", "1 to 64 of a-z").await;
    let numbers = [
        ("steps", "0", "steps must be between 1 and 200000, not 0"),
        ("steps", "1000000000", "steps must be between 1 and 200000, not 1000000000"),
        ("steps", "10000000000", "\"steps\": expected a smaller whole number, not \"10000000000\""),
        ("steps", "-5", "\"steps\": expected a whole number, not \"-5\""),
        ("batch", "0", "batch must be between 1 and 16, not 0"),
        ("size", "63", "size must be between 64 and 1024, not 63"),
        ("size", "250", "size must be a multiple of 4"),
        ("learning_rate", "NaN", "learning_rate must be a number above 0 and at most 1, not NaN"),
        ("learning_rate", "0", "learning_rate must be a number above 0 and at most 1, not 0"),
        ("content_weight", "0", "content_weight must be a number above 0"),
        ("style_weight", "-1", "style_weight must be a number above 0"),
        ("content_weight", "NaN", "content_weight must be a number above 0 and at most 1e9, not NaN"),
        ("style_weight", "0", "style_weight must be a number above 0 and at most 1e9, not 0"),
        ("style_weight", "inf", "style_weight must be a number above 0"),
        ("tv_weight", "NaN", "tv_weight must be a number between 0 and 1e9, not NaN"),
        ("tv_weight", "-0.1", "tv_weight must be a number between 0 and 1e9"),
        ("norm", "layer", "\"norm\": expected one of \"instance\" \"batch\", not \"layer\""),
        ("init", "A", "\"init\": a style's name is"),
        ("replace", "perhaps", "\"replace\": expected true or false"),
        ("colour", "red", "\"colour\" is not a known field"),
    ];
    for (field, value, words) in numbers {
        check(&[("name", "my-wave"), (field, value)], "invalid_field", words).await;
    }
    check(&[("name", "my-wave"), ("dataset", "coco")], "unknown_dataset", "there is no dataset \"coco\"").await;
    check(&[("name", "my-wave"), ("init", "nowhere")], "unknown_style", "there is no style \"nowhere\"").await;
    let other = [("name", "my-wave"), ("init", "great-wave"), ("width", "20")];
    check(&other, "invalid_field", "has another network than the recipe trains").await;
    assert_eq!(door.json("/v1/jobs").await["jobs"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artwork_without_anything_to_learn_is_refused() {
    let (_house, door) = quiet().await;
    let check = async |artwork: Vec<u8>, status: u16, code: &str, words: &str| {
        let detail = problem(door.form("/v1/train", training(artwork, &[("name", "x")])).await, status, code).await;
        assert!(detail.contains(words), "{detail}");
    };
    check(flat(300, 300), 422, "artwork_unusable", "one colour only").await;
    check(picture(400, 255), 422, "artwork_unusable", "400×255 pixels, less than the 256").await;
    check(Vec::new(), 422, "invalid_picture", "empty").await;
    check(b"no picture at all".to_vec(), 415, "unsupported_media_type", "").await;
    let whole = picture(300, 300);
    check(whole[..whole.len() / 2].to_vec(), 422, "invalid_picture", "").await;
    let form = Form::new().text("name", "x");
    assert!(problem(door.form("/v1/train", form).await, 422, "missing_field").await.contains("artwork"));
    let twice = training(picture(300, 300), &[("name", "x")]).part("artwork", file(picture(300, 300)));
    assert!(problem(door.form("/v1/train", twice).await, 422, "invalid_field").await.contains("twice"));
    let bare = door.request(reqwest::Method::POST, "/v1/train?name=x").body(picture(300, 300)).send().await.unwrap();
    assert!(problem(bare, 415, "unsupported_media_type").await.contains("multipart/form-data"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_without_a_photo_to_learn_on_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["empty", "notes", "broken", "small", "mixed"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    let whole = picture(300, 200);
    std::fs::write(path("file"), "no folder").unwrap();
    std::fs::write(path("notes/notes.txt"), "not looked at").unwrap();
    std::fs::write(path("broken/empty.png"), "").unwrap();
    std::fs::write(path("broken/half.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(path("broken/text.jpg"), "no picture").unwrap();
    std::fs::create_dir(path("broken/folder.png")).unwrap();
    std::fs::write(path("small/thumbnail.png"), picture(300, 100)).unwrap();
    std::fs::write(path("mixed/a.jpg"), "no picture").unwrap();
    std::fs::write(path("mixed/b.png"), &whole).unwrap();
    let house = House::open_with(Vec::new(), |config| {
        let named =
            ["empty", "notes", "broken", "small", "mixed", "file", "gone"].map(|name| (name.to_owned(), path(name)));
        config.train.datasets.extend(named);
    });
    let door = Door::open(&house).await;
    for (dataset, words) in [
        ("empty", "empty holds no JPEG, PNG or WebP file; put photos there or use another dataset"),
        ("notes", "notes holds no JPEG, PNG or WebP file"),
        ("file", "file can't be read: Not a directory"),
        ("gone", "gone can't be read: No such file or directory"),
        ("broken", "none of the 3 photos of broken can be used, for example"),
        ("small", "thumbnail.png: its 300×100 pixels are too few for crops of 256"),
    ] {
        let answer = train(&door, &[("name", "new"), ("dataset", dataset)]).await;
        let detail = problem(answer, 422, "dataset_unusable").await;
        assert!(detail.contains(words), "{dataset}: {detail}");
    }
    let answer = train(&door, &[("name", "new"), ("dataset", "../mixed")]).await;
    let detail = problem(answer, 422, "unknown_dataset").await;
    assert!(detail.contains("there is: builtin, broken, empty"), "{detail}");
    assert_eq!(door.json("/v1/jobs").await["jobs"], json!([]), "none of them made a job");
    assert_eq!(train(&door, &[("name", "new"), ("dataset", "mixed")]).await.status(), 202);
    let crops = [("name", "newer"), ("dataset", "small"), ("size", "200")];
    assert_eq!(train(&door, &crops).await.status(), 202, "half a crop is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_cannot_fit_the_memory_is_refused_with_the_number() {
    let house = House::open_with(Vec::new(), |config| config.limits.memory_bytes = 700 << 20);
    let door = Door::open(&house).await;
    let large = [("name", "x"), ("batch", "16"), ("size", "280")];
    let detail = problem(train(&door, &large).await, 422, "too_much_memory").await;
    assert!(detail.contains("batch=16, size=280") && detail.contains("limits.memory allows 700 MiB"), "{detail}");
    let form = painting(&[("size", "5000")], 1);
    let detail = problem(door.form("/v1/paint", form).await, 422, "too_much_memory").await;
    assert!(detail.contains("5000×3750 pixels") && detail.contains("allows 700 MiB"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_exists_is_refused_unless_it_is_to_be_replaced() {
    let (_house, door) = quiet().await;
    let detail = problem(train(&door, &[("name", "great-wave")]).await, 409, "style_exists").await;
    assert!(detail.contains("replace=true"), "{detail}");
    assert_eq!(train(&door, &[("name", "great-wave"), ("replace", "true")]).await.status(), 202);

    let first: Value = train(&door, &[("name", "new")]).await.json().await.unwrap();
    let id = first["id"].as_str().unwrap();
    let detail = problem(train(&door, &[("name", "new")]).await, 409, "style_exists").await;
    assert!(detail.contains(id), "the job that learns it is named: {detail}");
    let cancelled = door.request(reqwest::Method::DELETE, &format!("/v1/jobs/{id}")).send().await.unwrap();
    assert_eq!(cancelled.status(), 200);
    assert_eq!(train(&door, &[("name", "new")]).await.status(), 202, "the name is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_the_same_name_at_once_one_gets_it() {
    let (_house, door) = quiet().await;
    // A small artwork is decoded in no time, so that they meet where the name is taken.
    let form = || training(picture(64, 64), &[("name", "new"), ("size", "64")]);
    let asked = (0..12).map(|_| door.form("/v1/train", form()));
    let mut statuses: Vec<_> = join_all(asked).await.iter().map(|answer| answer.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (202, [409; 11].as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_training_is_answered_with_the_first() {
    let (_house, door) = quiet().await;
    let send = async |artwork: Vec<u8>, fields: &[(&'static str, &str)]| {
        let request = door.request(reqwest::Method::POST, "/v1/train").header("idempotency-key", "once");
        request.multipart(training(artwork, fields)).send().await.unwrap()
    };
    let first = send(picture(300, 280), &[("name", "new")]).await;
    assert_eq!((first.status().as_u16(), first.headers().contains_key("idempotent-replayed")), (202, false));
    let first: Value = first.json().await.unwrap();
    let again = send(picture(300, 280), &[("steps", "400"), ("name", "new")]).await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap()["id"], first["id"], "the default said aloud is the same");
    problem(send(picture(300, 280), &[("name", "new"), ("steps", "401")]).await, 422, "idempotency_mismatch").await;
    problem(send(picture(300, 281), &[("name", "new")]).await, 422, "idempotency_mismatch").await;
}

/// A photo and so many artworks with these fields.
fn painting(fields: &[(&'static str, &str)], artworks: u32) -> Form {
    let form = Form::new().part("image", file(picture(40, 30)));
    let form = (0..artworks).fold(form, |form, n| form.part("artwork", file(picture(64 + n, 64))));
    fields.iter().fold(form, |form, (name, value)| form.text(*name, (*value).to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_default_of_a_painting_is_in_the_answer_and_its_files_are_kept_in_order() {
    let (house, door) = quiet().await;
    let fields = [("artwork_weight", "2"), ("artwork_weight", "0.5"), ("seed", "7")];
    let answer = door.form("/v1/paint", painting(&fields, 2)).await;
    assert_eq!(answer.status(), 202);
    let job: Value = answer.json().await.unwrap();
    assert_eq!([&job["kind"], &job["style"]], [&json!("paint"), &Value::Null]);
    let expected = json!({
        "artwork_weights": [2.0, 0.5], "steps": 300, "optimizer": "lbfgs", "init": "content", "seed": 7,
        "content_weight": 1.0, "style_weight": 5.0, "tv_weight": 0.0, "size": null, "preserve_color": false,
        "format": "png", "preview_every": 10,
    });
    assert_eq!(job["parameters"], expected);
    let folder = house.config.data.dir.join("spool").join(job["id"].as_str().unwrap());
    let kept = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert!(kept("input") == picture(40, 30));
    assert!(kept("artwork-1") == picture(64, 64) && kept("artwork-2") == picture(65, 64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_painting_is_told_from_one_of_other_artworks() {
    let (_house, door) = quiet().await;
    let send = async |form: Form| {
        let request = door.request(reqwest::Method::POST, "/v1/paint").header("idempotency-key", "once");
        request.multipart(form).send().await.unwrap()
    };
    let first: Value = send(painting(&[], 2)).await.json().await.unwrap();
    let again = send(painting(&[("artwork_weight", "1"), ("artwork_weight", "1")], 2)).await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap()["id"], first["id"]);
    let files = [picture(65, 64), picture(64, 64)];
    let swapped = files.into_iter().fold(painting(&[], 0), |form, artwork| form.part("artwork", file(artwork)));
    for other in [swapped, painting(&[], 1), painting(&[("format", "png")], 2)] {
        problem(send(other).await, 422, "idempotency_mismatch").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_painting_can_have_is_refused_in_a_sentence() {
    let (_house, door) = quiet().await;
    let check = async |form: Form, code: &str, words: &str| {
        let detail = problem(door.form("/v1/paint", form).await, 422, code).await;
        assert!(detail.contains(words), "{detail}");
    };
    check(painting(&[], 0), "missing_field", "\"artwork\" is missing").await;
    check(Form::new().part("artwork", file(picture(64, 64))), "missing_field", "\"image\" is missing").await;
    check(painting(&[], 9), "invalid_field", "a form has at most 9").await;
    let one_weight = painting(&[("artwork_weight", "1")], 2);
    check(one_weight, "invalid_field", "the number of artwork weights must be 2, not 1").await;
    for weight in ["0", "-2", "NaN", "inf"] {
        let words = format!("artwork_weight must be a number above 0 and at most 1e9, not {weight}");
        check(painting(&[("artwork_weight", weight)], 1), "invalid_field", &words).await;
    }
    check(painting(&[("artwork_weight", "heavy")], 1), "invalid_field", "expected a number, not \"heavy\"").await;
    check(painting(&[("steps", "0")], 1), "invalid_field", "steps must be between 1 and 200000, not 0").await;
    check(painting(&[("size", "0")], 1), "invalid_field", "size must be").await;
    check(painting(&[("optimizer", "sgd")], 1), "invalid_field", "\"lbfgs\" \"adam\"").await;
    let second_flat = painting(&[], 1).part("artwork", file(flat(64, 64)));
    check(second_flat, "artwork_unusable", "artwork 2 of 2: the artwork has one colour only").await;
    let tiny = Form::new().part("image", file(picture(40, 30))).part("artwork", file(picture(31, 64)));
    check(tiny, "artwork_unusable", "31×64 pixels, less than the 32").await;
    let broken = painting(&[], 1).part("artwork", file(picture(64, 64)[..200].to_vec()));
    check(broken, "invalid_picture", "artwork 2 of 2: ").await;
    let empty = painting(&[], 0).part("artwork", file(Vec::new()));
    check(empty, "invalid_picture", "empty").await;
    assert_eq!(door.json("/v1/jobs").await["jobs"], json!([]));
}
