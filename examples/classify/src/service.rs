//! What systemd is told, if it started the program: `Type=notify` and `WatchdogSec=` of a unit.

#[cfg(unix)]
pub(crate) use notifying::{alive, ready};
#[cfg(not(unix))]
pub(crate) use silent::{alive, ready};

#[cfg(unix)]
mod notifying {
    use sd_notify::{NotifyState, notify};

    /// The model is loaded.
    pub(crate) fn ready() {
        tell(&[NotifyState::Ready]);
    }

    /// A frame was classified: neither the camera nor the model hangs.
    pub(crate) fn alive() {
        tell(&[NotifyState::Watchdog]);
    }

    /// Without systemd there is nobody to tell, and a message that is lost is a watchdog's to notice.
    fn tell(states: &[NotifyState<'_>]) {
        let _ = notify(false, states);
    }
}

#[cfg(not(unix))]
mod silent {
    /// The model is loaded.
    pub(crate) fn ready() {}

    /// A frame was classified.
    pub(crate) fn alive() {}
}
