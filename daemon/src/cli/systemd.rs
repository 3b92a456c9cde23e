//! What systemd is told, where it asks (`Type=notify`, `WatchdogSec=`).

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that requests are served.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the daemon ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the daemon is well.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Returns how often systemd wants to hear that the daemon is well: twice as often as it must.
pub(super) fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|interval| !interval.is_zero())
}

fn tell(states: &[NotifyState<'_>]) {
    // Without NOTIFY_SOCKET this does nothing.
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd can't be told");
    }
}
