//! The lock file: canonical JSON below its own digest.
//!
//! ```text
//! {
//!   "sha256": "<64 digits>",
//!   "budgets": { …            every byte from here on is what the digest is of:
//! }                           tail -n +3 sql-contract.lock | sha256sum
//! ```
//!
//! Keys are sorted by their bytes, two blanks a level, no number but integers, one line feed at the end.

use canary_core::fleet::Digest;
use serde_json::Value;

use super::model::{Contract, FORMAT};

/// The start of the file, up to the digest's digits.
const HEAD: &str = "{\n  \"sha256\": \"";
/// What stands after the digits.
const NECK: &str = "\",\n";
/// More than any contract has, and little enough to read at once.
const LONGEST: usize = 64 << 20;

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// It does not begin as a lock file does.
    #[error("not a contract's lock file: it does not begin with its digest")]
    Foreign,
    /// It is too large to be one.
    #[error("{0} bytes are more than a contract has")]
    Large(usize),
    /// Its lines end in carriage returns.
    #[error("its lines end in CR LF, so that its digest cannot match")]
    LineEndings,
    /// Its digest is not that of its text.
    #[error("it was edited: its digest says {said}, its text has {has}")]
    Edited {
        /// The digest at the top.
        said: String,
        /// The digest of what stands below.
        has: String,
    },
    /// It has another form.
    #[error("it has form {found}, this program reads {FORMAT}")]
    Format {
        /// The form it says it has.
        found: u64,
    },
    /// It is no contract.
    #[error("it does not hold a contract")]
    Json(#[from] serde_json::Error),
    /// It holds a contract, but was not written by this program.
    #[error("it is not in canonical form: something else than `contract lock` wrote it")]
    NotCanonical,
}

impl Contract {
    /// The lock file's text; equal contracts give equal bytes.
    ///
    /// # Errors
    ///
    /// Never for a contract that was extracted or read; serialisation is fallible by type.
    pub fn to_lock(&self) -> Result<String, LockError> {
        let mut body = String::new();
        write_value(&serde_json::to_value(self)?, 0, &mut body);
        // proof: a record's text begins with "{\n".
        let body = format!("{}\n", body.strip_prefix("{\n").unwrap_or(&body));
        Ok(format!("{HEAD}{}{NECK}{body}", Digest::of(body.as_bytes())))
    }

    /// Reads a lock file's text.
    ///
    /// # Errors
    ///
    /// The text is no lock file, was edited, has another form, or is not exactly what [`Self::to_lock`] writes.
    pub fn from_lock(text: &str) -> Result<Self, LockError> {
        if text.len() > LONGEST {
            return Err(LockError::Large(text.len()));
        }
        if text.contains("\r\n") {
            return Err(LockError::LineEndings);
        }
        let (said, body) = text
            .strip_prefix(HEAD)
            .and_then(|rest| rest.split_once(NECK))
            .filter(|(said, _)| said.len() == 64 && said.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or(LockError::Foreign)?;
        let has = Digest::of(body.as_bytes()).to_string();
        if has != said {
            return Err(LockError::Edited { said: said.to_owned(), has });
        }
        let value: Value = serde_json::from_str(&format!("{{\n{body}"))?;
        match value.get("format").and_then(Value::as_u64) {
            Some(found) if found == u64::from(FORMAT) => {}
            found => return Err(LockError::Format { found: found.unwrap_or_default() }),
        }
        let contract: Self = serde_json::from_value(value)?;
        if contract.to_lock()? == text { Ok(contract) } else { Err(LockError::NotCanonical) }
    }
}

/// Writes a value with sorted keys. `serde_json`'s own writer keeps the order of its map, which a feature of any crate in
/// the build may change.
fn write_value(value: &Value, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                line(out, depth + 1);
                write_value(item, depth + 1, out);
            }
            line(out, depth);
            out.push(']');
        }
        Value::Object(map) if !map.is_empty() => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (i, (key, item)) in keys.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                line(out, depth + 1);
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(": ");
                write_value(item, depth + 1, out);
            }
            line(out, depth);
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests;
