//! What answers do that come late, or say no.

use super::super::fixtures::filled;
use super::*;

fn answer(app: &mut App, answer: Answer) {
    let now = app.now;
    update(app, now, Input::Answer(answer));
}

/// Sends the form and has it refused.
fn refused(app: &mut App, why: &str) -> Answer {
    let effects = press(app, "<Enter>");
    let Some(Effect::Send(form, _)) = effects.into_iter().next() else { panic!("not sent: {:?}", app.overlay) };
    assert_eq!(app.overlay, None);
    Answer::Returned(Box::new(form::Form { problem: Some(why.to_owned()), ..*form }))
}

#[test]
fn a_form_that_is_refused_comes_back_as_it_was_filled_in() {
    let mut app = app();
    let form = filled(&mut app);
    let returned = refused(&mut app, "mum@example is no address");
    answer(&mut app, returned);
    let told = form::Form { problem: Some("mum@example is no address".to_owned()), ..form };
    assert_eq!(app.overlay, Some(Overlay::Form(told)));
    let effects = press(&mut app, ".org<Enter>");
    let Effect::Submit(_, order) = &sent(&effects)[0] else { panic!("{effects:?}") };
    assert_eq!((order.strength, order.email.as_deref()), (Some(0.5), Some("mum@example.org")));
}

#[test]
fn a_form_that_is_refused_waits_until_nothing_else_lies_there() {
    let mut app = app();
    filled(&mut app);
    let returned = refused(&mut app, "the queue is full");
    press(&mut app, "?");
    answer(&mut app, returned);
    assert!(matches!(app.overlay, Some(Overlay::Help { .. })), "{:?}", app.overlay);
    press(&mut app, "<Esc>");
    let returned = refused(&mut app, "the queue is full");
    press(&mut app, "/wave");
    answer(&mut app, returned);
    assert_eq!(app.overlay, None, "letters go on into the filter");
    press(&mut app, "<Enter>");
    let Some(Overlay::Form(form)) = &app.overlay else { panic!("{:?}", app.overlay) };
    assert_eq!(form.problem.as_deref(), Some("the queue is full"));
    press(&mut app, "<Esc>");
    assert_eq!(app.overlay, None, "it is dropped like any other");
}

#[test]
fn a_preview_is_labelled_with_the_step_that_it_shows() {
    let mut app = trained();
    let picture = || Picture::new(3, 2, vec![9; 3 * 2 * 3]);
    let step = |app: &App| app.training.run(id(9)).unwrap().preview_step;
    assert!(press(&mut app, "2").contains(&Effect::Preview(id(9), Some(60))));
    answer(&mut app, Answer::Preview(id(9), Some(60), picture()));
    let effects = hear(&mut app, EventBody::Preview { job: id(9), step: 80 });
    assert_eq!(effects, [Effect::Preview(id(9), Some(80)), Effect::Checkpoints(id(9))]);
    assert_eq!(step(&app), Some(60), "the newer one is on its way");
    answer(&mut app, Answer::Preview(id(9), Some(80), picture()));
    assert_eq!(step(&app), Some(80));
    update(&mut app, at(1), lost("gone"));
    let effects = update(&mut app, at(2), connected(Role::Admin));
    assert!(effects.contains(&Effect::Preview(id(9), None)), "there may be a newer one: {effects:?}");
}

#[test]
fn a_preview_that_came_out_of_view_is_fetched_when_its_run_is_shown_next() {
    let mut app = trained();
    let newest = |step| [Effect::Preview(id(9), Some(step)), Effect::Checkpoints(id(9))];
    press(&mut app, "2j");
    assert_eq!(hear(&mut app, EventBody::Preview { job: id(9), step: 80 }), []);
    assert_eq!(press(&mut app, "k"), newest(80));
    press(&mut app, "1");
    assert_eq!(hear(&mut app, EventBody::Preview { job: id(9), step: 90 }), []);
    assert_eq!(press(&mut app, "2"), newest(90));
    assert_eq!(press(&mut app, "12"), [], "it is on its way");
}

#[test]
fn an_answer_that_comes_late_changes_nothing_that_an_event_has_told() {
    let mut app = empty();
    update(&mut app, at(0), connected(Role::Admin));
    let told = |number: u8| jobs().into_iter().find(|job| job.id == id(number)).unwrap();
    let queued = |number: u8| Box::new(Job { state: JobState::Queued { steps_done: 0 }, ..told(number) });
    for number in [1, 5] {
        hear(&mut app, EventBody::State(Box::new(told(number))));
        answer(&mut app, Answer::Accepted(queued(number)));
        answer(&mut app, Answer::Changed(Change::Resume, queued(number)));
        assert_eq!(app.jobs.get(id(number)), Some(&told(number)));
    }
    assert_eq!(app.notice.as_ref().unwrap().text, format!("{}  queued", id(5).short()), "it is told nevertheless");
    hear(&mut app, EventBody::Forgotten { job: id(1) });
    answer(&mut app, Answer::Accepted(queued(1)));
    assert_eq!(app.jobs.get(id(1)), None);
}
