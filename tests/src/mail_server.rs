//! Postfix, where it is installed: a mail server that nobody here wrote, with its own folders and ports.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::installed::{installed, not_tested};

/// The user that Debian's Postfix runs as, whose number is read off the system's list.
const USER: &str = "postfix";

/// Who owns the letters that were delivered.
const NOBODY: u32 = 65534;

/// The largest letter that the server takes.
pub const MOST_BYTES: usize = 60_000;

/// A running mail server for `example.org`. All its processes end with it.
///
/// It knows the login `atelier`, `swordfish`. Of its recipients, `nobody@` does not exist, the box of `full@` is full, and
/// `grey@` is put off the first time.
pub struct MailServer {
    folder: TempDir,
    child: Child,
    /// Takes letters from this machine, without encryption or login.
    pub plain_port: u16,
    /// Wants STARTTLS and a login.
    pub starttls_port: u16,
    /// Wants TLS from the first byte and a login.
    pub tls_port: u16,
}

impl MailServer {
    /// Starts a server. Where Postfix is not installed, or the test may not start it, it says so, and there is none.
    #[must_use]
    pub fn start() -> Option<Self> {
        let user = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = user.lines().find_map(|line| line.strip_prefix(USER)?.split(':').nth(2)?.parse::<u32>().ok());
        let (Some(postfix), Some(saslpasswd), Some(user)) = (installed("postfix"), installed("saslpasswd2"), user)
        else {
            not_tested("with a real mail server: install Postfix (Debian: postfix sasl2-bin)");
            return None;
        };
        if !rustix::process::geteuid().is_root() {
            not_tested("with a real mail server: Postfix is started by root only");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        // Postfix works as other users, which must get in.
        std::fs::set_permissions(at, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for (name, owner) in [("etc", 0), ("etc/sasl", 0), ("queue", 0), ("data", user), ("mail", NOBODY)] {
            std::fs::create_dir(at.join(name)).unwrap();
            chown(at.join(name), Some(owner), None).unwrap();
        }
        let [plain_port, starttls_port, tls_port] = free_ports();
        certify(at);
        add_login(&saslpasswd, at, user);
        std::fs::write(at.join("etc/main.cf"), main_cf(at, put_off_the_first_time())).unwrap();
        std::fs::write(at.join("etc/master.cf"), master_cf(plain_port, starttls_port, tls_port)).unwrap();
        let child = Command::new(postfix)
            .arg("-c")
            .arg(at.join("etc"))
            .arg("start-fg")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { folder, child, plain_port, starttls_port, tls_port };
        server.greeted();
        Some(server)
    }

    /// Returns the certificate of the authority that vouches for the server.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Returns every letter that was delivered.
    #[must_use]
    pub fn letters(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("mail/inbox/new")) else { return Vec::new() };
        entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }

    /// Waits until so many letters have been delivered: a letter is on its way inside the server when it is taken.
    #[must_use]
    pub fn delivered(&self, count: usize) -> Vec<String> {
        let letters = || Some(self.letters()).filter(|letters| letters.len() >= count);
        eventually(letters).unwrap_or_else(|| panic!("{} of {count} letters; {}", self.letters().len(), self.log()))
    }

    /// Returns what the server wrote down.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("data/log")).unwrap_or_default()
    }

    fn greeted(&self) {
        let greeting = || {
            let stream = std::net::TcpStream::connect(("127.0.0.1", self.plain_port)).ok()?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).ok()?;
            line.starts_with("220 ").then_some(())
        };
        eventually(greeting).unwrap_or_else(|| panic!("no greeting; {}", self.log()));
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.folder.path().join("queue/pid/master.pid"));
        let pid = pid.ok().and_then(|text| Pid::from_raw(text.trim().parse().ok()?));
        if let Some(pid) = pid {
            // The master leads a group of its own; what it started ends with it.
            let _ = kill_process_group(pid, Signal::TERM);
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is something to see, for a minute at most.
fn eventually<T>(look: impl Fn() -> Option<T>) -> Option<T> {
    (0..1200).find_map(|_| {
        let seen = look();
        if seen.is_none() {
            std::thread::park_timeout(Duration::from_millis(50));
        }
        seen
    })
}

/// Returns ports that nobody listens on.
#[must_use]
pub fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until all are known, or the system would give the same one twice.
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// Writes the certificates of an authority and of `localhost`.
fn certify(folder: &Path) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(folder.join("ca.pem"), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    std::fs::write(folder.join("certificate.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

/// Writes the login's database and says that it counts.
fn add_login(saslpasswd: &Path, folder: &Path, owner: u32) {
    let database = folder.join("etc/sasl/logins");
    let mut child = Command::new(saslpasswd)
        .args(["-p", "-c", "-u", "mail.test", "-f"])
        .arg(&database)
        .arg("atelier")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().expect("it was asked for").write_all(b"swordfish\n").unwrap();
    assert!(child.wait().unwrap().success());
    chown(&database, Some(owner), None).unwrap();
    let mut settings = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n".to_owned();
    writeln!(settings, "sasldb_path: {}", database.display()).unwrap();
    std::fs::write(folder.join("etc/sasl/smtpd.conf"), settings).unwrap();
}

/// Answers Postfix's questions about recipients on a thread (its policy protocol) and returns the port: `grey@` is put
/// off the first time.
fn put_off_the_first_time() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = move || {
        let mut known = HashSet::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut words = stream.try_clone().unwrap();
            let mut recipient = String::new();
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                match line.strip_prefix("recipient=") {
                    Some(named) => named.clone_into(&mut recipient),
                    None if line.is_empty() => {
                        let is_new = recipient.starts_with("grey") && known.insert(recipient.clone());
                        let action = if is_new { "451 4.7.1 come back later" } else { "DUNNO" };
                        if words.write_all(format!("action={action}\n\n").as_bytes()).is_err() {
                            break;
                        }
                    }
                    None => {}
                }
            }
        }
    };
    std::thread::Builder::new().name("policy".to_owned()).spawn(answer).unwrap();
    port
}

fn main_cf(folder: &Path, policy_port: u16) -> String {
    let at = folder.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {at}/queue
data_directory = {at}/data
maillog_file = {at}/data/log
maillog_file_prefixes = {at}
myhostname = mail.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
alias_database =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {at}/mail
virtual_mailbox_maps = static:inbox/
virtual_mailbox_limit = 0
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
message_size_limit = {MOST_BYTES}
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {at}/certificate.pem
smtpd_tls_key_file = {at}/key.pem
smtpd_sasl_auth_enable = yes
smtpd_recipient_restrictions =
  check_recipient_access inline:{{
    {{ nobody@example.org = 550 5.1.1 no such person }},
    {{ full@example.org = 452 4.2.2 mailbox full }} }},
  check_policy_service inet:127.0.0.1:{policy_port},
  permit_sasl_authenticated, $may_do_without
may_do_without = reject
"
    )
}

fn master_cf(plain: u16, starttls: u16, tls: u16) -> String {
    format!(
        "postlog unix-dgram n - n - 1 postlogd
127.0.0.1:{plain} inet n - n - - smtpd -o smtpd_tls_security_level=none -o smtpd_sasl_auth_enable=no
  -o may_do_without=permit_mynetworks
127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
"
    )
}
