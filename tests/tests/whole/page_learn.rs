//! The page in a browser: an artwork becomes a style.

use std::path::Path;

use serde_json::json;
use tests::{Browser, DESK, Deed, Door, House, Move, PHONE, picture, puppet};

/// The first lesson's state.
const STATE: &str = "lessons.children[0]?.dataset.state";

/// How many points the first lesson's curve has.
const POINTS: &str = "document.querySelector('.curve polyline')?.points.length";

fn artwork(folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, picture(256, 256)).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_artwork_is_learned_before_ones_eyes() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    browser.visit(&door).await;
    browser.until("!studio.hidden && !document.getElementById('no-lessons').hidden").await;
    let drop = "const dropped = new DataTransfer();
                dropped.items.add(new File([new Uint8Array(arguments[0])], 'My Wave (2).PNG', { type: 'image/png' }));
                const well = document.getElementById('artwork-well');
                well.dispatchEvent(new DragEvent('dragover', { bubbles: true, cancelable: true, dataTransfer: dropped }));
                const isSeen = well.classList.contains('is-over') && !stage.classList.contains('is-over');
                well.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: dropped }));
                return isSeen";
    assert_eq!(browser.run(drop, vec![json!(picture(256, 256))]).await, json!(true), "the well shows where to drop");
    browser.until("document.getElementById('artwork-shown').naturalWidth === 256").await;
    assert_eq!(browser.value("document.getElementById('style-name').value").await, json!("my-wave-2"));
    assert_eq!(browser.value("photo.hidden").await, json!(true), "an artwork is no photo to paint");

    browser.click("#teach-it").await;
    assert_eq!(puppet.deed(), Deed::Open(0));
    puppet.steps(1);
    // What was before the page listened is asked for; what comes after is told.
    browser.until(&format!("{POINTS} >= 1")).await;
    puppet.steps(23);
    browser.until(&format!("{POINTS} >= 24")).await;
    browser.until("lessons.innerText.includes('step 24 of 400') && lessons.innerText.includes('loss 0.42')").await;
    browser.until("document.querySelector('.lesson-preview').naturalWidth === 256").await;
    assert_eq!(browser.value("jobs.children.length").await, json!(0), "what is being learned is no painting");
    let heights = "[...document.querySelector('.curve polyline').points].map(({ y }) => y)";
    let falls = format!("{heights}.every((y, at, all) => at === 0 || y >= all[at - 1])");
    assert_eq!(browser.value(&falls).await, json!(true), "the loss falls");

    browser.click(".lesson [data-do=pause]").await;
    browser.until(&format!("{STATE} === 'paused'")).await;
    assert_eq!(puppet.deed(), Deed::Asked);
    let steps = 24 + puppet.until_dropped();
    browser.window.refresh().await.unwrap();
    browser.until(&format!("document.querySelector('.lesson') && {POINTS} === {steps}")).await;
    browser.until(&format!("lessons.innerText.includes('Paused, at step {steps} of 400')")).await;
    let bar = browser.value("document.querySelector('.lesson progress:not([hidden])').value").await;
    assert_eq!(bar, json!(steps * 100 / 400));
    browser.click(".lesson [data-do=resume]").await;
    assert_eq!(puppet.deed(), Deed::Open(steps));
    browser.until(&format!("{STATE} === 'running'")).await;
    browser.click(".lesson [data-do=keep]").await;
    assert_eq!(puppet.deed(), Deed::Asked);
    puppet.until_dropped();
    browser.until("document.querySelector('.style [value=my-wave-2]:enabled')").await;
    browser.until("jobs.children[0]?.innerText.includes('Learned')").await;
    let package = browser.value("document.querySelector('#jobs [data-do=download]').download").await;
    assert_eq!(package, json!("my-wave-2.safetensors"));
    assert_eq!(browser.complaints().await, [""; 0], "nothing breaks the policy, nothing fails");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_artwork_is_said_where_it_was_dropped() {
    let Some(browser) = Browser::start(PHONE).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let (good, letter) = (artwork(folder.path(), "great-wave.png"), folder.path().join("letter.txt"));
    std::fs::write(&letter, "a letter").unwrap();
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    let said = |words: &str| format!("document.getElementById('teach-problem').textContent.includes('{words}')");
    browser.type_into("#artwork", &letter.display().to_string()).await;
    browser.until(&said("“letter.txt” can’t be")).await;
    browser.type_into("#artwork", &good.display().to_string()).await;
    browser.until("document.getElementById('style-name').value === 'great-wave'").await;
    browser.click("#teach-it").await;
    browser.until(&said("already; choose another name")).await;
    browser.type_into("#style-name", "-new").await;
    browser.click("#teach-it").await;
    assert_eq!(puppet.deed(), Deed::Open(0));
    browser.until(&format!("{STATE} === 'running' && document.getElementById('teach-problem').hidden")).await;
    assert_eq!(browser.value("document.documentElement.scrollWidth > 360").await, json!(false), "nothing is too wide");
    browser.click(".lesson [data-do=cancel]").await;
    browser.until(&format!("{STATE} === 'cancelled'")).await;
    assert_eq!(puppet.deed(), Deed::Asked);
    puppet.until_dropped();
    browser.click(".lesson [data-do=retry]").await;
    assert_eq!(puppet.deed(), Deed::Open(0), "nothing is kept of a cancelled one");
    puppet.play(Move::Run);
    browser.until("document.querySelector('.style [value=great-wave-new]:enabled')").await;
    browser.until("lessons.innerText.includes('Learned') && document.querySelector('.lesson [data-do=download]:not([hidden])')").await;
}
