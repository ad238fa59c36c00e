//! The form of a record's body, checked byte by byte: one text for one value, the same to every JSON reader.

use std::borrow::Cow;

/// The largest integer that every JSON reader keeps whole.
pub(super) const MAX_INTEGER: u64 = 1 << 53;
/// How deep values may lie in one another; `serde_json` reads no deeper either.
const DEPTH: u32 = 127;

/// A value of a body's own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A text without escapes.
    Text(&'a str),
    /// A whole number that is not negative.
    Integer(u64),
    /// Anything else.
    Other,
}

/// Checks that `text` is one JSON object in the journal's form and gives its own fields to `take`, in order.
///
/// The form: no blanks, keys in ASCII, sorted and each once; integers from -2^53 to 2^53, no other numbers; texts escaped as `serde_json`
/// escapes them, and nowhere else. Whatever is accepted is the only text of its value.
///
/// # Errors
/// What is not so, with the byte it is at.
pub(super) fn check<'a>(text: &'a str, mut take: impl FnMut(&'a str, Field<'a>)) -> Result<(), String> {
    let mut scan = Scan { text, at: 0 };
    scan.object(1, &mut take)?;
    if scan.at == text.len() { Ok(()) } else { Err(scan.wrong("something follows the body")) }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn wrong(&self, what: &str) -> String {
        format!("{what}, at its byte {}", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn object(&mut self, depth: u32, take: &mut dyn FnMut(&'a str, Field<'a>)) -> Result<(), String> {
        if !self.eat(b'{') {
            return Err(self.wrong("an object is missing"));
        }
        if depth > DEPTH {
            return Err(self.wrong("it is nested too deep"));
        }
        if self.eat(b'}') {
            return Ok(());
        }
        let mut before: Option<Cow<'a, str>> = None;
        loop {
            let key = decoded(self.string()?);
            if !key.is_ascii() {
                return Err(self.wrong("a key is not ASCII"));
            }
            if before.is_some_and(|before| before >= key) {
                return Err(self.wrong("a key is there twice or not in its order"));
            }
            if !self.eat(b':') {
                return Err(self.wrong("a colon is missing"));
            }
            let value = self.value(depth)?;
            if let Cow::Borrowed(key) = key {
                take(key, value);
            }
            before = Some(key);
            if !self.eat(b',') {
                break;
            }
        }
        if self.eat(b'}') { Ok(()) } else { Err(self.wrong("an object does not end")) }
    }

    fn array(&mut self, depth: u32) -> Result<(), String> {
        self.at += 1;
        if depth > DEPTH {
            return Err(self.wrong("it is nested too deep"));
        }
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if !self.eat(b',') {
                break;
            }
        }
        if self.eat(b']') { Ok(()) } else { Err(self.wrong("an array does not end")) }
    }

    fn value(&mut self, depth: u32) -> Result<Field<'a>, String> {
        match self.peek() {
            Some(b'"') => {
                let raw = self.string()?;
                return Ok(if raw.contains('\\') { Field::Other } else { Field::Text(raw) });
            }
            Some(b'{') => self.object(depth + 1, &mut |_, _| {})?,
            Some(b'[') => self.array(depth + 1)?,
            Some(b'-' | b'0'..=b'9') => return self.integer(),
            _ => {
                let rest = &self.text[self.at..];
                let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
                self.at += word.ok_or_else(|| self.wrong("no value is there"))?.len();
            }
        }
        Ok(Field::Other)
    }

    fn integer(&mut self) -> Result<Field<'a>, String> {
        let negative = self.eat(b'-');
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = &self.text[begin..self.at];
        let plain = !digits.starts_with('0') || (digits == "0" && !negative);
        let value = digits.parse().ok().filter(|value| plain && *value <= MAX_INTEGER);
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(self.wrong("a number is not whole"));
        }
        match value {
            Some(value) if !negative => Ok(Field::Integer(value)),
            Some(_) => Ok(Field::Other),
            None => Err(self.wrong("a number is not an integer up to 2^53")),
        }
    }

    /// What lies between the quotes, escapes and all.
    fn string(&mut self) -> Result<&'a str, String> {
        if !self.eat(b'"') {
            return Err(self.wrong("a quote is missing"));
        }
        let begin = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return Err(self.wrong("a text holds a control character or does not end")),
            }
        }
        self.at += 1;
        // Quotes and what begins an escape are single bytes of UTF-8, so both ends lie between characters.
        Ok(&self.text[begin..self.at - 1])
    }

    fn escape(&mut self) -> Result<(), String> {
        let rest = &self.text.as_bytes()[self.at + 1..];
        let length = match rest {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            // Control characters that have no letter of their own.
            [b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..] => 6,
            [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => 6,
            _ => return Err(self.wrong("a character is escaped as it need not be")),
        };
        self.at += length;
        Ok(())
    }
}

