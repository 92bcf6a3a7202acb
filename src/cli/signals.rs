//! Signals that ask the command to end: interrupt (Ctrl-C) and terminate. The exit code is 128 and the signal's number.
//!
//! A hangup keeps its default, so that `nohup` works.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Farewell = Box<dyn Fn() + Send>;

/// What has been asked for so far.
#[derive(Clone)]
pub(crate) struct Signals(Arc<Shared>);

struct Shared {
    /// 0, or the first signal.
    received: AtomicI32,
    patient: AtomicBool,
    farewell: Mutex<Farewell>,
}

impl Signals {
    /// From here on a signal ends the command at once, after `farewell`.
    pub(crate) fn watch(farewell: impl Fn() + Send + 'static) -> Self {
        let shared = Shared {
            received: AtomicI32::new(0),
            patient: AtomicBool::new(false),
            farewell: Mutex::new(Box::new(farewell)),
        };
        let signals = Self(Arc::new(shared));
        #[cfg(unix)]
        {
            use signal_hook::consts::{SIGINT, SIGTERM};
            let here = signals.clone();
            // Without a handler a signal still ends the process, only less tidily.
            if let Ok(mut arriving) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
                std::thread::spawn(move || arriving.forever().for_each(|signal| here.arrived(signal)));
            }
        }
        signals
    }

    fn arrived(&self, signal: i32) {
        let first = self.0.received.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if first && self.0.patient.load(Ordering::SeqCst) {
            return;
        }
        (self.0.farewell.lock().unwrap_or_else(PoisonError::into_inner))();
        std::process::exit(128 + signal);
    }

    /// Whether the first signal is only remembered, for [`Signals::received`] to be looked at; a second one ends the command
    /// at once all the same.
    pub(crate) fn patient(&self, patient: bool) {
        self.0.patient.store(patient, Ordering::SeqCst);
    }

    /// What is done before the command ends at once, from here on.
    pub(crate) fn farewell(&self, farewell: impl Fn() + Send + 'static) {
        *self.0.farewell.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(farewell);
    }

    /// Whether a signal has arrived.
    pub(crate) fn received(&self) -> bool {
        self.0.received.load(Ordering::SeqCst) != 0
    }

    /// The exit code of a command that a signal has ended, or that stopped where it was told to as if by Ctrl-C.
    pub(crate) fn code(&self) -> ExitCode {
        let signal = self.0.received.load(Ordering::SeqCst);
        ExitCode::from(128 + u8::try_from(signal).ok().filter(|s| *s > 0).unwrap_or(INTERRUPT))
    }
}

const INTERRUPT: u8 = 2;
