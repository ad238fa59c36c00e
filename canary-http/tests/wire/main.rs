//! The client against real sockets, each opened by the test that needs it.
#![cfg(test)]

mod common;
mod tls;
mod transport;
