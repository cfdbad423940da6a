//! What stops a job that runs. Whoever wants to asks its [`Stopper`]; the first reason counts.

use std::time::Duration;

use tokio::sync::watch;

use crate::worker::ended::StoppedFor;

/// How a job is to be stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stop {
    /// The first reason that was given.
    pub(crate) reason: StoppedFor,
    /// At once, in place of after the container's grace period.
    pub(crate) kills: bool,
}

/// Where a stop is asked for. May be asked from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Stopper(watch::Sender<Option<Stop>>);

impl Default for Stopper {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Stopper {
    /// Asks for the job to stop.
    pub(crate) fn stop(&self, reason: StoppedFor) {
        self.ask(reason, false);
    }

    /// Asks for the job to be killed.
    pub(crate) fn kill(&self, reason: StoppedFor) {
        self.ask(reason, true);
    }

    fn ask(&self, reason: StoppedFor, kills: bool) {
        self.0.send_if_modified(|stop| match stop {
            None => {
                *stop = Some(Stop { reason, kills });
                true
            }
            Some(stop) if kills && !stop.kills => {
                stop.kills = true;
                // A hard limit is what ends a container that the soft one could not.
                if matches!(stop.reason, StoppedFor::SoftLimit) {
                    stop.reason = reason;
                }
                true
            }
            Some(_) => false,
        });
    }

    /// What was asked for.
    pub(crate) fn asked(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    /// Sees each change of it.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Stop>> {
        self.0.subscribe()
    }
}

/// When the limits of a task are over, counted from the start of its run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Limits {
    pub(super) soft: Option<Duration>,
    pub(super) hard: Option<Duration>,
}

impl Limits {
    /// Of seconds as Celery has them; what is no time is no limit.
    pub(crate) fn of_seconds(soft: Option<f64>, hard: Option<f64>) -> Self {
        let limit = |seconds: Option<f64>| {
            Duration::try_from_secs_f64(seconds?).ok().filter(|limit| !limit.is_zero())
        };
        Self { soft: limit(soft), hard: limit(hard) }
    }

    /// Asks for stops when their time has come. Never comes back.
    pub(super) async fn watch(self, stopper: &Stopper) {
        let soft = async {
            match self.soft {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
            stopper.stop(StoppedFor::SoftLimit);
        };
        let hard = async {
            let Some(limit) = self.hard else { return std::future::pending().await };
            tokio::time::sleep(limit).await;
            stopper.kill(StoppedFor::HardLimit { seconds: limit.as_secs_f64() });
        };
        tokio::join!(soft, hard);
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts_and_a_kill_goes_beyond_a_stop() {
        let stopper = Stopper::default();
        stopper.stop(StoppedFor::Cancel);
        stopper.stop(StoppedFor::Shutdown);
        assert_eq!(stopper.asked(), Some(Stop { reason: StoppedFor::Cancel, kills: false }));
        stopper.kill(StoppedFor::Shutdown);
        assert_eq!(stopper.asked(), Some(Stop { reason: StoppedFor::Cancel, kills: true }));
    }

    #[test]
    fn the_hard_limit_is_the_reason_when_the_soft_one_was_not_enough() {
        let stopper = Stopper::default();
        stopper.stop(StoppedFor::SoftLimit);
        let hard = StoppedFor::HardLimit { seconds: 5.0 };
        stopper.kill(hard);
        assert_eq!(stopper.asked(), Some(Stop { reason: hard, kills: true }));
    }

    #[test]
    fn what_is_no_time_is_no_limit() {
        let limits = Limits::of_seconds(Some(f64::NAN), Some(-1.0));
        assert_eq!(limits, Limits::default());
        assert_eq!(Limits::of_seconds(Some(0.0), None), Limits::default());
        let limits = Limits::of_seconds(Some(1.5), Some(2.0));
        assert_eq!(limits.soft, Some(Duration::from_millis(1500)));
    }
}
