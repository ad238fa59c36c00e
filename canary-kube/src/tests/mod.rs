//! Rounds against an API server in memory that is stricter than the documentation; no cluster.

mod api;
mod cluster;
mod kubelet;
mod pure;
mod rounds;
mod strict;
