//! Headers on their way through (RFC 9110 section 7.6.1): what is for one connection only stays behind.

use std::net::IpAddr;

use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request;
use hyper::{Uri, Version};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The protocol a message wants to switch to; needs the connection option as well.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = options(headers).iter().any(|option| option == "upgrade");
    headers.get(UPGRADE).filter(|_| asked).cloned()
}

/// The connection options, in lower case.
fn options(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(','));
    names.map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}

/// Removes what is for one connection only, and puts a wish to switch protocols in again.
pub(crate) fn pass_on(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    let trailers = headers
        .get(TE)
        .and_then(|te| te.to_str().ok())
        .is_some_and(|te| te.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers")));
    for name in options(headers) {
        // The body's length and the server's name are not options, whatever a client says.
        if !matches!(name.as_str(), "content-length" | "host") {
            headers.remove(name);
        }
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
    let mut options = Vec::new();
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        options.push("te");
    }
    if let Some(protocol) = upgrade {
        headers.insert(UPGRADE, protocol);
        options.push("upgrade");
    }
    if let Ok(value) = HeaderValue::try_from(options.join(", "))
        && !value.is_empty()
    {
        headers.insert(CONNECTION, value);
    }
}

/// Makes a client's request one to a server: path form, HTTP/1.1, a host, and the client's address added.
pub(crate) fn to_server(parts: &mut request::Parts, client: IpAddr, server: &str) {
    let upgrade = upgrade(&parts.headers);
    pass_on(&mut parts.headers, upgrade);
    // RFC 9112 section 3.2.2: the absolute form's authority counts, not the header.
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(HOST, host);
    } else if !parts.headers.contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(server)
    {
        parts.headers.insert(HOST, host);
    }
    let path = parts.uri.path_and_query().cloned();
    parts.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    parts.version = Version::HTTP_11;
    let mut chain: Vec<&str> =
        parts.headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let client = client.to_string();
    chain.push(&client);
    if let Ok(value) = HeaderValue::try_from(chain.join(", ")) {
        parts.headers.insert(X_FORWARDED_FOR, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn passed(uri: &str, headers: &[(&str, &str)]) -> (String, Vec<String>) {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        to_server(&mut parts, "127.0.0.9".parse().unwrap(), "127.0.0.1:80");
        let mut all: Vec<_> = parts
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        all.sort();
        (parts.uri.to_string(), all)
    }

    #[test]
    fn what_is_for_one_connection_stays_behind() {
        let sent = [
            ("host", "api"),
            ("connection", "keep-alive, X-Secret, host"),
            ("x-secret", "1"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("te", "gzip"),
            ("upgrade", "websocket"),
            ("proxy-authorization", "x"),
            ("accept", "*/*"),
            ("x-forwarded-for", "10.0.0.1"),
        ];
        let (uri, headers) = passed("/a?b=c", &sent);
        assert_eq!(uri, "/a?b=c");
        assert_eq!(headers, ["accept: */*", "host: api", "x-forwarded-for: 10.0.0.1, 127.0.0.9"]);
    }

    #[test]
    fn upgrades_and_trailers_are_asked_for_again() {
        let sent = [("host", "api"), ("connection", "Upgrade"), ("upgrade", "websocket"), ("te", "trailers")];
        let (_, headers) = passed("/", &sent);
        let expected = [
            "connection: te, upgrade",
            "host: api",
            "te: trailers",
            "upgrade: websocket",
            "x-forwarded-for: 127.0.0.9",
        ];
        assert_eq!(headers, expected);
    }

    #[test]
    fn forms_of_the_target() {
        let (uri, headers) = passed("http://other:81/x?y", &[("host", "api")]);
        assert_eq!((uri.as_str(), headers[0].as_str()), ("/x?y", "host: other:81"));
        let (uri, headers) = passed("*", &[]);
        assert_eq!((uri.as_str(), headers[0].as_str()), ("*", "host: 127.0.0.1:80"));
    }
}
