//! Log lines, as in `wit/log.wit`: the host adds who speaks, caps what is kept, and counts what it dropped. It decides nothing
//! about where lines go; a [`LogSink`] does.

mod record;
mod session;
mod sink;

pub use record::{LogContext, LogLevel, LogOrigin, LogRecord};
pub use session::LogSession;
pub use sink::{LogFormat, LogSink, MemorySink, WriterSink};
