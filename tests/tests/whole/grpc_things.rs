//! Styles, devices, mails and the server itself over gRPC.

use std::path::Path;

use daemon::access::{Role, tokens};
use protocol::convert::Refused;
use protocol::wire::{self, import_style_request::Part};
use protocol::{ErrorCode, Style, StyleState};
use tests::{Served, picture, puppet, upload};
use tonic::Request;
use tonic::metadata::MetadataValue;

fn package(name: &str, bytes: &[u8]) -> impl futures::Stream<Item = wire::ImportStyleRequest> + Send + 'static {
    let chunks: Vec<_> = bytes.chunks(1 << 20).map(|chunk| Part::Chunk(chunk.to_vec().into())).collect();
    let parts = std::iter::once(Part::Name(name.to_owned())).chain(chunks);
    futures::stream::iter(parts.map(|part| wire::ImportStyleRequest { part: Some(part) }))
}

/// Packs a style's folder as a person would: the files of the folder in a tar archive.
pub(crate) fn packed(folder: &Path) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all(".", folder).unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_style_can_be_added_seen_and_removed() {
    let served = Served::open(vec![puppet("a").0]).await;
    let mut client = served.client().await;
    let list = |styles: wire::ListStylesResponse| Vec::<Style>::try_from(styles).unwrap();
    let built_in = list(client.list_styles(wire::ListStylesRequest {}).await.unwrap().into_inner());
    let wave = built_in.iter().find(|style| style.name.as_str() == "great-wave").unwrap();
    assert_eq!(wave.state, StyleState::Ready);

    let bytes = packed(&served.house.config.models.dir.join("great-wave"));
    let added = client.import_style(package("my-wave", &bytes)).await.unwrap().into_inner();
    assert_eq!((added.name.as_str(), &added.digest), ("my-wave", &wave.digest));
    let styles = list(client.list_styles(wire::ListStylesRequest {}).await.unwrap().into_inner());
    assert_eq!(styles.len(), built_in.len() + 1);

    let named = || wire::StyleRequest { name: "my-wave".to_owned() };
    let mut chunks = client.get_style_preview(named()).await.unwrap().into_inner();
    let head = chunks.message().await.unwrap().unwrap();
    assert_eq!(head.media_type.as_deref(), Some("image/jpeg"));
    let first = chunks.message().await.unwrap().unwrap();
    assert!(first.data.starts_with(&[0xff, 0xd8, 0xff]));

    client.delete_style(named()).await.unwrap();
    let gone = Refused::try_from(&client.delete_style(named()).await.unwrap_err()).unwrap();
    assert_eq!(gone.code, ErrorCode::StyleNotFound);
    let broken = client.import_style(package("torn", b"not a package")).await.unwrap_err();
    assert_eq!(Refused::try_from(&broken).unwrap().code, ErrorCode::InvalidPackage);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_mails_and_the_server_say_how_they_do() {
    let (engine, puppet) = puppet("cpu:7");
    let served = Served::open(vec![engine]).await;
    let mut client = served.client().await;
    let order = wire::StylizeOrder {
        style: "great-wave".to_owned(),
        email: Some("me@example.org".to_owned()),
        ..Default::default()
    };
    let job = client.stylize(upload(order, &picture(4, 3))).await.unwrap().into_inner().job.unwrap();
    puppet.begun();
    let devices = client.list_devices(wire::ListDevicesRequest {}).await.unwrap().into_inner().devices;
    assert_eq!(devices.len(), 1);
    assert_eq!((devices[0].name.as_str(), devices[0].busy, devices[0].job.as_ref()), ("cpu:7", true, Some(&job.id)));
    let mail = client.list_mail(wire::ListMailRequest {}).await.unwrap().into_inner().mail;
    assert_eq!(mail.len(), 1);
    assert_eq!((mail[0].recipient.as_str(), &mail[0].job), ("me@example.org", &job.id));
    let server = client.get_server(wire::GetServerRequest {}).await.unwrap().into_inner();
    assert_eq!((server.role.as_str(), server.running, server.queued, server.not_ready), ("admin", 1, 0, None));
    assert_eq!(server.version, env!("CARGO_PKG_VERSION"));
}

fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_do_what_it_may_do_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let token = |role: Role| tokens::add(&file, &role.to_string(), role).unwrap();
    let (view, submit) = (token(Role::View), token(Role::Submit));
    let served = Served::open_with(vec![puppet("a").0], |config| config.auth.tokens_file = Some(file.clone())).await;
    let mut client = served.client().await;

    let code = |status: tonic::Status| Refused::try_from(&status).unwrap().code;
    let nobody = client.list_jobs(wire::ListJobsRequest::default()).await.unwrap_err();
    assert_eq!((nobody.code(), code(nobody)), (tonic::Code::Unauthenticated, ErrorCode::Unauthenticated));

    let order = || wire::StylizeOrder { style: "great-wave".to_owned(), ..Default::default() };
    client.list_jobs(with(&view, wire::ListJobsRequest::default())).await.unwrap();
    let refused = client.stylize(with(&view, upload(order(), &picture(4, 3)))).await.unwrap_err();
    assert_eq!((refused.code(), code(refused)), (tonic::Code::PermissionDenied, ErrorCode::Forbidden));

    let job = client.stylize(with(&submit, upload(order(), &picture(4, 3)))).await.unwrap().into_inner().job.unwrap();
    let named = || wire::JobRequest { id: job.id.clone() };
    let stop = || wire::CancelJobRequest { id: job.id.clone(), keep: false };
    assert_eq!(code(client.cancel_job(with(&view, stop())).await.unwrap_err()), ErrorCode::Forbidden);
    client.cancel_job(with(&submit, stop())).await.unwrap();
    assert_eq!(code(client.forget_job(with(&submit, named())).await.unwrap_err()), ErrorCode::Forbidden);
    let style = wire::StyleRequest { name: "great-wave".to_owned() };
    assert_eq!(code(client.delete_style(with(&submit, style)).await.unwrap_err()), ErrorCode::Forbidden);
    let imported = client.import_style(with(&submit, package("x", b""))).await.unwrap_err();
    assert_eq!(code(imported), ErrorCode::Forbidden);
}
