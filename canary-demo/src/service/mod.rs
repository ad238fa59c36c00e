//! The sample service: what a rollout ships in the demo and in the tests of the real stack.
//!
//! One binary, `veza-api`, is every release: its version and its faults stand in a [`Trailer`] at the end of the file, so a
//! new artifact with its own digest is a copy with another last line, made by [`stamp`], and nothing is built again.
//! [`serve`] answers HTTP/1.1 with real counts behind `/metrics`, and ends like a good service: it stops accepting and
//! finishes what is in flight.
//!
//! ```
//! use canary_demo::service::{Fault, Trailer, read_trailer};
//!
//! let release = Trailer::new("v2").with(Fault::Errors { rate_ppm: 50_000 });
//! let artifact = [b"\x7fELF...".as_slice(), release.to_line().as_bytes()].concat();
//! assert_eq!(read_trailer(&artifact)?, Some(release));
//! # Ok::<(), canary_demo::service::TrailerError>(())
//! ```

mod app;
mod metrics;
mod program;
mod server;
mod trailer;

pub use app::{App, NODE_HEADER, VERSION_HEADER};
pub use metrics::Metrics;
pub use program::run;
pub use server::serve;
pub use trailer::{Fault, MAX_MILLIS, Trailer, TrailerError, read_trailer, running_trailer, stamp};
