use std::net::{IpAddr, SocketAddr};

use hyper::Uri;

/// The first three numbers of the lab's default network.
pub const LAB_SUBNET: [u8; 3] = [10, 83, 7];

/// Why load is not sent to an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Not `http://HOST[:PORT]`.
    #[error("{0:?} is not of the form http://HOST[:PORT]")]
    Url(String),
    /// A path that is no path and query.
    #[error("{0:?} is not a path and query that starts with '/'")]
    Path(String),
    /// The name has no address.
    #[error("cannot find the address of {host:?}")]
    Resolve {
        /// The name.
        host: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address is neither loopback nor the lab's.
    #[error("{address} ({host}) is neither a loopback address nor in the lab's network {}.{}.{}.0/24", subnet[0], subnet[1], subnet[2])]
    Foreign {
        /// The name or address as given.
        host: String,
        /// Where it leads.
        address: IpAddr,
        /// The first three numbers of the lab's network.
        subnet: [u8; 3],
    },
    /// An option is out of its range.
    #[error("{what} is {value}, and must be {range}")]
    Option {
        /// The option.
        what: &'static str,
        /// What it held.
        value: u64,
        /// What it may hold.
        range: &'static str,
    },
}

/// Where requests go: one address, found once, and the Host header for it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
}

impl Target {
    pub(crate) async fn resolve(url: &str, subnet: [u8; 3]) -> Result<Self, TargetError> {
        let wrong = || TargetError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (Some("http"), Some(authority), "/" | "") = (uri.scheme_str(), uri.authority(), uri.path())
        else {
            return Err(wrong());
        };
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(80);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let unresolved = |source| TargetError::Resolve { host: host.to_owned(), source };
        let mut addresses = tokio::net::lookup_host((bare, port)).await.map_err(unresolved)?;
        let Some(address) = addresses.next() else {
            return Err(unresolved(std::io::ErrorKind::NotFound.into()));
        };
        if !is_allowed(address.ip(), subnet) {
            return Err(TargetError::Foreign { host: host.to_owned(), address: address.ip(), subnet });
        }
        Ok(Self { address, host: authority.as_str().to_owned() })
    }
}

fn is_allowed(address: IpAddr, subnet: [u8; 3]) -> bool {
    address.is_loopback() || matches!(address, IpAddr::V4(v4) if v4.octets()[..3] == subnet)
}

pub(crate) fn checked_path(path: &str) -> Result<Uri, TargetError> {
    let wrong = || TargetError::Path(path.to_owned());
    if !path.starts_with('/') {
        return Err(wrong());
    }
    path.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_and_the_lab_are_targets() {
        for (url, message) in [
            ("http://192.0.2.1/", "192.0.2.1 (192.0.2.1) is neither"),
            ("http://10.83.8.2", "10.83.8.2 (10.83.8.2) is neither"),
            ("https://127.0.0.1", "not of the form"),
            ("127.0.0.1", "not of the form"),
            ("http://127.0.0.1/path", "not of the form"),
            ("nonsense", "not of the form"),
        ] {
            let error = Target::resolve(url, LAB_SUBNET).await.unwrap_err();
            assert!(error.to_string().contains(message), "{url}: {error}");
        }
        for url in ["http://127.0.0.1:8080", "http://127.9.9.9", "http://[::1]:80", "http://10.83.7.2/"] {
            Target::resolve(url, LAB_SUBNET).await.unwrap();
        }
    }

    #[test]
    fn a_path_is_a_path() {
        assert!(checked_path("/work?ms=5").is_ok());
        for path in ["work", "", "http://x/", "/a b", "/a\r\nX: y"] {
            assert!(checked_path(path).is_err(), "{path:?}");
        }
    }
}
