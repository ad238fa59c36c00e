//! Addresses for servers that come back at the same place.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports below those that systems give to outgoing connections: they stay free while a server restarts.
const FIRST: u16 = 9_000;
const COUNT: u16 = 9_000;

/// A loopback address that nobody listens on; each is given out once by a process, and processes side by side begin at different places.
///
/// # Panics
/// When none of nine thousand is free.
#[must_use]
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(COUNT)).unwrap_or_default();
    let places = (0..COUNT).map(|_| {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset) % COUNT;
        SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + turn))
    });
    let free = places.into_iter().find(|address| TcpListener::bind(address).is_ok());
    free.unwrap_or_else(|| panic!("no port from {FIRST} to {} is free on loopback", FIRST + COUNT - 1))
}