/// A text without its escapes.
fn decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    // proof: the scan has seen every escape to be one of JSON's.
    Cow::Owned(serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::canonical;
    use super::*;

    fn accepts(text: &str) -> bool {
        check(text, |_, _| {}).is_ok()
    }

    /// The slow way: read it, write it in the form, compare.
    fn is_the_form(text: &str) -> bool {
        let Ok(value @ Value::Object(_)) = serde_json::from_str::<Value>(text) else { return false };
        let mut form = String::new();
        canonical(&value, &mut form).is_ok() && form == text
    }

    #[test]
    fn one_text_for_one_value() {
        let good = [
            r#"{}"#,
            r#"{"a":[],"b":{},"c":[1,-2,0],"d":null,"e":true,"f":"\u0000\u000b\u001f\n\\\"ü/"}"#,
            r#"{"a":9007199254740992,"b":-9007199254740992}"#,
            "{\"\\n\":1,\"a\":2}",
        ];
        for text in good {
            assert!(is_the_form(text) && accepts(text), "{text}: {:?}", check(text, |_, _| {}));
        }
        let bad = [
            "",
            "1",
            "[]",
            "{",
            "{}}",
            "{} ",
            r#"{"a": 1}"#,
            r#"{"a":1,}"#,
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"a":0.5}"#,
            r#"{"a":1e3}"#,
            r#"{"a":01}"#,
            r#"{"a":-0}"#,
            r#"{"a":-}"#,
            r#"{"a":+1}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\u000a"}"#,
            r#"{"a":"\u001F"}"#,
            r#"{"a":"\u00fc"}"#,
            r#"{"ü":1}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":tru}"#,
            r#"{"a"}"#,
            r#"{"a":[1 ]}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":"x}"#,
        ];
        for text in bad {
            assert!(!is_the_form(text) && !accepts(text), "{text}");
        }
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        for n in [1, 125, 126, 127, 128, 100_000] {
            assert_eq!(accepts(&deep(n)), is_the_form(&deep(n)), "{n} deep");
        }
    }

    #[test]
    fn the_fields_of_the_body_alone_are_given() {
        let mut seen = Vec::new();
        let text = r#"{"a":{"x":1},"b":"t","c":7,"d":"\n","e":-1}"#;
        check(text, |key, field| seen.push((key, field))).unwrap();
        let other = Field::Other;
        assert_eq!(
            seen,
            [("a", other), ("b", Field::Text("t")), ("c", Field::Integer(7)), ("d", other), ("e", other)]
        );
    }

    proptest! {
        #[test]
        fn it_accepts_what_the_slow_way_accepts(
            text in r#"\{("[a-c\\nu0"]{0,3}":(-?[0-9]{1,17}|"[a-c\\nu01"é]{0,7}"|\[[0-9,]{0,4}\]|true|null|0\.5),?){0,3}\}"#
        ) {
            prop_assert_eq!(accepts(&text), is_the_form(&text), "{}", text);
        }

        #[test]
        fn a_changed_byte_is_judged_as_the_slow_way_judges_it(at in 0..80_usize, byte in 0..128_u8) {
            let text = r#"{"a":[1,-20,"x\"\u001f"],"b":{"c":null,"d":false},"log":"0123","seq":12,"z":"\t\\é"}"#;
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = byte;
            if let Ok(text) = String::from_utf8(bytes) {
                prop_assert_eq!(accepts(&text), is_the_form(&text), "{}", text);
            }
        }
    }
}
