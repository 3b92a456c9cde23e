//! The page in a browser: on a small screen, and without a mouse.

use fantoccini::key::Key;
use protocol::StyleName;
use serde_json::json;
use tests::{Act, Browser, DESK, Door, House, PHONE, picture, puppet};

/// Whether something reaches over the right edge.
const IS_WIDE: &str = "document.documentElement.scrollWidth > 360";

/// What is in focus, in brief.
const FOCUS: &str = "(({ id, name, value, className, tagName }) =>
    name === 'style' ? value : id || className || tagName)(document.activeElement)";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_scrolls_sideways_on_a_phone() {
    let Some(browser) = Browser::start(PHONE).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join(format!("{}.png", "holiday_".repeat(20)));
    std::fs::write(&photo, picture(900, 30)).unwrap();
    let broken = house.config.models.dir.join("a".repeat(64));
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("style.toml"), "nonsense").unwrap();

    browser.visit(&door).await;
    browser.until("innerWidth === 360 && styles.querySelector(':disabled')").await;
    assert_eq!(browser.value(IS_WIDE).await, json!(false), "empty");
    browser.choose(&[&photo, &photo, &photo, &photo, &photo]).await;
    browser.run("more.open = true", Vec::new()).await;
    browser.until("film.children.length === 5 && !photo.hidden").await;
    assert_eq!(browser.value(IS_WIDE).await, json!(false), "five photos");
    browser.type_into("#email", &format!("{}@example.org", "long".repeat(15))).await;
    browser.run("paint.click()", Vec::new()).await;
    puppet.begun();
    browser.until("caption.textContent.includes('50 %')").await;
    assert_eq!(browser.value(IS_WIDE).await, json!(false), "painting");
    for _ in 0..5 {
        puppet.act(Act::Finish);
    }
    browser.until("!painting.hidden && jobs.querySelectorAll('[data-state=succeeded]').length === 5").await;
    assert_eq!(browser.value(IS_WIDE).await, json!(false), "painted");
    let is_in_view = "stage.getBoundingClientRect().top < innerHeight && stage.getBoundingClientRect().bottom > 0";
    assert_eq!(browser.value(is_in_view).await, json!(true), "the painting is where the person looks");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_done_with_the_keyboard_alone() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.png");
    std::fs::write(&photo, picture(30, 20)).unwrap();
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;

    let mut stops = Vec::new();
    for _ in 0..6 {
        browser.press(Key::Tab).await;
        assert_eq!(browser.value(SHOWS_FOCUS).await, json!(true), "{}", browser.value(FOCUS).await);
        stops.push(browser.value(FOCUS).await);
    }
    assert_eq!(stops, ["skip", "file", "composition-vii", "SUMMARY", "email", "paint"]);

    // The dialogue of the system is beyond a test; the photo is chosen for it, and the way starts anew.
    browser.choose(&[&photo]).await;
    browser.until("!photo.hidden").await;
    browser.run("document.querySelector('[name=style]:checked').focus()", Vec::new()).await;
    browser.press(Key::Down).await;
    browser.press(Key::Down).await;
    assert_eq!(browser.value(FOCUS).await, json!("great-wave"));
    browser.press(Key::Tab).await;
    browser.press(Key::Enter).await;
    browser.press(Key::Tab).await;
    browser.press(Key::Left).await;
    assert_eq!(browser.value("document.getElementById('strength-shown').textContent").await, json!("95 %"));
    browser.press(Key::Enter).await;
    puppet.begun();
    browser.until("jobs.children.length === 1").await;
    puppet.act(Act::Finish);
    browser.until("!painting.hidden").await;
    let job = house.intake().jobs(daemon::intake::JobFilter::default()).await.unwrap().jobs.remove(0);
    assert_eq!(job.style().map(StyleName::as_str), Some("great-wave"));

    browser.run("document.querySelector('.job-open').focus()", Vec::new()).await;
    browser.press(Key::Enter).await;
    assert_eq!(browser.value(FOCUS).await, json!("picture"));
    browser.press(Key::Tab).await;
    assert_eq!(browser.value(FOCUS).await, json!("curtain"));
    browser.press(Key::Left).await;
    browser.press(Key::Home).await;
    browser.until("compare.style.getPropertyValue('--curtain') === '0%'").await;
    assert_eq!(browser.value("curtain.getAttribute('aria-valuetext')").await, json!("100 % of the painting"));
    browser.press(Key::Tab).await;
    assert_eq!(browser.value(FOCUS).await, json!("download"));
}

/// Whether a person sees where the focus is: an outline of the element, or of what stands for it.
const SHOWS_FOCUS: &str = "[document.activeElement, document.activeElement.closest('.style, .stage')]
    .some((element) => element && getComputedStyle(element).outlineStyle !== 'none'
        && parseFloat(getComputedStyle(element).outlineWidth) >= 2)";
