//! The daemon's numbers, for Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::intake::Intake;

/// In seconds: from the milliseconds of a status page to the minutes of an upload over a bad line.
const BUCKETS: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];

/// Everything that is counted, and what is read off the daemon when somebody asks.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Route, Histogram>,
    jobs: Family<InState, Gauge>,
    queue: Gauge,
    disk: Gauge,
    busy: Family<OnDevice, Gauge>,
    memory: Family<OnDevice, Gauge>,
    utilisation: Family<OnDevice, Gauge<f64, AtomicU64>>,
    temperature: Family<OnDevice, Gauge<f64, AtomicU64>>,
    styles: Family<InState, Gauge>,
    uptime: Gauge,
    ready: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OnDevice {
    device: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("atelier"),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            jobs: Family::default(),
            queue: Gauge::default(),
            disk: Gauge::default(),
            busy: Family::default(),
            memory: Family::default(),
            utilisation: Family::default(),
            temperature: Family::default(),
            styles: Family::default(),
            uptime: Gauge::default(),
            ready: Gauge::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let to = &mut self.registry;
        to.register("http_requests", "Answered requests", self.requests.clone());
        to.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer's",
            Unit::Seconds,
            self.durations.clone(),
        );
        to.register("jobs", "Jobs by state", self.jobs.clone());
        to.register("queue_length", "Jobs that wait for a device", self.queue.clone());
        to.register_with_unit("spool", "Room that photos and results take on the disk", Unit::Bytes, self.disk.clone());
        to.register("device_busy", "Whether a device works right now", self.busy.clone());
        to.register_with_unit("device_memory", "Memory that a device can use", Unit::Bytes, self.memory.clone());
        to.register("device_utilisation", "Share of the last seconds a device was busy", self.utilisation.clone());
        to.register_with_unit("device_temperature", "A device's temperature", Unit::Celsius, self.temperature.clone());
        to.register("styles", "Styles by state", self.styles.clone());
        to.register_with_unit("uptime", "Time since the start", Unit::Seconds, self.uptime.clone());
        to.register("ready", "Whether the daemon takes work", self.ready.clone());
        self
    }

    /// Counts an answered request under its route's pattern, so that the number of series is bounded.
    pub(crate) fn count_request(&self, method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
        let route = route.unwrap_or("none").to_owned();
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        self.durations.get_or_create(&Route { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answered { method, route, status: status.as_u16() }).inc();
    }

    /// Reads the daemon's state and writes everything in the `OpenMetrics` text format.
    #[must_use]
    pub(crate) fn render(&self, intake: &Intake) -> String {
        let status = intake.status();
        self.queue.set(status.queued as i64);
        self.uptime.set(status.uptime.as_secs() as i64);
        self.ready.set(i64::from(status.ready.is_ok()));
        self.disk.set(status.disk_bytes as i64);
        for (state, jobs) in status.jobs {
            self.jobs.get_or_create(&InState { state: state.to_string() }).set(jobs as i64);
        }
        for device in intake.devices() {
            let label = OnDevice { device: device.name };
            self.busy.get_or_create(&label).set(i64::from(device.busy));
            self.memory.get_or_create(&label).set(i64::try_from(device.memory_bytes).unwrap_or(i64::MAX));
            if let Some(share) = device.utilisation {
                self.utilisation.get_or_create(&label).set(share);
            }
            if let Some(degrees) = device.temperature {
                self.temperature.get_or_create(&label).set(degrees);
            }
        }
        self.count_styles(intake);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes everything");
        text
    }

    fn count_styles(&self, intake: &Intake) {
        let styles = intake.styles();
        for state in protocol::StyleState::ALL {
            let count = styles.iter().filter(|style| style.state == *state).count();
            self.styles.get_or_create(&InState { state: state.to_string() }).set(count as i64);
        }
    }
}
