#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::*;
use crate::config::Secret;
use crate::mail::test_server::{Mood, Server, message};

fn settings(address: SocketAddr, security: SmtpSecurity) -> Smtp {
    Smtp {
        host: "localhost".to_owned(),
        port: Some(address.port()),
        security,
        username: None,
        password: None,
        ca_file: None,
    }
}

fn relay(settings: &Smtp) -> Relay {
    let patience = Patience { connect: Duration::from_millis(300), send: Duration::from_millis(300) };
    Relay { patience, ..Relay::new(settings).unwrap() }
}

/// A server's side of TLS for `localhost`, and the file of the authority that vouches for it.
fn authority(folder: &Path) -> (TlsAcceptor, std::path::PathBuf) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_file = folder.join("ca.pem");
    std::fs::write(&ca_file, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(server)), ca_file)
}

async fn outcome(mood: Mood) -> Outcome {
    let server = Server::start(mood, None, false).await;
    relay(&settings(server.address, SmtpSecurity::None)).send(&message()).await
}

#[tokio::test]
async fn a_letter_arrives_as_it_was_written() {
    let server = Server::start(Mood::Good, None, false).await;
    let outcome = relay(&settings(server.address, SmtpSecurity::None)).send(&message()).await;
    assert_eq!(outcome, Outcome::Delivered("250 taken as 4711".to_owned()));
    let expected = String::from_utf8(message().formatted()).unwrap().replace("\r\n.\r\n", "\r\n..\r\n");
    assert_eq!(server.taken().concat().trim_end(), expected.trim_end());
    assert!(server.heard().iter().any(|line| line == "RCPT TO:<me@example.org>"), "{:?}", server.heard());
}

#[tokio::test]
async fn a_refusal_for_now_is_tried_again_and_one_for_good_is_not() {
    for (mood, is_final) in [
        (Mood::Says("RCPT", "450 mailbox busy"), false),
        (Mood::Says("RCPT", "550 no such user"), true),
        (Mood::Says(".", "451 try later"), false),
        (Mood::Says(".", "554 this is spam"), true),
        (Mood::Says("DATA", "421 closing"), false),
        (Mood::Says("MAIL", "530 log in first"), false),
        (Mood::Says("EHLO", "554 nobody is served"), false),
        (Mood::Says("RCPT", "nonsense"), false),
    ] {
        match outcome(mood).await {
            Outcome::Refused(answer) => assert!(is_final, "{mood:?}: {answer}"),
            Outcome::TryAgain(answer) => assert!(!is_final, "{mood:?}: {answer}"),
            Outcome::Delivered(answer) => panic!("{mood:?}: {answer}"),
        }
    }
    let Outcome::Refused(answer) = outcome(Mood::Says("RCPT", "550 no such user")).await else { panic!() };
    assert!(answer.contains("550") && answer.contains("no such user"), "{answer}");
}

#[tokio::test]
async fn a_server_that_stalls_or_cuts_is_tried_again() {
    for mood in ["EHLO", "MAIL", "DATA", "."].into_iter().flat_map(|at| [Mood::Stalls(at), Mood::Cuts(at)]) {
        assert!(matches!(outcome(mood).await, Outcome::TryAgain(_)), "{mood:?}");
    }
    // A taken letter stays taken, whatever the goodbye is like.
    assert!(matches!(outcome(Mood::Cuts("QUIT")).await, Outcome::Delivered(_)));
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcome = relay(&settings(address, SmtpSecurity::None)).send(&message()).await;
    assert!(matches!(outcome, Outcome::TryAgain(_)), "{outcome:?}");
}

#[tokio::test]
async fn letter_and_login_are_encrypted_with_a_private_authority() {
    let folder = tempfile::tempdir().unwrap();
    for security in [SmtpSecurity::Tls, SmtpSecurity::Starttls] {
        let (acceptor, ca_file) = authority(folder.path());
        let server = Server::start(Mood::Good, Some(acceptor), security == SmtpSecurity::Tls).await;
        let known = Smtp {
            ca_file: Some(ca_file),
            username: Some("atelier".to_owned()),
            password: Some(Secret("swordfish".to_owned())),
            ..settings(server.address, security)
        };
        let relay = Relay { patience: Patience::default(), ..Relay::new(&known).unwrap() };
        assert_eq!(relay.probe().await, Ok(()));
        assert!(matches!(relay.send(&message()).await, Outcome::Delivered(_)), "{security:?}");
        let heard = server.heard();
        let login = heard.iter().position(|line| line.starts_with("AUTH PLAIN")).unwrap();
        assert!(login > heard.iter().position(|line| line == "STARTTLS").unwrap_or(0), "{heard:?}");

        let unknown = Smtp { ca_file: None, ..known };
        let outcome = Relay::new(&unknown).unwrap().send(&message()).await;
        assert!(matches!(&outcome, Outcome::TryAgain(answer) if answer.contains("certificate")), "{outcome:?}");
        assert_eq!(server.taken().len(), 1, "nothing is said to a stranger");
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_said() {
    let server = Server::start(Mood::Good, None, false).await;
    let login = Smtp {
        username: Some("atelier".to_owned()),
        password: Some(Secret("swordfish".to_owned())),
        ..settings(server.address, SmtpSecurity::Starttls)
    };
    assert!(matches!(relay(&login).send(&message()).await, Outcome::TryAgain(_)));
    assert!(server.heard().iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{:?}", server.heard());
}

#[tokio::test]
async fn a_wrong_password_is_no_fault_of_the_letter() {
    let server = Server::start(Mood::Says("AUTH", "535 wrong password"), None, false).await;
    let login = Smtp {
        username: Some("atelier".to_owned()),
        password: Some(Secret("swordfish".to_owned())),
        ..settings(server.address, SmtpSecurity::None)
    };
    let Outcome::TryAgain(answer) = relay(&login).send(&message()).await else { panic!() };
    assert!(answer.contains("535") && !answer.contains("swordfish"), "{answer}");
}
