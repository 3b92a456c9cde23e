#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::{KEYS, PASSWORD};
use super::{Config, Secret, SmtpSecurity, Sources, Transport};

/// Sources that never look at the machine they run on.
struct Written {
    folder: tempfile::TempDir,
    sources: Sources,
}

fn written(text: &str) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    fs::write(&path, text).unwrap();
    Written { folder, sources: Sources { file: Some(path), ..Sources::default() } }
}

impl Written {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn load(&self) -> Result<Config, String> {
        let folder = format!("{}/", self.folder.path().display());
        self.sources.load().map_err(|error| error.to_string().replace(&folder, ""))
    }
}

fn load(text: &str) -> Result<Config, String> {
    written(text).load()
}

#[track_caller]
fn refused(text: &str, message: &str) {
    assert_eq!(load(text).map(drop), Err(message.to_owned()), "{text}");
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_line() {
    refused(
        "[server]\n\nlisten = \"127.0.0.1:1\"\nlisen = 1\n",
        "a.toml:4: unknown key server.lisen; did you mean server.listen?",
    );
    refused("\n[severs]\nx = 1", "a.toml:2: unknown key severs; did you mean server?");
    refused("[limits]\nmax_waiting = 1", "a.toml:2: unknown key limits.max_waiting; did you mean queue.max_waiting?");
    refused("frobnicate = 1", "a.toml:1: unknown key frobnicate");
    refused("[mail.smtp]\nhots = \"a\"", "a.toml:2: unknown key mail.smtp.hots; did you mean mail.smtp.host?");
    refused("server = 4", "a.toml:1: server: this is a section; write [server] and its keys below");
    refused("[mail]\n\"smtp.host\" = \"x\"\n\n[mail.smtp]\nx.y=1", "a.toml:5: unknown key mail.smtp.x");
}

#[test]
fn a_bad_value_is_named_with_its_file_line_and_key() {
    for (text, message) in [
        (
            "[server]\nlisten = \"here\"",
            "2: server.listen: expected an address and a port such as \"127.0.0.1:7878\", found \"here\"",
        ),
        (
            "[data]\nkeep_jobs = 5",
            "2: data.keep_jobs: expected a duration such as \"90s\", \"12h\" or \"30d\", found 5",
        ),
        (
            "[limits]\nmemory = \"175%\"",
            "2: limits.memory: expected a share such as \"75%\" or a size such as \"8GiB\", found \"175%\"",
        ),
        ("[limits]\nconnections = -1", "2: limits.connections: expected a whole number in range, found -1"),
        ("[limits]\npixels = 0", "2: limits.pixels: expected a number from 1 on, found 0"),
        ("[mail.smtp]\nport = 70000", "2: mail.smtp.port: expected a whole number in range, found 70000"),
        ("[auth]\nopen = \"yes\"", "2: auth.open: expected true or false, found \"yes\""),
        ("[auth]\ntokens_file = \"\"", "2: auth.tokens_file: the value is empty; leave the key out instead"),
        ("[devices]\nuse = \"cpu\"", "2: devices.use: expected a list of texts, found \"cpu\""),
        (
            "[devices]\nuse = [\"gpu\"]",
            "2: devices.use: \"gpu\" is no device; expected \"auto\", \"cpu\", \"cpu:2\", \"cuda:0\" or \"metal\"",
        ),
        (
            "[server]\nallowed_hosts = [\"nas.lan\", \"https://nas.lan\"]",
            "2: server.allowed_hosts: expected names or addresses such as \"nas.lan\", found \"https://nas.lan\"",
        ),
        (
            "[mail]\nallow = [\"*.org\"]",
            "2: mail.allow: \"*.org\" is not a pattern of recipients: write \"*@example.org\", \"me@example.org\" or \"*\"",
        ),
        (
            "[log]\nlevel = \"loud\"",
            "2: log.level: expected a level such as \"info\", or \"warn,daemon=debug\", found \"loud\"",
        ),
        (
            "[server]\npublic_url = \"ftp://x\"",
            "2: server.public_url: expected an address such as \"https://atelier.example.org\", found \"ftp://x\"",
        ),
        ("[server]\nlisten = \"a\"\nlisten = \"b\"", "3: listen is set a second time"),
    ] {
        refused(text, &format!("a.toml:{message}"));
    }
    let message = load("[server\nlisten = 1").unwrap_err();
    assert!(message.starts_with("a.toml:1: ") && !message.contains('\n'), "{message}");
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let mut written = written("[server]\nlisten = \"127.0.0.1:1\"\n[queue]\nmax_waiting = 5")
        .with("ATELIER_SERVER__LISTEN", "127.0.0.1:2")
        .with("ATELIER_LIMITS__MEMORY", "2GiB")
        .with("ATELIER_MAIL__ALLOW", "*@example.org, me@example.net")
        .with("ATELIER_SERVER__ALLOWED_HOSTS", "[\"a.example\", \"b.example\"]")
        .with("ATELIER_LIMITS__PIXELS", "1_000");
    let config = written.load().unwrap();
    assert_eq!((config.server.listen.port(), config.max_waiting), (2, 5));
    assert_eq!((config.limits.memory_bytes, config.limits.pixels), (2 << 30, 1000));
    assert_eq!(config.mail.allow, ["*@example.org", "me@example.net"]);
    assert_eq!(config.server.allowed_hosts, ["a.example", "b.example"]);
    written.sources.flags.push(("--listen", "server.listen", "127.0.0.1:3".to_owned()));
    assert_eq!(written.load().unwrap().server.listen.port(), 3);
    written.sources.flags.push(("--data", "data.dir", String::new()));
    assert_eq!(written.load().unwrap_err(), "--data: data.dir: the value is empty; leave the key out instead");
}

#[test]
fn an_unknown_variable_is_named_and_other_variables_are_let_be() {
    let others = written("").with("ATELIER_SERVER", "http://x").with("ATELIER_TOKEN", "t").with("ATELIER_X", "1");
    assert_eq!(others.load(), Ok(Config::default()));
    let message = written("").with("ATELIER_SERVER__PORT", "1").load().unwrap_err();
    assert!(message.starts_with("ATELIER_SERVER__PORT: unknown key server.port"), "{message}");
    let message = written("").with("ATELIER_AUTH__OPEN", "maybe").load().unwrap_err();
    assert_eq!(message, "ATELIER_AUTH__OPEN: auth.open: expected true or false, found \"maybe\"");
}

#[test]
fn styles_live_below_the_data_folder_unless_told_otherwise() {
    assert_eq!(load("[data]\ndir = \"/d\"").unwrap().models.dir, Path::new("/d/styles"));
    assert_eq!(load("[data]\ndir = \"/d\"\n[models]\ndir = \"m\"").unwrap().models.dir, PathBuf::from("m"));
}

const SMTP: &str = "[mail]\ntransport = \"smtp\"\nfrom = \"Atelier <a@example.org>\"\n[mail.smtp]\nhost = \"h\"\n";

#[test]
fn the_password_comes_from_a_file_or_the_environment_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    fs::write(&path, "swordfish\n").unwrap();
    let text = format!("{SMTP}username = \"u\"\npassword_file = {:?}\n", path.display().to_string());
    let smtp = |config: Config| match config.mail.transport {
        Transport::Smtp(smtp) => smtp,
        other => panic!("{other:?}"),
    };
    let config = load(&text).unwrap();
    assert!(!format!("{config:?}").contains("swordfish"));
    let from_file = smtp(config);
    assert_eq!(from_file.password, Some(Secret("swordfish".to_owned())));
    assert_eq!(from_file.security, SmtpSecurity::Tls);
    let config = written(&text).with("ATELIER_MAIL__SMTP__PASSWORD", "12345").load().unwrap();
    assert_eq!(smtp(config).password, Some(Secret("12345".to_owned())));

    let message = load(&format!("{SMTP}password = \"swordfish\"")).unwrap_err();
    assert!(message.starts_with("a.toml:6: mail.smtp.password: a password does not belong"), "{message}");
    assert!(!message.contains("swordfish"));
}

