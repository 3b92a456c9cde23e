//! Training, painting and their losses from the command line.

use daemon::curve::CurveFile;
use protocol::{JobId, LossCurve, LossPoint};
use tests::{Deed, Move, Puppet, Served, picture, puppet};

use crate::cli::{Desk, read};
use crate::cli_answers::interrupted_before_the_end;

/// A daemon without devices: what is accepted stays queued.
async fn desk() -> Desk {
    let desk = Desk::new(Served::open(Vec::new()).await);
    std::fs::write(desk.folder.path().join("art.png"), picture(256, 256)).unwrap();
    desk
}

/// Writes a curve as a device's work does.
fn learn(desk: &Desk, id: JobId, totals: &[f64]) {
    let path = desk.served.house.config.data.dir.join(format!("spool/{id}/curve"));
    let mut curve = CurveFile::open(&path, &[]).unwrap();
    for (step, total) in (1..).zip(totals) {
        let layers = [("relu1_1".to_owned(), total / 4.0)].into();
        let point =
            LossPoint { step, seconds: 0.5, total: *total, content: total / 2.0, style: total / 6.0, tv: 0.0, layers };
        curve.append(&point).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artwork_becomes_a_training_with_every_knob() {
    let desk = desk().await;
    let knobs = "--dataset builtin --replace --recipe johnson --steps 7 --batch 1 --size 128 --art-size 200 --seed 9 \
                 --learning-rate 0.01 --content-weight 2 --style-weight 4 --tv-weight 0.5 --norm batch --upsample \
                 bilinear --width 8 --residuals 1 --init none --early-stop --checkpoint-every 3 --preview-every 2";
    let line = format!("train art.png --name new {knobs} --note wall --no-wait --json");
    let job = desk.run(&line).await.is(0).json();
    assert_eq!((&job["file"], &job["note"], &job["state"]), (&"art.png".into(), &"wall".into(), &"queued".into()));
    let expected = serde_json::json!({
        "name": "new", "dataset": "builtin", "replace": true, "recipe": "johnson", "steps": 7, "batch": 1, "size": 128,
        "art_size": 200, "seed": 9, "learning_rate": 0.01, "content_weight": 2.0, "style_weight": 4.0,
        "tv_weight": 0.5, "norm": "batch", "upsample": "bilinear", "width": 8, "residuals": 1, "init": "none",
        "early_stop": true, "checkpoint_every": 3, "preview_every": 2,
    });
    assert_eq!(job["parameters"], expected);
    let plain = desk.run("train art.png --name other --no-wait").await.is(0);
    assert!(plain.stdout.trim().parse::<JobId>().is_ok(), "{plain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_and_weighed_artworks_become_a_painting() {
    let desk = desk().await;
    let line = "paint cat.png --artwork art.png:2 --artwork art.png --steps 9 --optimizer adam --init noise --seed 3 \
                --size 64 --preserve-color --format webp --no-wait --json";
    let job = desk.run(line).await.is(0).json();
    let expected = serde_json::json!({
        "artwork_weights": [2.0, 1.0], "steps": 9, "optimizer": "adam", "init": "noise", "seed": 3,
        "content_weight": 1.0, "style_weight": 5.0, "tv_weight": 0.0, "size": 64, "preserve_color": true,
        "format": "webp", "preview_every": 10,
    });
    assert_eq!(job["parameters"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_said_before_anything_is_sent() {
    let desk = desk().await;
    for (line, code, words) in [
        ("train art.png --name new --steps 0", 2, "steps must be between 1 and 200000, not 0"),
        ("train art.png --name new --learning-rate NaN", 2, "learning_rate must be a number above 0"),
        ("train nowhere.png --name new", 1, "nowhere.png"),
        ("paint cat.png --artwork nowhere.png", 1, "nowhere.png"),
        ("paint cat.png --artwork art.png:0", 2, "artwork_weight must be a number above 0"),
        ("paint cat.png --artwork art.png -o dog.png", 1, "--force"),
        ("paint cat.png --artwork art.png -o - --json", 2, "don't both fit into stdout"),
    ] {
        let answer = desk.run(line).await.is(code);
        assert!(answer.stderr.contains(words), "{line}: {answer:?}");
    }
    assert_eq!(desk.jobs().await, 0);
    let refused = desk.run("train art.png --name great-wave --json").await.is(1);
    assert_eq!(refused.json()["error"]["code"], "style_exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_are_a_table_exact_numbers_or_a_drawing() {
    let desk = desk().await;
    let id: JobId = desk.run("train art.png --name new --no-wait").await.is(0).stdout.trim().parse().unwrap();
    let short = id.short();
    assert_eq!(desk.run(&format!("losses {short} --plot")).await.is(0).stdout, "total\nno points yet\n");
    let totals: Vec<_> = (1..=100).map(|step| 10.0 / f64::from(step)).collect();
    learn(&desk, id, &totals);

    let table = desk.run(&format!("losses {short}")).await.is(0).stdout;
    assert!(table.starts_with("STEP ") && table.lines().count() <= 21, "{table}");
    let csv = desk.run(&format!("losses {short} --csv")).await.is(0).stdout;
    assert_eq!((csv.lines().count(), csv.lines().next()), (101, Some("step,seconds,total,content,style,tv,relu1_1")));
    let curve = desk.run(&format!("losses {short} --json --max 10")).await.is(0).json();
    let curve: LossCurve = serde_json::from_value(curve).unwrap();
    assert!(curve.points.len() <= 10 && curve.points[0].total.to_bits() == 10.0_f64.to_bits());
    let drawing = desk.run(&format!("losses {short} --plot --term relu1_1")).await.is(0).stdout;
    assert!(drawing.starts_with("relu1_1 0.0250 at step 100\n") && drawing.contains('│'), "{drawing}");
    assert!(drawing.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{drawing}");
    let wrong = desk.run(&format!("losses {short} --plot --term relu9_9")).await.is(2);
    assert!(wrong.stderr.contains("total, content, style, tv, relu1_1"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_is_shown_with_its_checkpoints_and_ended_with_what_there_is() {
    let desk = desk().await;
    let id: JobId = desk.run("train art.png --name new --no-wait").await.is(0).stdout.trim().parse().unwrap();
    let shown = desk.run(&format!("show {id} --json")).await.is(0).json();
    assert_eq!((&shown["kind"], &shown["checkpoints"]), (&"train".into(), &serde_json::json!([])));
    assert!(desk.run(&format!("show {id}")).await.is(0).stdout.contains("house recipe, 400 steps"));
    let kept = desk.run(&format!("cancel --keep {id} --json")).await.is(0);
    assert_eq!(kept.lines()[0]["state"], "cancelled", "there is nothing to keep: {kept:?}");
}

/// A daemon whose device does as it is told.
async fn working() -> (Desk, Puppet) {
    let (engine, puppet) = puppet("a");
    let desk = Desk::new(Served::open(vec![engine]).await);
    std::fs::write(desk.folder.path().join("art.png"), picture(256, 256)).unwrap();
    (desk, puppet)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_is_followed_to_its_end() {
    let (desk, puppet) = working().await;
    let training = desk.command("train art.png --name new --steps 4").spawn().unwrap();
    assert_eq!(puppet.deed(), Deed::Open(0));
    puppet.play(Move::Run);
    let answer = read(training.wait_with_output().await.unwrap()).is(0);
    assert_eq!(answer.stdout, "new\n");
    assert!(answer.stderr.contains("learning new: ") && answer.stderr.contains("--style new"), "{answer:?}");
    assert!(answer.stderr.contains("1 file was passed over"), "{answer:?}");
    assert!(desk.run("styles").await.is(0).stdout.contains("\nnew "));
    let id = desk.run("jobs --json").await.is(0).json()["jobs"][0]["id"].as_str().unwrap().to_owned();
    desk.run(&format!("result {id}")).await.is(0);
    assert!(desk.exists("new.safetensors"), "in a models folder the file's name is the style's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_painting_is_followed_and_written() {
    let (desk, puppet) = working().await;
    let painting = desk.command("paint cat.png --artwork art.png --steps 3 --json").spawn().unwrap();
    assert_eq!(puppet.deed(), Deed::Open(0));
    puppet.play(Move::Run);
    let answer = read(painting.wait_with_output().await.unwrap()).is(0);
    let (line, written) = (answer.json(), desk.folder.path().join("cat-art.png"));
    assert_eq!((&line["state"], &line["output"]), (&"succeeded".into(), &"cat-art.png".into()));
    assert_eq!(std::fs::read(written).unwrap().len() as u64, line["result"]["bytes"].as_u64().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_painting_that_is_given_up_while_it_is_fetched_can_be_fetched_later() {
    let (desk, puppet) = working().await;
    let begun = || {
        assert_eq!(puppet.deed(), Deed::Open(0));
        puppet.play(Move::Run);
    };
    let answer = interrupted_before_the_end(&desk, "paint cat.png --artwork art.png --steps 3", begun).await.is(130);
    let id = desk.run("jobs --json").await.is(0).json()["jobs"][0]["id"].as_str().unwrap().to_owned();
    assert!(answer.stderr.contains(&format!("`atelier result {}` fetches", &id[id.len() - 8..])), "{answer:?}");
    assert!(!desk.exists("cat-art.png"));
    desk.run(&format!("result {id} -o cat-art.png")).await.is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_fails_says_why() {
    let (desk, puppet) = working().await;
    let training = desk.command("train art.png --name new --steps 4 --json").spawn().unwrap();
    assert_eq!(puppet.deed(), Deed::Open(0));
    puppet.play(Move::Fail);
    let answer = read(training.wait_with_output().await.unwrap()).is(1);
    assert_eq!(answer.json()["error"]["code"], "not_finite");
    assert!(answer.stderr.contains("the losses leap"), "{answer:?}");
}
