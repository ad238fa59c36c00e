//! Whose key signs: the first, and those it was handed over to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_core::journal::{Entry, Handover, Record};

use crate::key::{PublicKey, SigningKey};

/// What both keys sign when one gives way to the other.
fn statement(log: &str, from: &str, to: &str) -> String {
    format!("canary: the key of a journal\n{log}\n{from}\n{to}\n")
}

/// The change from one key to another in the journal `log`, signed by both.
#[must_use]
pub fn handover(log: &str, old: &SigningKey, new: &SigningKey) -> Handover {
    let text = statement(log, old.public(), new.public());
    let sign = |key: &SigningKey| STANDARD.encode(key.sign(text.as_bytes()));
    Handover { from: old.public().to_owned(), by_old: sign(old), by_new: sign(new) }
}

/// The keys that a journal names, each from the record on that names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Custody<'r> {
    keys: Vec<(u64, &'r str)>,
}

impl<'r> Custody<'r> {
    /// Checks every change of keys.
    ///
    /// # Errors
    /// The first record that names a key without its holder before having said so, and why.
    pub(crate) fn of(records: &'r [Record]) -> Result<Self, (&'r Record, String)> {
        let mut custody = Self::default();
        for record in records {
            let Entry::SigningKey { key, handover } = &record.entry else { continue };
            let before = custody.keys.last().map(|(_, key)| *key);
            follows(&record.log, before, key, handover.as_ref()).map_err(|why| (record, why))?;
            custody.keys.push((record.seq, key));
        }
        Ok(custody)
    }

    /// The key of a head over so many records. The first head is signed before the record that names its key.
    pub(crate) fn at(&self, size: u64) -> Option<&'r str> {
        let named = self.keys.iter().rev().find(|(seq, _)| *seq < size);
        named.or_else(|| self.keys.first()).map(|(_, key)| *key)
    }

    /// The key that signs now.
    pub(crate) fn last(&self) -> Option<&'r str> {
        self.keys.last().map(|(_, key)| *key)
    }

    /// Every key, oldest first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'r str> {
        self.keys.iter().map(|(_, key)| *key)
    }
}

fn follows(log: &str, before: Option<&str>, key: &str, handover: Option<&Handover>) -> Result<(), String> {
    let public =
        |text: &str| PublicKey::of(text).ok_or_else(|| format!("{text:?} is not an Ed25519 public key"));
    let new = public(key)?;
    match (before, handover) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err("it hands over from a key that the journal does not name".to_owned()),
        (Some(before), None) => Err(format!("it names another key, and {before} did not hand over to it")),
        (Some(before), Some(handover)) => {
            if handover.from != before {
                return Err(format!("it hands over from {}, the key was {before}", handover.from));
            }
            let text = statement(log, before, key);
            let signed = |key: &PublicKey, signature: &str| {
                STANDARD.decode(signature).is_ok_and(|signature| key.signed(text.as_bytes(), &signature))
            };
            if !signed(&public(before)?, &handover.by_old) {
                return Err(format!("{before} did not sign the handover"));
            }
            if !signed(&new, &handover.by_new) {
                return Err(format!("{key} did not sign the handover"));
            }
            Ok(())
        }
    }
}
