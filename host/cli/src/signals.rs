//! What tells a running command to stop, or to read its certificate again.
//!
//! | | stop | reload |
//! |---|---|---|
//! | Unix | SIGTERM, SIGINT | SIGHUP |
//! | Windows | Ctrl+C, closing the console, logging off, shutting down | Ctrl+Break |

use std::io;

/// What a command was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// To stop.
    Stop,
    /// To read its certificate again.
    Reload,
}

/// Listens to signals, from when it is made: none of them ends the process by itself any more.
#[derive(Debug)]
pub(crate) struct Signals(platform::Listening);

impl Signals {
    /// Listens to all of them. Needs a runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        platform::Listening::new().map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        self.0.next().await
    }

    /// Waits until the command is told to stop.
    pub(crate) async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}

#[cfg(unix)]
mod platform {
    use std::io;

    use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

    use super::Signal;

    #[derive(Debug)]
    pub(super) struct Listening {
        terminate: Stream,
        interrupt: Stream,
        hang_up: Stream,
    }

    impl Listening {
        pub(super) fn new() -> io::Result<Self> {
            let terminate = signal(SignalKind::terminate())?;
            Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())?, hang_up: signal(SignalKind::hangup())? })
        }

        pub(super) async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.terminate.recv() => Signal::Stop,
                _ = self.interrupt.recv() => Signal::Stop,
                _ = self.hang_up.recv() => Signal::Reload,
            }
        }
    }
}

#[cfg(windows)]
mod platform {
    use std::io;

    use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown};
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    use super::Signal;

    #[derive(Debug)]
    pub(super) struct Listening {
        interrupt: CtrlC,
        close: CtrlClose,
        log_off: CtrlLogoff,
        shut_down: CtrlShutdown,
        reload: CtrlBreak,
    }

    impl Listening {
        pub(super) fn new() -> io::Result<Self> {
            let (close, log_off, shut_down) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
            Ok(Self { interrupt: ctrl_c()?, close, log_off, shut_down, reload: ctrl_break()? })
        }

        pub(super) async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.interrupt.recv() => Signal::Stop,
                _ = self.close.recv() => Signal::Stop,
                _ = self.log_off.recv() => Signal::Stop,
                _ = self.shut_down.recv() => Signal::Stop,
                _ = self.reload.recv() => Signal::Reload,
            }
        }
    }
}
