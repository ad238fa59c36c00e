//! Numbers and times as the formats write them.

/// Whether a token is a sample value: decimal, `NaN`, or an infinity, in any letter case.
///
/// As Go's `strconv.ParseFloat` without hexadecimal numbers and underscores, which Prometheus excludes; a number too
/// large for a double is refused there too.
pub(super) fn is_value(token: &str) -> bool {
    let unsigned = token.strip_prefix(['+', '-']).unwrap_or(token);
    if ["inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
        return true;
    }
    if token.eq_ignore_ascii_case("nan") {
        return true;
    }
    let plain = unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    plain && token.parse::<f64>().is_ok_and(f64::is_finite)
}

/// The text format's time: whole milliseconds.
pub(super) fn text_time(token: &str) -> Option<i64> {
    token.bytes().all(|b| b.is_ascii_digit()).then(|| token.parse().ok()).flatten()
}

/// OpenMetrics' time: seconds, possibly with a fraction; here in whole milliseconds.
pub(super) fn open_metrics_time(token: &str) -> Option<i64> {
    if !is_value(token) {
        return None;
    }
    let ms = token.parse::<f64>().ok().map(|seconds| seconds * 1000.0).filter(|ms| ms.is_finite())?;
    Some(ms.trunc() as i64)
}
