//! The engine's calls, each within a deadline, and their failures in words.

use std::future::Future;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::time::timeout;

/// What one call may take; starting a container is the slowest, on an engine that is busy.
pub(crate) const CALL: Duration = Duration::from_secs(30);
/// The client's own limit of a call, beyond all of ours.
const BEYOND: u64 = 24 * 3600;

/// Whether an address is one of an engine.
pub(crate) fn is_address(host: &str) -> bool {
    host.starts_with("unix://") || host.starts_with("tcp://")
}

/// The engine, in the version of its API that it has.
pub(crate) async fn connect(host: &str) -> Result<Docker, String> {
    let what = format!("connecting to the Docker Engine at {host}");
    let client = if host.starts_with("unix://") {
        Docker::connect_with_unix(host, BEYOND, API_DEFAULT_VERSION)
    } else {
        Docker::connect_with_http(host, BEYOND, API_DEFAULT_VERSION)
    };
    let client = client.map_err(|error| format!("{what}: {}", told(&error)))?;
    within(CALL, &what, client.negotiate_version()).await
}

/// One call within `limit`; its failure says what was being done.
pub(crate) async fn within<T>(
    limit: Duration,
    what: &str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, String> {
    match timeout(limit, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("{what}: {}", told(&error))),
        Err(_) => Err(format!("{what}: no answer of the engine within {} s", limit.as_secs())),
    }
}

/// The engine's own words where there are any.
pub(crate) fn told(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            format!("{status_code}: {}", message.trim())
        }
        other => {
            let mut text = other.to_string();
            let mut next = std::error::Error::source(other);
            while let Some(cause) = next {
                text.push_str(&format!(": {cause}"));
                next = cause.source();
            }
            text
        }
    }
}

/// Whether there is no such thing.
pub(crate) const fn missing(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}
