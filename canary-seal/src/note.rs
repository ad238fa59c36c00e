//! Signed notes (C2SP signed-note v1.0.0): a text, a blank line, and a line for each signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_core::fleet::Digest;

use crate::key::{PublicKey, SigningKey};

/// The type of Ed25519 signatures, within a key's id.
const ED25519: u8 = 1;

/// A note as it was read; nothing about its signatures is known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note<'a> {
    /// The signed text, with its last line feed.
    pub(crate) text: &'a str,
    signatures: Vec<Signature<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature<'a> {
    name: &'a str,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Reads a note.
    pub(crate) fn read(note: &'a str) -> Option<Self> {
        let split = note.rfind("\n\n")?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines.strip_suffix('\n')?;
        let signatures = lines.split('\n').map(signature).collect::<Option<Vec<_>>>()?;
        Some(Self { text, signatures })
    }

    /// Whether `key` signed it under this name.
    pub(crate) fn is_signed(&self, name: &str, key: &PublicKey) -> bool {
        let id = key_id(name, key);
        let ours = |signature: &&Signature<'_>| signature.name == name && signature.id == id;
        self.signatures.iter().filter(ours).any(|found| key.signed(self.text.as_bytes(), &found.bytes))
    }
}

/// `— NAME BASE64`: a key's id and its signature.
fn signature(line: &str) -> Option<Signature<'_>> {
    let (name, rest) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(rest).ok()?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    (!name.is_empty()).then(|| Signature { name, id: *id, bytes: bytes.to_vec() })
}

/// The first bytes of the digest of the name, a line feed, the type and the key.
fn key_id(name: &str, key: &PublicKey) -> [u8; 4] {
    let digest = Digest::of(&[name.as_bytes(), b"\n", &[ED25519], key.bytes()].concat());
    let [a, b, c, d, ..] = *digest.bytes();
    [a, b, c, d]
}

/// The note of a text, which ends with a line feed, signed under this name.
pub(crate) fn sign(text: &str, name: &str, key: &SigningKey) -> String {
    let id = PublicKey::of(key.public()).map(|public| key_id(name, &public)).unwrap_or_default();
    let bytes = [id.as_slice(), &key.sign(text.as_bytes())].concat();
    format!("{text}\n— {name} {}\n", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the reference implementation documents (Go, `golang.org/x/mod/sumdb/note`).
    const EXAMPLE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn notes_of_other_programs_are_read() {
        let note = Note::read(EXAMPLE).unwrap();
        let key = PublicKey::of("ed25519:GlzZBxQ8OExB6DDFvOEqqIF+xWSaqr8sMTiLNbLXRNY=").unwrap();
        assert_eq!(key_id("PeterNeumann", &key), [0xc7, 0x4f, 0x20, 0xa3]);
        assert!(note.is_signed("PeterNeumann", &key));
        assert!(!note.is_signed("Peter", &key));
        let other = EXAMPLE.replace("answer", "Answer");
        assert!(!Note::read(&other).unwrap().is_signed("PeterNeumann", &key));
    }

    #[test]
    fn what_is_signed_reads_back() {
        let signing = SigningKey::new(&[3; 32]);
        let note = sign("a text\nof two lines\n", "example.org/log", &signing);
        let read = Note::read(&note).unwrap();
        let public = PublicKey::of(signing.public()).unwrap();
        assert_eq!(read.text, "a text\nof two lines\n");
        assert!(read.is_signed("example.org/log", &public));
        let other = PublicKey::of(SigningKey::new(&[4; 32]).public()).unwrap();
        assert!(!read.is_signed("example.org/log", &other));
    }
}
