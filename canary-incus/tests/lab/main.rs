//! The runtime against a real Incus daemon, in an instance of its own. Needs the lab: `eval "$(lab/lab env)"`.

mod daemon;
mod exec;
mod fixture;
mod health;
mod install;
mod meddler;
mod service;
