//! Runs checkouts of third-party suites in Belljar's sandbox, each program in a fresh instance: test262, web-platform-tests and Wycheproof.
//! It needs no network, no server and no other engine. `docs/conformance.md` is what users see of it.
//!
//! Read in the order of a run: [`Checkout::open`] finds out whether a folder is what it should be, [`run`] takes its tests through
//! [`test262`], [`wpt`] or [`wycheproof`], and answers a [`Report`]; [`Expectations`] are what an earlier report leaves for the next one.
//! Whoever compares with other engines takes the programs and the judges out of these modules.
//!
//! ```no_run
//! use belljar::Host;
//! use belljar_conformance::{Checkout, Options, Suite, run};
//!
//! # fn main() -> Result<(), belljar_conformance::Error> {
//! let checkout = Checkout::open(Suite::Test262, "test262".as_ref())?;
//! let options = Options { filters: vec!["built-ins/Map/".into()], ..Options::default() };
//! let report = run(&checkout, Host::builder(), &options, &|_| ())?;
//! println!("{} of {} pass", report.total().passed, report.total().run());
//! # Ok(())
//! # }
//! ```

mod checkout;
mod error;
mod expectations;
mod listed;
mod program;
mod report;
mod run;
mod sandbox;
pub mod test262;
mod workers;
pub mod wpt;
pub mod wycheproof;

pub use checkout::{Checkout, Corpus, Suite};
pub use error::Error;
pub use expectations::{Comparison, Expectations, Expected};
pub use listed::Listed;
pub use program::{End, Program, Ran, read};
pub use report::{Case, Counts, Failing, Kind, Report, State};
pub use run::{Options, Progress, run};
pub use sandbox::{Bounds, Sandbox, runtime};
pub use workers::{cores, each};
