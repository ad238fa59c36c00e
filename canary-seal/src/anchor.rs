//! Reads what was noted of a journal where its writer cannot reach, in whatever form it was kept.

use canary_core::fleet::Digest;
use canary_core::journal::{Anchor, Known, Line, Mark};
use serde_json::Value;

use crate::checkpoint;

/// A text has no anchor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{name} has no anchor: neither a line `canary-anchor log=… seq=… hash=…`, nor JSON with `seq` and `hash`, nor a checkpoint, nor a journal's line"
)]
pub struct AnchorError {
    /// The text's name.
    name: String,
}

/// Reads every anchor of a text: lines of [`Anchor`]'s form with anything before and after, JSON in which objects have `seq` and `hash` (what
/// `log show --output json` and the webhook write), a journal's own lines, or a checkpoint. Whatever else is there is passed over.
///
/// # Errors
/// [`AnchorError`] when there is none.
pub fn anchors(text: &str, name: &str) -> Result<Vec<Mark>, AnchorError> {
    let mut marks = Vec::new();
    let mark =
        |log: Option<&str>, seq, known| Mark { log: log.map(str::to_owned), seq, known, by: name.to_owned() };
    if let Some((head, _)) = checkpoint::read(text) {
        let last = head.size.checked_sub(1);
        marks.extend(last.map(|seq| mark(Some(&head.log), seq, Known::Root(head.root))));
    } else if let Ok(value) = serde_json::from_str::<Value>(text) {
        walk(&value, &mut |log, seq, hash| marks.push(mark(log, seq, Known::Hash(hash))));
    }
    if marks.is_empty() {
        for line in text.lines() {
            if let Ok(line) = Line::read(line.as_bytes()) {
                marks.push(mark(Some(line.log), line.seq, Known::Hash(line.hash)));
            } else if let Ok(value) = serde_json::from_str::<Value>(line) {
                walk(&value, &mut |log, seq, hash| marks.push(mark(log, seq, Known::Hash(hash))));
            } else if let Some(anchor) = Anchor::find(line) {
                marks.push(mark(Some(&anchor.log), anchor.seq, Known::Hash(anchor.hash)));
            }
        }
    }
    if marks.is_empty() { Err(AnchorError { name: name.to_owned() }) } else { Ok(marks) }
}

/// Every object within a value that has the members of an anchor.
fn walk(value: &Value, found: &mut dyn FnMut(Option<&str>, u64, Digest)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Object(map) => {
            let seq = map.get("seq").and_then(Value::as_u64);
            let hash = map.get("hash").and_then(Value::as_str).and_then(|hash| hash.parse().ok());
            if let (Some(seq), Some(hash)) = (seq, hash) {
                found(map.get("log").and_then(Value::as_str), seq, hash);
            }
            map.values().for_each(|item| walk(item, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use canary_core::journal::{Chain, Entry, Head, Seal as _};
    use canary_core::time::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{Ed25519Seal, SigningKey};

    #[test]
    fn anchors_are_found_in_whatever_they_were_kept_in() {
        let entry = Entry::Genesis { engine: "0.1.0".to_owned() };
        let (record, line) = Chain::new([5; 16]).record(Timestamp::from_millis(0), entry).unwrap();
        let anchor = Anchor::from(&record);
        let mark = |log: bool| Mark {
            log: log.then(|| record.log.clone()),
            seq: 0,
            known: Known::Hash(record.hash),
            by: "x".to_owned(),
        };
        let hash = record.hash.to_string();
        let texts = [
            (anchor.to_string(), true),
            (format!("Nov 22 02:00:01 deploy canary[7]: {anchor}.\nanother line\n\n"), true),
            (json!({ "seq": 0, "hash": hash }).to_string(), false),
            (format!("{:#}", json!({ "data": { "journal": anchor }, "seq": 7 })), true),
            (
                format!("{{\"event\":\"record\",\"seq\":0,\"hash\":\"{hash}\"}}\n{{\"event\":\"end\"}}\n"),
                false,
            ),
            (String::from_utf8(line).unwrap(), true),
        ];
        for (text, log) in texts {
            assert_eq!(anchors(&text, "x"), Ok(vec![mark(log)]), "{text}");
        }
        let head = Head { log: record.log.clone(), size: 1, root: Digest::of(b"r") };
        let note = Ed25519Seal::new(SigningKey::new(&[1; 32])).sign(&head);
        let known = Known::Root(head.root);
        assert_eq!(anchors(&note, "x"), Ok(vec![Mark { known, ..mark(true) }]));
        for junk in [
            "",
            "canary-anchor",
            "canary-anchor log=1 seq=x hash=y",
            "{\"seq\":1}",
            "{\"seq\":1,\"hash\":\"x\"}",
        ] {
            assert!(
                anchors(junk, "ticket").unwrap_err().to_string().starts_with("ticket has no anchor"),
                "{junk}"
            );
        }
    }
}