#[test]
fn keys_that_need_each_other_say_so() {
    refused("[mail]\ntransport = \"smtp\"", "a.toml:2: mail.transport: \"smtp\" also needs mail.smtp.host");
    refused("[mail]\ntransport = \"sendmail\"", "a.toml:2: mail.transport: also needs mail.from, the sender's address");
    refused(&format!("{SMTP}username = \"u\""), "a.toml:6: mail.smtp.username: also needs mail.smtp.password_file");
    refused(
        &format!("{SMTP}ca_file = \"/nowhere/ca\""),
        "a.toml:6: mail.smtp.ca_file: /nowhere/ca: No such file or directory (os error 2)",
    );
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let sources = Sources { file: Some(PathBuf::from("/nowhere/a.toml")), ..Sources::default() };
    assert_eq!(sources.load().unwrap_err().to_string(), "/nowhere/a.toml: No such file or directory (os error 2)");
    let mut sources = Sources::default();
    sources.environment.push(("ATELIER_CONFIG".into(), "/nowhere/b.toml".into()));
    assert_eq!(sources.path(), Some(PathBuf::from("/nowhere/b.toml")));
}

#[test]
fn a_reload_changes_what_it_can_and_names_the_rest() {
    let running = load("[log]\nlevel = \"info\"\n[data]\ndir = \"/d\"").unwrap();
    let new =
        written("[log]\nlevel = \"debug\"\n[data]\ndir = \"/e\"\nkeep_jobs = \"1d\"\n[devices]\nuse = [\"cpu:2\"]");
    let (config, waiting) = running.reload(&new.sources).unwrap();
    assert_eq!((config.log.level.as_str(), config.data.keep_jobs), ("debug", Duration::from_secs(86400)));
    assert_eq!((config.data.dir.as_path(), config.devices.as_slice()), (Path::new("/d"), &["auto".to_owned()][..]));
    assert_eq!(config.models.dir, Path::new("/d/styles"));
    assert_eq!(waiting, ["data.dir", "models.dir", "devices.use"]);
    assert!(running.reload(&written("[log]\nlevle = 1").sources).is_err());
}

