//! What a worker counts, in OpenMetrics' text.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::event::Phase;

/// The content type of [`Metrics::text`], as OpenMetrics names it.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counters of one worker. A clone counts into the same numbers.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: std::rc::Rc<Registry>,
    jobs: Family<JobLabels, Counter>,
    running: Gauge,
    slots: Gauge,
    job_seconds: Histogram,
    queue_seconds: Histogram,
    phase_seconds: Family<PhaseLabel, Histogram>,
    bytes: Family<DirectionLabel, Counter>,
    passed_on: Family<TaskLabel, Counter>,
    broker_up: Gauge,
    girder_retries: Counter,
    /// What `girder_retries` is brought up to: reporters count in threads of their own.
    retried: Arc<AtomicU64>,
}

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Into containers and volumes.
    In,
    /// Out of them.
    Out,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    task: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabel {
    task: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabel {
    direction: &'static str,
}

impl Metrics {
    /// Begins with zeros.
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("gantline");
        let jobs = Family::default();
        registry.register("jobs", "Jobs that ended, by task and outcome", jobs.clone());
        let running = Gauge::default();
        registry.register("jobs_running", "Jobs that run", running.clone());
        let slots = Gauge::default();
        registry.register("slots", "Jobs that may run at once", slots.clone());
        let job_seconds = histogram();
        registry.register("job_seconds", "From taken to ended", job_seconds.clone());
        let queue_seconds = histogram();
        let help = "From made in Girder to taken";
        registry.register("queue_seconds", help, queue_seconds.clone());
        let phase_seconds = Family::new_with_constructor(histogram as fn() -> Histogram);
        registry.register("phase_seconds", "A run's phases", phase_seconds.clone());
        let bytes = Family::default();
        registry.register("bytes", "Bytes of data moved, by direction", bytes.clone());
        let passed_on = Family::default();
        let help = "Messages of other tasks that were left to others, by task";
        registry.register("passed_on", help, passed_on.clone());
        let broker_up = Gauge::default();
        registry.register("broker_up", "1 while the broker is connected", broker_up.clone());
        let girder_retries = Counter::default();
        let help = "Requests to Girder that failed and were sent again";
        registry.register("girder_retries", help, girder_retries.clone());
        Self {
            registry: std::rc::Rc::new(registry),
            jobs,
            running,
            slots,
            job_seconds,
            queue_seconds,
            phase_seconds,
            bytes,
            passed_on,
            broker_up,
            girder_retries,
            retried: Arc::default(),
        }
    }

    /// A job was taken.
    pub(super) fn job_began(&self) {
        self.running.inc();
    }

    /// A job that had begun has ended.
    pub(super) fn job_ended(&self, task: &str, outcome: &'static str, took: Duration) {
        self.running.dec();
        self.jobs.get_or_create(&JobLabels { task: task.to_owned(), outcome }).inc();
        self.job_seconds.observe(took.as_secs_f64());
    }

    /// A job that was taken is not run for now.
    pub(super) fn job_left(&self) {
        self.running.dec();
    }

    /// A job has ended that never began.
    pub(super) fn job_ended_unstarted(&self, task: &str, outcome: &'static str) {
        self.jobs.get_or_create(&JobLabels { task: task.to_owned(), outcome }).inc();
    }

    /// A job was taken that had waited for so long.
    pub(super) fn waited(&self, waited: Duration) {
        self.queue_seconds.observe(waited.as_secs_f64());
    }

    /// Where requests to Girder that are sent again are counted.
    pub(super) fn girder_retries(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.retried)
    }

    /// A phase of a run is over.
    pub(super) fn phase_ended(&self, phase: Phase, took: Duration) {
        let label = PhaseLabel { phase: phase.as_str() };
        self.phase_seconds.get_or_create(&label).observe(took.as_secs_f64());
    }

    /// Bytes arrived.
    pub(super) fn moved(&self, direction: Direction, bytes: u64) {
        let direction = match direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        self.bytes.get_or_create(&DirectionLabel { direction }).inc_by(bytes);
    }

    /// A message was left to others.
    pub(super) fn passed_on(&self, task: &str) {
        self.passed_on.get_or_create(&TaskLabel { task: task.to_owned() }).inc();
    }

    /// How many jobs may run at once.
    pub(super) fn slots(&self, slots: usize) {
        self.slots.set(i64::try_from(slots).unwrap_or(i64::MAX));
    }

    /// Whether the broker is connected.
    pub(super) fn broker(&self, is_up: bool) {
        self.broker_up.set(is_up.into());
    }

    /// All of it as text.
    pub(super) fn text(&self) -> String {
        let retried = self.retried.load(Ordering::Relaxed);
        self.girder_retries.inc_by(retried.saturating_sub(self.girder_retries.get()));
        let mut text = String::new();
        // It fails only where the writer does, and a String does not.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// From 0.1 s to 15 hours.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.1, 3.0, 13))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_in_the_text_under_its_documented_name() {
        let metrics = Metrics::new();
        metrics.slots(4);
        metrics.broker(true);
        metrics.job_began();
        metrics.job_began();
        metrics.job_ended(
            "girder_worker.docker.tasks.docker_run",
            "success",
            Duration::from_secs(2),
        );
        metrics.phase_ended(Phase::Prepare, Duration::from_millis(100));
        metrics.moved(Direction::In, 10);
        metrics.moved(Direction::Out, 3);
        metrics.waited(Duration::from_secs(9));
        metrics.girder_retries().fetch_add(2, Ordering::Relaxed);
        assert_eq!(metrics.text(), metrics.text());
        metrics.passed_on("slicer_cli_web.image_job.ingest_from_docker");
        let text = metrics.text();
        for line in [
            r#"gantline_jobs_total{task="girder_worker.docker.tasks.docker_run",outcome="success"} 1"#,
            "gantline_jobs_running 1",
            "gantline_slots 4",
            "gantline_job_seconds_count 1",
            r#"gantline_phase_seconds_count{phase="prepare"} 1"#,
            r#"gantline_bytes_total{direction="in"} 10"#,
            r#"gantline_bytes_total{direction="out"} 3"#,
            r#"gantline_passed_on_total{task="slicer_cli_web.image_job.ingest_from_docker"} 1"#,
            "gantline_broker_up 1",
            "gantline_queue_seconds_count 1",
            "gantline_girder_retries_total 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
