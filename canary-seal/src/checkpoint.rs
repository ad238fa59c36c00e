//! The head as a checkpoint (C2SP tlog-checkpoint v1.0.0): a signed note of three lines: origin, number of records, root.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_core::fleet::Digest;
use canary_core::journal::{Head, Seal};

use crate::key::{PublicKey, SigningKey};
use crate::note::{self, Note};

/// What an origin begins with; the journal's id follows.
const ORIGIN: &str = "canary/";

/// Signs heads with an Ed25519 key.
#[derive(Debug, Clone)]
pub struct Ed25519Seal {
    key: SigningKey,
}

impl Ed25519Seal {
    /// Signs with this key.
    #[must_use]
    pub const fn new(key: SigningKey) -> Self {
        Self { key }
    }

    /// The key it signs with.
    #[must_use]
    pub const fn signing_key(&self) -> &SigningKey {
        &self.key
    }
}

impl Seal for Ed25519Seal {
    fn key(&self) -> &str {
        self.key.public()
    }

    fn sign(&self, head: &Head) -> String {
        let origin = format!("{ORIGIN}{}", head.log);
        let text = format!("{origin}\n{}\n{}\n", head.size, STANDARD.encode(head.root.bytes()));
        note::sign(&text, &origin, &self.key)
    }

    fn open(&self, text: &str, key_at: &dyn Fn(u64) -> String) -> Result<Head, String> {
        let Some((head, note)) = read(text) else {
            return Err("it is no checkpoint of a journal".to_owned());
        };
        signed(&head, &note, &key_at(head.size))?;
        Ok(head)
    }
}

/// Reads a checkpoint of a journal; its signature is another matter.
pub(crate) fn read(text: &str) -> Option<(Head, Note<'_>)> {
    let note = Note::read(text)?;
    let mut lines = note.text.strip_suffix('\n')?.split('\n');
    let log = lines.next()?.strip_prefix(ORIGIN)?.to_owned();
    let size = lines.next().filter(|size| *size == "0" || !size.starts_with(['0', '+']))?.parse().ok()?;
    let root = STANDARD.decode(lines.next()?).ok()?;
    let root = Digest::from(<[u8; 32]>::try_from(root).ok()?);
    Some((Head { log, size, root }, note))
}

/// Checks a head's signature against the key that the journal names.
///
/// # Errors
/// Why it is not that key's word.
pub(crate) fn signed(head: &Head, note: &Note<'_>, key: &str) -> Result<(), String> {
    let public = PublicKey::of(key).ok_or_else(|| format!("{key:?} is not an Ed25519 public key"))?;
    if note.is_signed(&format!("{ORIGIN}{}", head.log), &public) {
        return Ok(());
    }
    Err(format!("the key {key} did not sign it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(byte: u8) -> Ed25519Seal {
        Ed25519Seal::new(SigningKey::new(&[byte; 32]))
    }

    fn head() -> Head {
        Head { log: "00ff".repeat(8), size: 1307, root: Digest::of(b"root") }
    }

    #[test]
    fn a_head_is_what_its_key_said_and_no_other() {
        let (ours, theirs) = (seal(1), seal(2));
        let text = ours.sign(&head());
        assert_eq!(ours.sign(&head()), text, "the same head gives the same text");
        assert_eq!(theirs.open(&text, &|_| ours.key().to_owned()), Ok(head()), "the public key is enough");
        let error = ours.open(&text, &|_| theirs.key().to_owned()).unwrap_err();
        assert!(error.contains("did not sign it"), "{error}");
        let cosigned = format!("{text}— witness.example.org AAAAAAAAAAA=\n");
        assert_eq!(ours.open(&cosigned, &|_| ours.key().to_owned()), Ok(head()), "others may sign below");
    }

    #[test]
    fn every_flipped_byte_of_a_head_is_found() {
        let seal = seal(1);
        let text = seal.sign(&head());
        for at in 0..text.len() {
            for mask in (0..8).map(|bit| 1_u8 << bit) {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= mask;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(
                    seal.open(&changed, &|_| seal.key().to_owned()).is_err(),
                    "byte {at} ^ {mask}: {changed}"
                );
            }
        }
    }
}
