//! Training and painting over gRPC, through the generated client.

use futures::Stream;
use futures::stream;
use protocol::convert::Refused;
use protocol::wire::{self, paint_request, train_request};
use protocol::{ErrorCode, Job, LossCurve, PaintOrder, Parameters, Priority, TrainOrder};
use tests::{Served, picture};
use tonic::Status;

fn training(order: wire::TrainOrder, artwork: &[u8]) -> impl Stream<Item = wire::TrainRequest> + Send + 'static {
    use train_request::Part;
    let chunks: Vec<_> = artwork.chunks(1000).map(|chunk| Part::Chunk(chunk.to_vec().into())).collect();
    let parts = std::iter::once(Part::Order(order)).chain(chunks);
    stream::iter(parts.map(|part| wire::TrainRequest { part: Some(part) }))
}

fn painting(parts: Vec<paint_request::Part>) -> impl Stream<Item = wire::PaintRequest> + Send + 'static {
    stream::iter(parts.into_iter().map(|part| wire::PaintRequest { part: Some(part) }))
}

fn file(bytes: &[u8]) -> Vec<paint_request::Part> {
    use paint_request::Part;
    let chunks = bytes.chunks(1000).map(|chunk| Part::Chunk(chunk.to_vec().into()));
    std::iter::once(Part::NextFile(wire::NextFile {})).chain(chunks).collect()
}

fn code(status: &Status) -> ErrorCode {
    Refused::try_from(status).unwrap_or_else(|_| panic!("no details in {status:?}")).code
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_artwork_becomes_a_training() {
    let served = Served::open(Vec::new()).await;
    let mut client = served.client().await;
    let order = TrainOrder { steps: Some(7), ..TrainOrder::new("new".parse().unwrap()) };
    let wishes = wire::Wishes {
        note: Some("for the wall".to_owned()),
        idempotency_key: Some("once".to_owned()),
        ..wire::Wishes::default()
    };
    let message = wire::TrainOrder { wishes: Some(wishes), ..order.clone().into() };
    let answer = client.train(training(message.clone(), &picture(256, 256))).await.unwrap().into_inner();
    assert!(!answer.replayed);
    let job = Job::try_from(answer.job.unwrap()).unwrap();
    assert_eq!((job.priority, job.note.as_deref()), (Priority::Batch, Some("for the wall")));
    assert_eq!(job.parameters, Parameters::Train(order.fill().unwrap()));
    let again = client.train(training(message.clone(), &picture(256, 256))).await.unwrap().into_inner();
    assert!(again.replayed && again.job.unwrap().id == job.id.to_string());

    let named = || wire::JobRequest { id: job.id.short().to_string() };
    let losses = wire::LossesRequest { id: named().id, max: Some(10) };
    let curve: LossCurve = client.get_losses(losses).await.unwrap().into_inner().try_into().unwrap();
    assert_eq!(curve, LossCurve::new(job.id, Vec::new()));
    assert!(client.list_checkpoints(named()).await.unwrap().into_inner().checkpoints.is_empty());
    assert_eq!(code(&client.get_preview(named()).await.unwrap_err()), ErrorCode::PreviewNotFound);
    let kept = client.cancel_job(wire::CancelJobRequest { id: named().id, keep: true }).await.unwrap().into_inner();
    assert_eq!(kept.state, wire::JobState::Cancelled as i32, "there is nothing to keep");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_training_is_refused_by_its_code() {
    let served = Served::open(Vec::new()).await;
    let named = |name: &str| wire::TrainOrder { name: name.to_owned(), ..wire::TrainOrder::default() };
    let artwork = picture(256, 256);
    for (order, artwork, expected) in [
        (named(""), &artwork, ErrorCode::MissingField),
        (named("../x"), &artwork, ErrorCode::InvalidField),
        (named("great-wave"), &artwork, ErrorCode::StyleExists),
        (wire::TrainOrder { steps: Some(0), ..named("x") }, &artwork, ErrorCode::InvalidField),
        (wire::TrainOrder { learning_rate: Some(f64::NAN), ..named("x") }, &artwork, ErrorCode::InvalidField),
        (wire::TrainOrder { recipe: 9, ..named("x") }, &artwork, ErrorCode::InvalidField),
        (wire::TrainOrder { dataset: Some("coco".to_owned()), ..named("x") }, &artwork, ErrorCode::UnknownDataset),
        (wire::TrainOrder { init: Some("nowhere".to_owned()), ..named("x") }, &artwork, ErrorCode::UnknownStyle),
        (named("x"), &picture(64, 64), ErrorCode::ArtworkUnusable),
        (named("x"), &Vec::new(), ErrorCode::InvalidPicture),
    ] {
        let refused = served.client().await.train(training(order.clone(), artwork)).await.unwrap_err();
        assert_eq!(code(&refused), expected, "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_and_artworks_become_a_painting_in_their_order() {
    use paint_request::Part;
    let served = Served::open(Vec::new()).await;
    let order = PaintOrder { artwork_weights: vec![3.0, 1.0], ..PaintOrder::default() };
    let mut parts = vec![Part::Order(order.clone().into())];
    parts.extend([picture(40, 30), picture(64, 64), picture(65, 64)].iter().flat_map(|picture| file(picture)));
    let answer = served.client().await.paint(painting(parts)).await.unwrap().into_inner();
    let job = Job::try_from(answer.job.unwrap()).unwrap();
    assert_eq!(job.parameters, Parameters::Paint(order.fill(2, protocol::OutputFormat::Png).unwrap()));
    let kept = std::fs::read(served.house.config.data.dir.join(format!("spool/{}/artwork-2", job.id))).unwrap();
    assert!(kept == picture(65, 64), "the second artwork is the second one sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_painting_in_the_wrong_order_is_refused() {
    use paint_request::Part;
    let served = Served::open(Vec::new()).await;
    let order = || Part::Order(wire::PaintOrder::default());
    let photo = || file(&picture(40, 30));
    let many: Vec<_> = (0..10).flat_map(|_| photo()).collect();
    for (parts, expected) in [
        (photo(), ErrorCode::MalformedRequest),
        (vec![order(), Part::Chunk(b"no file begun".to_vec().into())], ErrorCode::MalformedRequest),
        (vec![order(), order()], ErrorCode::MalformedRequest),
        (vec![order()], ErrorCode::MissingField),
        ([vec![order()], photo()].concat(), ErrorCode::InvalidField),
        ([vec![order()], many].concat(), ErrorCode::InvalidField),
    ] {
        assert_eq!(code(&served.client().await.paint(painting(parts)).await.unwrap_err()), expected);
    }
}
