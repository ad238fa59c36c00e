//! The harness of the acceptance tests: the real program against the real topology, with clients that count every answer.
//!
//! A [`Trial`] is one scenario: the lab as new, a load through HAProxy from its first step to its last, and the program
//! [`Cli`] started as an operator starts it, with the runbook's variables and no configuration file. What happened is read
//! where an operator would read it: the exit code, the lines of `--output json`, the journal, the digests in the
//! instances, HAProxy's own states, and what the clients saw.
//!
//! Without `CANARY_LAB=1` (see `lab/lab env`) a trial does not begin: said aloud, and an error when `CI` is set.

mod cli;
mod journal;
mod lab;
mod past;
mod proxy;
mod release;
mod trial;
mod until;

pub use cli::{Cli, Ended, Running, program};
pub use journal::{Finished, Journal, StepTime};
pub use lab::{Lab, ServerState};
pub use proxy::{Tamper, TamperingProxy};
pub use release::Releases;
pub use trial::{Trial, clients};
pub use until::until;
