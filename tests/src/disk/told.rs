//! What a daemon has told its clients, read off what left by its sockets.

use std::collections::BTreeMap;

use protocol::JobId;
use serde_json::Value;

use super::call::{Call, What};

/// Something that was told.
#[derive(Clone, Debug)]
pub struct Fact {
    /// How many calls came before it was told.
    pub after: usize,
    /// What was told.
    pub told: Told,
}

/// What can be told.
#[derive(Clone, Debug)]
pub enum Told {
    /// A job, as its public JSON.
    Job(JobId, Value),
    /// That a job is forgotten.
    Forgotten(JobId),
    /// An event's number.
    Event(u64),
    /// That a job has a checkpoint of this step.
    Checkpoint(JobId, u64),
    /// That a job's mail has left.
    Sent(JobId),
}

/// Reads off the calls everything that was told, in order.
#[must_use]
pub fn facts(calls: &[Call]) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut unfinished: BTreeMap<u64, String> = BTreeMap::new();
    for (after, call) in calls.iter().enumerate() {
        let What::Said(said) = &call.what else { continue };
        let text = unfinished.entry(call.inode).or_default();
        text.push_str(&String::from_utf8_lossy(said));
        let mut add = |told| facts.push(Fact { after, told });
        // An event ends with an empty line; an answer, when the next one begins or the text is a whole value.
        while let Some(end) = text.find("\n\n") {
            event(&text[..end], &mut add);
            text.drain(..end + 2);
        }
        if let Some((_, body)) = text.rsplit_once("\r\n\r\n")
            && let Ok(value) = serde_json::from_str::<Value>(body)
        {
            if text.starts_with("HTTP/1.1 20") {
                answer(value, &mut add);
            }
            text.clear();
        }
    }
    facts
}

fn answer(value: Value, add: &mut impl FnMut(Told)) {
    let id = |key: &str| value[key].as_str().and_then(|text| text.parse().ok());
    if let Some(job) = id("job")
        && let Some(step) = value["checkpoints"][0]["step"].as_u64()
    {
        add(Told::Checkpoint(job, step));
    } else if let Some(job) = id("id")
        && value["state"].is_string()
    {
        add(Told::Job(job, value));
    }
}

fn event(text: &str, add: &mut impl FnMut(Told)) {
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let (Some(number), Some(name), Some(data)) = (line("id: "), line("event: "), line("data: ")) else { return };
    let data: Value = serde_json::from_str(data).unwrap();
    let id = |key: &str| data[key].as_str().and_then(|text| text.parse().ok());
    add(Told::Event(number.parse().unwrap()));
    match name {
        "state" => add(Told::Job(id("id").expect("a job has an id"), data)),
        "mail" if data["state"] == "sent" => add(Told::Sent(id("job").expect("it names a job"))),
        "forgotten" => add(Told::Forgotten(id("job").expect("it names a job"))),
        _ => {}
    }
}
