//! What systemd is told (`Type=notify`, `WatchdogSec=`). Nothing happens where it does not ask.

use std::time::Duration;

use sd_notify::NotifyState;

/// The worker takes jobs.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// The worker ends.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// The worker's state in a line.
pub(super) fn status(words: &str) {
    notify(&[NotifyState::Status(words)]);
}

/// Tells that the loop still turns, twice in each interval that systemd asks for. Never comes back.
pub(super) async fn feed_watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    loop {
        notify(&[NotifyState::Watchdog]);
        tokio::time::sleep((interval / 2).max(SHORTEST)).await;
    }
}

/// A watchdog of less would keep the worker busy.
const SHORTEST: Duration = Duration::from_millis(100);

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot tell systemd");
    }
}
