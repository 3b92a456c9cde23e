//! What the page for operators says, held against the daemon.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Act, Door, House, installed, not_tested, puppet};

fn docs(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file)
}

/// The names in the first column of the table under a heading.
fn names_under(heading: &str) -> BTreeSet<String> {
    let page = std::fs::read_to_string(docs("operations.md")).unwrap();
    let section = page.split_once(heading).unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`').to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_every_metric_and_no_other() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    strings.act(Act::Finish);
    house.finished(house.submit_one().await.id).await;
    door.get("/livez").await;
    let text = door.get("/metrics").await.text().await.unwrap();
    let mut told: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| match line.split_once(' ').unwrap() {
            // A counter's samples have another name than the counter.
            (name, "counter") => format!("{name}_total"),
            (name, _) => name.to_owned(),
        })
        .collect();
    // Only a graphics processor tells its temperature.
    told.insert("atelier_device_temperature_celsius".to_owned());
    assert_eq!(names_under("## Metrics"), told);
}

/// The fields of every event and span that the daemon's sources log, as far as they are written on one line each.
fn logged_fields(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            logged_fields(&entry.path(), into);
            continue;
        }
        let source = std::fs::read_to_string(entry.path()).unwrap();
        let calls = source.split("tracing::").skip(1).filter_map(|call| {
            let (level, rest) = call.split_once("!(")?;
            let is_logging = ["error", "warn", "info", "debug", "trace", "info_span"].contains(&level);
            is_logging.then(|| rest.split('"').next().unwrap_or_default())
        });
        for call in calls {
            let fields = call.split(',').map(|field| field.split('=').next().unwrap_or_default());
            let fields = fields.map(|field| field.trim().trim_start_matches(['%', '?']));
            let named = fields.filter(|field| !field.is_empty()).map(|field| field.rsplit('.').next().unwrap_or(field));
            into.extend(named.map(str::to_owned));
        }
    }
}

#[test]
fn the_page_names_every_field_of_the_log() {
    let mut logged = BTreeSet::new();
    logged_fields(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon/src"), &mut logged);
    assert!(logged.contains("error") && logged.contains("job"), "{logged:?}");
    let named = names_under("## Log");
    let missing: Vec<_> = logged.difference(&named).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn systemd_takes_the_unit_and_finds_it_well_shut_in() {
    let Some(analyze) = installed("systemd-analyze") else {
        return not_tested("with systemd: install it (Debian: systemd)");
    };
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("atelierd.service");
    let text = std::fs::read_to_string(docs("atelierd.service")).unwrap();
    // The program need not be installed.
    std::fs::write(&unit, text.replace("/usr/local/bin/atelierd", "/bin/true")).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(&analyze).args(arguments).arg(&unit).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    };
    let (is_fine, said) = run(&["verify"]);
    assert!(is_fine && !said.contains("atelierd.service:"), "{said}");
    // 10 is a service that may do everything.
    let (is_fine, said) = run(&["security", "--offline=yes", "--no-pager", "--threshold=20"]);
    assert!(is_fine, "{said}");
}
