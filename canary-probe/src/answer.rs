//! Whether an answer is what was asked for; no clock, no network.

use canary_tenants::probe::{MAX_BODY, ProbeCheck, TryEnd};
use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The body; `None` where it is longer than [`MAX_BODY`].
    pub(crate) body: Option<Vec<u8>>,
    /// In microseconds, to the body's last byte.
    pub(crate) took: u64,
}

/// The first thing that is wrong, or that nothing is.
pub(crate) fn judge(answer: &Answer, check: &ProbeCheck, limit: u64) -> (TryEnd, Option<String>) {
    if !check.expect.contains(&answer.status) {
        let expected: Vec<String> = check.expect.iter().map(u16::to_string).collect();
        return (TryEnd::Status, Some(format!("status {}, not {}", answer.status, expected.join(" or "))));
    }
    if let Err(why) = body(answer, check) {
        return (TryEnd::Body, Some(why));
    }
    if answer.took > limit {
        let ms = |us: u64| format!("{}.{} ms", us / 1000, us % 1000 / 100);
        return (TryEnd::Slow, Some(format!("good after {}, limit {}", ms(answer.took), ms(limit))));
    }
    (TryEnd::Good, None)
}

fn body(answer: &Answer, check: &ProbeCheck) -> Result<(), String> {
    if check.body.is_empty() {
        return Ok(());
    }
    let Some(body) = &answer.body else { return Err(format!("its body is longer than {MAX_BODY} bytes")) };
    let json: Value = serde_json::from_slice(body).map_err(|why| format!("its body is not JSON: {why}"))?;
    for wanted in &check.body {
        match json.pointer(&wanted.pointer) {
            Some(found) if *found == wanted.value => {}
            Some(found) => {
                return Err(format!("{:?} is {}, not {}", wanted.pointer, shortened(found), wanted.value));
            }
            None => return Err(format!("its body has no {:?}", wanted.pointer)),
        }
    }
    Ok(())
}

/// A value as text that may stand in a record; bodies can hold anything of any length.
fn shortened(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => {
            let text = other.to_string();
            let start: String = text.chars().take(80).collect();
            if start.len() < text.len() { format!("{start}…") } else { start }
        }
    }
}

#[cfg(test)]
mod tests {
    use canary_tenants::probe::BodyMatch;

    use super::*;

    fn judged(status: u16, body: Option<&str>, took: u64) -> (TryEnd, Option<String>) {
        let matches =
            [("/status", Value::from("ok")), ("/n/0", 1.into()), ("/up", true.into()), ("/err", Value::Null)];
        let matches = matches.map(|(pointer, value)| BodyMatch { pointer: pointer.to_owned(), value });
        let check = ProbeCheck { expect: vec![200, 204], body: matches.to_vec(), ..ProbeCheck::default() };
        let body = body.map(|body| body.as_bytes().to_vec());
        judge(&Answer { status, body, took }, &check, 1_500)
    }

    #[test]
    fn status_body_and_time_are_held_against_what_was_asked() {
        let good = r#"{"status":"ok","n":[1],"up":true,"err":null}"#;
        assert_eq!(judged(204, Some(good), 1_500), (TryEnd::Good, None));
        for (status, body, took, end, told) in [
            (302, Some(good), 1, TryEnd::Status, "status 302, not 200 or 204"),
            (200, Some(good), 1_501, TryEnd::Slow, "good after 1.5 ms, limit 1.5 ms"),
            (200, None, 1, TryEnd::Body, "its body is longer than 65536 bytes"),
            (200, Some("ok"), 1, TryEnd::Body, "its body is not JSON"),
            (200, Some(""), 1, TryEnd::Body, "its body is not JSON"),
            (200, Some("{}"), 1, TryEnd::Body, "its body has no \"/status\""),
            (200, Some(&*good.replace("ok", "down")), 1, TryEnd::Body, "\"/status\" is \"down\", not \"ok\""),
            (200, Some(&*good.replace("[1]", "[1.0]")), 1, TryEnd::Body, "\"/n/0\" is 1.0, not 1"),
            (200, Some(&*good.replace("true", "\"true\"")), 1, TryEnd::Body, "\"/up\" is \"true\", not true"),
            (200, Some(&*good.replace("null", "{}")), 1, TryEnd::Body, "\"/err\" is an object, not null"),
        ] {
            let (seen, why) = judged(status, body, took);
            assert!(seen == end && why.as_ref().unwrap().starts_with(told), "{seen:?} {why:?}");
        }
    }
}
