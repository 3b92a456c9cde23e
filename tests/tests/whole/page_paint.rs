//! The page in a browser: a photo comes in, a painting hangs beside it.

use std::path::{Path, PathBuf};

use serde_json::json;
use tests::{Act, Browser, DESK, Door, House, picture, puppet};

/// Whether the painting is to be seen, with its pixels.
const HANGS: &str = "!painting.hidden && painting.complete && painting.naturalWidth > 0";

fn photo(folder: &Path, name: &str, width: u32, height: u32) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, picture(width, height)).unwrap();
    path
}

/// Copies a style's folder, with another title.
fn copy_with_title(from: &Path, to: &Path, title: &str) {
    std::fs::create_dir(to).unwrap();
    for file in ["weights.safetensors", "preview.jpg"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let description = std::fs::read_to_string(from.join("style.toml")).unwrap();
    let (_, rest) = description.split_once('\n').expect("the title is the first line");
    std::fs::write(to.join("style.toml"), format!("title = \"{title}\"\n{rest}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_photo_becomes_a_painting_of_its_size() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    browser.visit(&door).await;
    browser.until("!studio.hidden && !empty.hidden").await;
    let drop = "const dropped = new DataTransfer();
                dropped.items.add(new File([new Uint8Array(arguments[0])], 'boat.png', { type: 'image/png' }));
                stage.dispatchEvent(new DragEvent('dragover', { bubbles: true, cancelable: true, dataTransfer: dropped }));
                const isSeen = stage.classList.contains('is-over');
                stage.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: dropped }));
                return isSeen";
    assert_eq!(browser.run(drop, vec![json!(picture(37, 23))]).await, json!(true), "the stage shows where to drop");
    browser.until("!photo.hidden && photo.naturalWidth === 37 && caption.textContent === 'boat.png'").await;

    browser.click("[value=starry-night]").await;
    browser.click("#paint").await;
    puppet.begun();
    browser.until("caption.textContent.includes('The Starry Night · Painting, 50 %')").await;
    browser.until("document.querySelector('#controls progress').value === 50").await;
    assert_eq!(browser.value("paint.textContent").await, json!("Paint"), "the next order can be given");

    puppet.act(Act::Finish);
    browser.until(HANGS).await;
    assert_eq!(browser.value("[painting.naturalWidth, painting.naturalHeight]").await, json!([37, 23]));
    assert_eq!(browser.value("compare.dataset.shows").await, json!("both"), "the painting hangs beside the photo");
    let same_place =
        "JSON.stringify(photo.getBoundingClientRect()) === JSON.stringify(painting.getBoundingClientRect())";
    assert_eq!(browser.value(same_place).await, json!(true), "the curtain compares like with like");
    let result = browser.value("download.href").await;
    let fetched = door.client.get(result.as_str().unwrap()).send().await.unwrap();
    assert_eq!(fetched.headers()["content-type"], "image/png");
    browser.until("said.textContent === 'The Starry Night: 37 × 23'").await;
    assert_eq!(browser.complaints().await, [""; 0], "nothing breaks the policy, nothing fails");
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_photos_queue_up_and_can_be_taken_back() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let photos = [photo(folder.path(), "one.png", 20, 10), photo(folder.path(), "two.png", 10, 20)];
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    browser.choose(&[&photos[0], &photos[1]]).await;
    browser.until("paint.textContent === 'Paint 2 photos' && film.children.length === 2").await;
    browser.click("#paint").await;
    puppet.begun();
    browser.until("jobs.children.length === 2").await;
    browser.until("jobs.children[0].innerText.includes('Next in line')").await;

    browser.click("#jobs > :first-child [data-do=cancel]").await;
    browser.until("jobs.children[0].dataset.state === 'cancelled'").await;
    puppet.act(Act::Finish);
    browser.until("jobs.children[1].dataset.state === 'succeeded'").await;
    browser.click("#jobs > :first-child [data-do=retry]").await;
    puppet.begun();
    puppet.act(Act::NotFinite);
    browser.until("jobs.children[0].innerText.includes('Failed: ')").await;
    browser.click("#jobs > :first-child [data-do=retry]").await;
    puppet.act(Act::Finish);
    browser.until("jobs.children[0].dataset.state === 'succeeded'").await;

    // What was painted before is there after a reload too, beside its photo.
    browser.window.refresh().await.unwrap();
    browser.until("document.getElementById('jobs')?.children.length === 2").await;
    browser.click("#jobs > :first-child .job-open").await;
    browser.until(HANGS).await;
    browser.until("compare.dataset.shows === 'both'").await;
    assert_eq!(browser.value("[photo.naturalHeight, painting.naturalHeight]").await, json!([20, 20]));
    assert_eq!(browser.complaints().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_photos_few_and_small_ones_stay_in_the_browser_and_none_of_a_forgotten_job() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let large = photo(folder.path(), "large.png", 2000, 1000);
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    browser.choose(&[&large]).await;
    browser.click("#paint").await;
    puppet.act(Act::Finish);
    browser.until(HANGS).await;
    browser.window.refresh().await.unwrap();
    browser.until("document.querySelector('.job-open')?.disabled === false").await;
    browser.click(".job-open").await;
    browser.until("compare.dataset.shows === 'both'").await;
    let sizes = browser.value("[photo.naturalWidth, photo.naturalHeight, painting.naturalWidth]").await;
    assert_eq!(sizes, json!([1024, 512, 2000]));
    assert_eq!(browser.value("compare.style.getPropertyValue('--wide')").await, json!("2000"));

    let kept =
        "return import('/assets/app.js').then(({ keptPhotos }) => keptPhotos()).then((kept) => kept.map(([id]) => id))";
    let id = house.intake().jobs(daemon::intake::JobFilter::default()).await.unwrap().jobs[0].id;
    assert_eq!(browser.run(kept, Vec::new()).await, json!([id]));
    house.intake().forget(&tests::admin(), protocol::JobRef::Id(id)).await.unwrap();
    browser.until("jobs.children.length === 0").await;
    assert_eq!(browser.run(kept, Vec::new()).await, json!([]));
    let many = "const { keepPhoto } = await import('/assets/app.js');
                const file = new File([new Uint8Array(arguments[0])], 'boat.png', { type: 'image/png' });
                for (let at = 10; at < 40; at++) await keepPhoto(String(at), file);";
    let many = format!("return (async () => {{ {many} }})()", many = many.replace("arguments[0]", "bytes"));
    browser.run(&format!("const bytes = arguments[0]; {many}"), vec![json!(picture(9, 9))]).await;
    let newest: Vec<_> = (16..40).map(|at| at.to_string()).collect();
    assert_eq!(browser.run(kept, Vec::new()).await, json!(newest), "the oldest make room");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_and_can_be_put_right() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let good = photo(folder.path(), "good.png", 9, 9);
    let (torn, letter) = (folder.path().join("torn.png"), folder.path().join("letter.txt"));
    std::fs::write(&torn, &picture(64, 64)[..60]).unwrap();
    std::fs::write(&letter, "a letter").unwrap();
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;

    browser.click("#paint").await;
    browser.until("problem.textContent === 'Choose a photo first.' && document.activeElement.id === 'file'").await;
    browser.choose(&[&letter]).await;
    browser.until("problem.textContent.startsWith('“letter.txt” can’t be painted: save it as JPEG')").await;
    browser.choose(&[&torn]).await;
    browser.until("problem.hidden && caption.textContent === 'torn.png'").await;
    browser.click("#paint").await;
    browser.until("!problem.hidden && problem.getAttribute('role') === 'alert'").await;
    let asked = door.stylize(
        reqwest::multipart::Form::new()
            .text("style", "great-wave")
            .part("image", reqwest::multipart::Part::bytes(std::fs::read(&torn).unwrap())),
    );
    let detail = tests::problem(asked.await, 422, "invalid_picture").await;
    let said = browser.value("problem.textContent").await;
    assert_eq!(said, json!(format!("“torn.png”: {detail}")), "the daemon's own words");

    browser.choose(&[&good]).await;
    browser.until("problem.hidden && film.children.length === 2").await;
    browser.click("#film > :first-child .frame-drop").await;
    browser.until("film.hidden && caption.textContent === 'good.png'").await;
    browser.click("#paint").await;
    puppet.act(Act::Finish);
    browser.until(HANGS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_queue_has_no_room_for_says_so_and_is_sent_later() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open_with(vec![engine], |config| config.max_waiting = 1);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let photo = photo(folder.path(), "photo.png", 16, 9);
    house.submit_one().await;
    puppet.begun();
    house.submit_one().await;
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    // The daemon asks for half a minute.
    let hurry = "const real = setTimeout; window.setTimeout = (go, ms) => real(go, Math.min(ms, 100))";
    browser.run(hurry, Vec::new()).await;
    browser.choose(&[&photo]).await;
    browser.click("#paint").await;
    browser.until("paint.textContent === 'The queue is full, waiting…'").await;
    browser.until("said.textContent.startsWith('The queue is full.')").await;
    puppet.act(Act::Finish);
    browser.until("paint.textContent === 'Paint' && problem.hidden").await;
    puppet.act(Act::Finish);
    puppet.act(Act::Finish);
    browser.until("!painting.hidden && painting.naturalWidth === 16").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_photo_is_named_and_the_others_of_its_batch_are_painted_once() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, _puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (photo(folder.path(), "one.png", 9, 9), photo(folder.path(), "two.png", 8, 8));
    let (torn, cut) = (folder.path().join("torn.png"), folder.path().join("cut.png"));
    std::fs::write(&torn, &picture(64, 64)[..60]).unwrap();
    std::fs::write(&cut, &picture(64, 64)[..70]).unwrap();
    let accepted = async || house.intake().jobs(daemon::intake::JobFilter::default()).await.unwrap().jobs.len();
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    browser.choose(&[&one, &torn, &two, &cut]).await;
    let sent = "problem.textContent.split('\\n').map((line) => line.split(':')[0]).join() === '“torn.png”,“cut.png”'
                && paint.textContent === 'Paint 4 photos'";
    browser.click("#paint").await;
    browser.until(sent).await;
    assert_eq!(accepted().await, 2);
    browser.click("#paint").await;
    browser.until(sent).await;
    assert_eq!(accepted().await, 2, "only what was refused is sent again");

    browser.click("[value=the-scream]").await;
    browser.click("#paint").await;
    browser.until(sent).await;
    assert_eq!(accepted().await, 4, "with another style each is another painting");
    browser.click("#film > :nth-child(4) .frame-drop").await;
    browser.click("#film > :nth-child(2) .frame-drop").await;
    browser.click("#paint").await;
    browser.until("problem.hidden && paint.textContent === 'Paint 2 photos'").await;
    assert_eq!(accepted().await, 6, "once all are accepted, the same again is a new order");
}

#[tokio::test(flavor = "multi_thread")]
async fn styles_come_and_go_and_broken_ones_can_not_be_chosen() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, _puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    browser.visit(&door).await;
    browser.until("styles.querySelectorAll('input:enabled').length === 6").await;
    browser.until("[...styles.querySelectorAll('img')].every((image) => image.naturalWidth > 100)").await;
    browser.click("[value=the-scream]").await;

    let folder = &house.config.models.dir;
    std::fs::create_dir(folder.join("mosaic")).unwrap();
    std::fs::write(folder.join("mosaic/style.toml"), "title = 7\n").unwrap();
    browser.until("document.querySelector('[value=mosaic]')?.disabled").await;
    browser.until("document.querySelector('.style:has([value=mosaic]) .style-problem').textContent !== ''").await;
    copy_with_title(&folder.join("starry-night"), &folder.join("sly"), "<img src=x>");
    browser
        .until("document.querySelector('.style:has([value=sly]:enabled) .style-title')?.textContent.includes('<img')")
        .await;
    std::fs::remove_dir_all(folder.join("great-wave")).unwrap();
    browser.until("document.querySelector('[value=great-wave]') === null").await;
    assert_eq!(browser.value("document.querySelector('[name=style]:checked').value").await, json!("the-scream"));
    assert_eq!(browser.value("document.querySelector('[src=x]')").await, json!(null), "a title is text");
}
