//! Parts of the documentation that are made from the code, and held against it.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

/// Checks that a page has this text between `<!-- part -->` and `<!-- /part -->`. With `INSTA_UPDATE=always` the
/// text is put there instead.
pub(crate) fn check(page: &str, part: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let name = page;
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- /{part} -->"));
    let from = page.find(&begin).expect("the part has a beginning") + begin.len();
    let to = from + page[from..].find(&end).expect("the part has an end");
    if std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
        std::fs::write(&path, format!("{}{text}{}", &page[..from], &page[to..])).unwrap();
    } else {
        assert_eq!(&page[from..to], text, "{name}, part {part}: INSTA_UPDATE=always cargo test -p tui");
    }
}
