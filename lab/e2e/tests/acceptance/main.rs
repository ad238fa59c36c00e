//! The product's acceptance bar: whole rolls by the real program, on real HAProxy, Incus and Prometheus, with clients that
//! count every failed request from the first step to the last.
//!
//! One test at a time holds the lab, whatever the number of threads.

mod bad_release;
mod control;
mod deploy;
mod gate;
mod interrupted;
mod judged;
mod peer;
mod slow_service;
mod surroundings;
mod upheaval;
mod way_back;
mod weights;