/// One `#key = value` line of the example, with the section it stands in and the comment above it.
struct Example {
    name: String,
    toml: String,
    comment: String,
}

fn examples() -> Vec<Example> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../atelier.example.toml")).unwrap();
    let (mut section, mut comment, mut found) = (String::new(), String::new(), Vec::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some(words) = line.strip_prefix("# ") {
            comment.push_str(words);
        } else if let Some(assignment) = line.strip_prefix('#').filter(|rest| rest.contains('=')) {
            let name = format!("{section}.{}", assignment.split_once(" = ").unwrap().0);
            found.push(Example { name, toml: format!("[{section}]\n{assignment}\n"), comment: comment.clone() });
        } else {
            comment.clear();
        }
    }
    found
}

#[test]
fn the_example_lists_every_key_with_its_default() {
    let examples = examples();
    let names: Vec<_> = examples.iter().map(|example| example.name.as_str()).collect();
    let keys: Vec<_> = KEYS.iter().map(|key| key.name).filter(|name| *name != PASSWORD).collect();
    assert_eq!(names, keys, "the example has every key, in the order of the table, and no other");

    let defaults = examples.iter().filter(|example| !example.comment.contains("No default"));
    for example in defaults {
        assert_eq!(load(&example.toml), Ok(Config::default()), "{}", example.name);
    }
    for (example, key) in examples.iter().zip(KEYS.iter().filter(|key| key.name != PASSWORD)) {
        assert_eq!(example.comment.contains("(restart)"), key.fixed.is_some(), "{}", example.name);
    }
}

#[test]
fn an_example_without_a_default_is_read_too() {
    for example in examples().iter().filter(|example| example.comment.contains("No default")) {
        let config = load(&example.toml).unwrap();
        // What concerns a mail server counts only with mail.transport = "smtp".
        assert_eq!(config == Config::default(), example.name.starts_with("mail.smtp."), "{}", example.name);
    }
}

#[test]
fn data_sets_have_names_of_their_own_in_the_file_and_the_environment() {
    let photos = |config: &Config| {
        let datasets = config.train.datasets.iter();
        datasets.map(|(name, folder)| format!("{name} {}", folder.display())).collect::<Vec<_>>()
    };
    let file = "[train.datasets]\ncoco = \"/srv/coco\"\nmine = \"photos\"\n";
    assert_eq!(photos(&load(file).unwrap()), ["coco /srv/coco", "mine photos"]);
    let set = written(file).with("ATELIER_TRAIN__DATASETS__MINE", "/mine");
    assert_eq!(photos(&set.load().unwrap()), ["coco /srv/coco", "mine /mine"]);
    let whole = written(file).with("ATELIER_TRAIN__DATASETS", "{ other = \"o\" }");
    assert_eq!(photos(&whole.load().unwrap()), ["other o"]);

    refused(
        "[train]\ndatasets = \"photos\"",
        "a.toml:2: train.datasets: expected names with their folders, such as { mine = \"photos\" }, found \"photos\"",
    );
    refused(
        "[train.datasets]\nbuiltin = \"x\"",
        "a.toml:2: train.datasets.builtin: \"builtin\" is the data set in the program; choose another name",
    );
    refused(
        "[train.datasets]\n\"Mine/x\" = \"x\"",
        "a.toml:2: train.datasets.Mine/x: \"Mine/x\" is no name for a data set; use a-z, 0-9, - and _, at most 64 characters",
    );
    refused("[train.datasets]\nmine = 3", "a.toml:2: train.datasets.mine: expected a text in quotes, found 3");
}
