//! Crowds that mean no good, against the real daemon: health is answered, memory stays bounded, others are served.
//!
//! `ATELIER_CROWD` multiplies the crowds of the default test and holds every answer about health to 100 ms.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::picture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::program::{Running, atelierd};

/// Connections of the daemon under test and of its crowds, where `ATELIER_CROWD` asks for no more.
const CONNECTIONS: usize = 100;

/// What the daemon's memory may grow by, whatever a crowd does.
const MOST_GROWTH: u64 = 256 << 20;

/// How long any answer may take before it counts as never.
const LONG: Duration = Duration::from_secs(30);

/// How many times the default crowd comes.
fn crowds() -> usize {
    std::env::var("ATELIER_CROWD").map_or(1, |text| text.parse().unwrap())
}

/// A daemon, and somebody who asks all the time how it does.
struct Besieged {
    daemon: Running,
    memory: u64,
    enough: CancellationToken,
    watch: JoinHandle<Duration>,
    /// How many a crowd is: five times as many as the daemon has places for.
    crowd: usize,
}

impl Besieged {
    fn start(folder: &Path) -> Self {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
        let connections = crowds() * CONNECTIONS;
        let mut command = atelierd(folder);
        command.args(["--listen", "127.0.0.1:0", "--data", "data"]);
        command.env("ATELIER_LIMITS__CONNECTIONS", connections.to_string());
        let daemon = Running::start_as(&mut command);
        let (enough, address) = (CancellationToken::new(), daemon.address.clone());
        let watch = tokio::spawn(watch_health(address, enough.clone()));
        let memory = daemon.resident_bytes();
        Self { daemon, memory, enough, watch, crowd: 5 * connections }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.daemon.address).await.unwrap()
    }

    /// Lets so many connect and say something; they stay until they are dropped.
    async fn crowd(&self, count: usize, said: &[u8]) -> Vec<TcpStream> {
        let mut crowd = Vec::new();
        for _ in 0..count {
            let mut stream = self.connect().await;
            // Who was hung up on already can say nothing more.
            let _ = stream.write_all(said).await;
            crowd.push(stream);
        }
        crowd
    }

    /// Asks for something as a client of good will does, on a connection of its own.
    async fn ask(&self, request: &str, body: &[u8]) -> String {
        let mut stream = self.connect().await;
        let head =
            format!("{request}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("it is answered").unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Asks until the answer has a status, and returns it: what a crowd has sent, and that it has gone, the daemon reads
    /// a moment later.
    async fn is_answered_with(&self, status: &str) -> String {
        let begin = format!("HTTP/1.1 {status} ");
        let answered = async {
            loop {
                let answer = self.ask("GET /v1/styles HTTP/1.1", b"").await;
                if answer.starts_with(&begin) {
                    return answer;
                }
            }
        };
        tokio::time::timeout(LONG, answered).await.expect("the places are taken, or free again")
    }

    /// Checks that somebody else's photo is painted.
    async fn others_are_served(&self) {
        let request = "POST /v1/stylize?style=great-wave HTTP/1.1\r\nContent-Type: image/png\r\nPrefer: wait=20";
        let answer = self.ask(request, &picture(8, 6)).await;
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }

    /// Waits until a job is at work, and counts from then on what the crowd costs: a painting by pixels takes memory.
    async fn is_at_work(&mut self) {
        let deadline = Instant::now() + LONG;
        let mut looks = interval(Duration::from_millis(50));
        loop {
            looks.tick().await;
            let running = self.ask("GET /v1/jobs?state=running HTTP/1.1", b"").await;
            if running.split_once("\"done\":").is_some_and(|(_, done)| !done.starts_with("0,")) {
                break;
            }
            assert!(Instant::now() < deadline, "nothing is at work: {running}");
        }
        self.memory = self.daemon.resident_bytes();
    }

    /// Sends a painting by pixels of many steps.
    async fn one_more_waits(&self) {
        let photo = picture(64, 64);
        let field = |name: &str, value: &[u8]| {
            let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            [head.as_bytes(), value, b"\r\n"].concat()
        };
        // Adam never finds that it is done.
        let texts = [field("steps", b"100000"), field("optimizer", b"adam")].concat();
        let fields = [texts, field("image", &photo), field("artwork", &photo), b"--b--\r\n".to_vec()];
        let request = "POST /v1/paint HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b";
        let answer = self.ask(request, &fields.concat()).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }

    /// Floods the daemon with pieces on one HTTP/2 connection, and returns whether it hung up.
    async fn is_ended_by_hanging_up(&self, piece: impl Fn(u32) -> Vec<u8>) -> bool {
        let mut stream = self.connect().await;
        stream.write_all(&begin()).await.unwrap();
        let has_ended = is_hung_up_on(&mut stream, piece).await;
        self.others_are_served().await;
        has_ended
    }

    /// Checks at the end how health was answered and what the crowd cost.
    async fn withstood(self) {
        let growth = self.daemon.resident_bytes().saturating_sub(self.memory);
        self.enough.cancel();
        let slowest = self.watch.await.unwrap();
        eprintln!("{} at a time: health within {slowest:?}, {} MiB more memory", self.crowd, growth >> 20);
        assert!(growth < MOST_GROWTH, "{growth} bytes");
        assert!(crowds() == 1 || slowest < Duration::from_millis(100), "{slowest:?}");
    }
}

/// Asks on a new connection each time how the daemon does, and returns the longest time that an answer took.
async fn watch_health(address: String, enough: CancellationToken) -> Duration {
    let mut slowest = Duration::ZERO;
    while !enough.is_cancelled() {
        let asked = Instant::now();
        let answer = async {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::time::timeout(LONG, answer).await.expect("health is answered");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    slowest
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_half_a_head_takes_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let siege = Besieged::start(folder.path());
    for said in [&b""[..], b"GET /v1/st", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let crowd = siege.crowd(siege.crowd, said).await;
        siege.others_are_served().await;
        drop(crowd);
    }
    // Half open: this side will say nothing more, and reads nothing.
    let mut crowd = siege.crowd(siege.crowd, b"").await;
    for stream in &mut crowd {
        let _ = stream.shutdown().await;
    }
    siege.others_are_served().await;
    siege.withstood().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_take_every_place_but_healths() {
    let folder = tempfile::tempdir().unwrap();
    let siege = Besieged::start(folder.path());
    let slow = "POST /v1/stylize?style=great-wave HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n\
                Content-Length: 1000000\r\n\r\nhalf";
    let crowd = siege.crowd(siege.crowd, slow.as_bytes()).await;
    let refused = siege.is_answered_with("429").await;
    assert!(refused.contains("retry-after: "), "{refused}");
    drop(crowd);
    siege.is_answered_with("200").await;
    siege.others_are_served().await;
    siege.withstood().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_that_never_read_hold_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut siege = Besieged::start(folder.path());
    // What each of them is told first is how things are, and much waits: behind a painting that is not soon done.
    siege.one_more_waits().await;
    siege.is_at_work().await;
    for _ in 0..99 * crowds() * crowds() {
        siege.one_more_waits().await;
    }
    let watch = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let crowd = siege.crowd(siege.crowd / 10, watch).await;
    for _ in 0..20 {
        siege.others_are_served().await;
    }
    drop(crowd);
    siege.withstood().await;
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of `GET /livez`, as HPACK: three entries of its table, two literals.
const HEAD: &[u8] = b"\x82\x86\x04\x06/livez\x01\x09localhost";

/// What an HTTP/2 client begins with: its preface and its settings.
fn begin() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, b"")].concat()
}

/// How many pieces a flood has.
const FLOOD: u32 = 50_000;

/// Sends pieces until the other side has had enough; returns whether it hung up before all were sent.
async fn is_hung_up_on(stream: &mut TcpStream, piece: impl Fn(u32) -> Vec<u8>) -> bool {
    let (mut reader, mut writer) = stream.split();
    let flood = async {
        for count in 0..FLOOD {
            if writer.write_all(&piece(count)).await.is_err() {
                return true;
            }
        }
        false
    };
    // What it answers is read, lest it be our own silence that it hangs up on.
    let read = async {
        let mut scratch = vec![0; 65536];
        while reader.read(&mut scratch).await.is_ok_and(|read| read > 0) {}
        true
    };
    tokio::select! {
        ended = flood => ended,
        ended = read => ended,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_http2_frames_end_with_their_connection() {
    let folder = tempfile::tempdir().unwrap();
    let siege = Besieged::start(folder.path());
    // Requests that are taken back at once (CVE-2023-44487).
    let rapid_resets = |count| {
        let stream = 2 * count + 1;
        [frame(1, 0x5, stream, HEAD), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    // A head that never ends (CVE-2024-27316): each frame has a field of its own.
    let continuations = |count| match count {
        0 => frame(1, 0x1, 1, HEAD),
        _ => frame(9, 0, 1, &[&b"\x00\x03x-a\x7f\x81\x1f"[..], &[b'x'; 288]].concat()),
    };
    let pings = |_| frame(6, 0, 0, &[0; 8]);
    let settings = |_| frame(4, 0, 0, b"");
    let empty = |count| if count == 0 { frame(1, 0x4, 1, HEAD) } else { frame(0, 0, 1, b"") };
    assert!(siege.is_ended_by_hanging_up(rapid_resets).await);
    assert!(siege.is_ended_by_hanging_up(continuations).await);
    // These cost too little to be hung up on for.
    siege.is_ended_by_hanging_up(pings).await;
    siege.is_ended_by_hanging_up(settings).await;
    siege.is_ended_by_hanging_up(empty).await;
    siege.withstood().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_thousands_of_parts_and_a_token_of_megabytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let siege = Besieged::start(folder.path());
    let part = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n";
    let unknown = part.replace("note", "nothing");
    let nested = "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".repeat(1000);
    let post = "POST /v1/stylize HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b";
    for form in [part.repeat(5000), unknown.repeat(5000), nested, "--b\r\n".repeat(100_000), "\r\n".repeat(500_000)] {
        let answer = siege.ask(post, form.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let mut stream = siege.connect().await;
    let token = format!("GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}", "x".repeat(4 << 20));
    // It need not be read to its end.
    let _ = stream.write_all(token.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("it is hung up on");
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    siege.others_are_served().await;
    siege.withstood().await;
}

/// A package of some hundred kilobytes, with weights of so many bytes.
fn swelling(weights: u64) -> Vec<u8> {
    let mut package = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let mut add = |name: &str, bytes: u64, content: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o644);
        package.append_data(&mut header, name, content).unwrap();
    };
    let manifest = "title = \"a\"\narchitecture = \"johnson\"\nweights = \"weights.safetensors\"";
    add("style.toml", manifest.len() as u64, &mut manifest.as_bytes());
    add("weights.safetensors", weights, &mut std::io::repeat(0).take(weights));
    package.into_inner().unwrap().finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn small_packages_that_become_large_do_so_one_after_another() {
    const WEIGHTS: u64 = 200 << 20;
    let folder = tempfile::tempdir().unwrap();
    let siege = Besieged::start(folder.path());
    let package = swelling(WEIGHTS);
    assert!(package.len() < 1 << 20);
    let sent = (0..5).map(|number| {
        let request = format!("PUT /v1/styles/swelling-{number} HTTP/1.1\r\nContent-Type: application/gzip");
        let (siege, package) = (&siege, &package);
        async move { siege.ask(&request, package).await }
    });
    for answer in futures::future::join_all(sent).await {
        assert!(answer.starts_with("HTTP/1.1 422 "), "{answer}");
    }
    let growth = siege.daemon.peak_bytes() - siege.memory;
    assert!(growth < 2 * WEIGHTS, "{growth} bytes");
    siege.others_are_served().await;
    siege.withstood().await;
}
