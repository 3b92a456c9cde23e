//! The standard services: health and reflection, for our client and for one that we did not write.

use std::time::Duration;

use protocol::wire::{JobRequest, atelier_client::AtelierClient};
use tests::{Served, puppet};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

fn is(answer: HealthCheckResponse, status: ServingStatus) {
    assert_eq!(answer.status(), status);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_readiness() {
    let served = Served::open(vec![puppet("a").0]).await;
    let mut client = HealthClient::new(served.channel().await);
    for service in ["", "atelier.v1.Atelier"] {
        is(client.check(of(service)).await.unwrap().into_inner(), ServingStatus::Serving);
    }
    assert_eq!(client.check(of("nobody")).await.unwrap_err().code(), tonic::Code::NotFound);
    let mut watch = client.watch(of("")).await.unwrap().into_inner();
    is(watch.message().await.unwrap().unwrap(), ServingStatus::Serving);
    served.house.daemon().drain();
    let told = tokio::time::timeout(Duration::from_secs(20), watch.message()).await.expect("a watcher is told in time");
    is(told.unwrap().unwrap(), ServingStatus::NotServing);
    is(client.check(of("")).await.unwrap().into_inner(), ServingStatus::NotServing);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_needs_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    daemon::access::tokens::add(&file, "me", daemon::access::Role::Admin).unwrap();
    let served = Served::open_with(vec![puppet("a").0], |config| config.auth.tokens_file = Some(file)).await;
    let mut client = HealthClient::new(served.channel().await);
    is(client.check(of("")).await.unwrap().into_inner(), ServingStatus::Serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_services_and_methods_are_unimplemented() {
    let served = Served::open(vec![puppet("a").0]).await;
    let channel = served.channel().await;
    let origin: tonic::codegen::http::Uri = format!("{}/nobody", served.url()).parse().unwrap();
    let mut elsewhere = AtelierClient::with_origin(channel, origin);
    let status = elsewhere.get_job(JobRequest { id: "00000000".to_owned() }).await.unwrap_err();
    assert!(matches!(status.code(), tonic::Code::Unimplemented | tonic::Code::NotFound), "{status:?}");
}

/// The Python libraries are the ones that people use beside grpcurl. They learn the service by reflection alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_we_did_not_write_finds_its_way_by_reflection() {
    let served = Served::open(vec![puppet("a").0]).await;
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/foreign_client.py");
    let address = served.url().replace("http://", "");
    let output = tokio::process::Command::new(&python).arg(script).arg(address).output().await;
    let installed = output.as_ref().is_ok_and(|output| output.status.code() != Some(77));
    if !installed {
        let line = "grpcio, grpcio-reflection and grpcio-health-checking are not installed for python3 (or $PYTHON)";
        assert!(std::env::var_os("ATELIER_REQUIRE_SERVERS").is_none_or(|value| value != "1"), "{line}");
        eprintln!("skipped: {line}");
        return;
    }
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
