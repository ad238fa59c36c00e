//! The signed head of a canary journal, and what is known of a journal elsewhere.
//!
//! The chain of a journal shows that nothing in it was changed; it has no key, so whoever can write the file can write a whole new one. The
//! head closes that: a checkpoint (C2SP tlog-checkpoint: a signed note with the number of records and the root of an RFC 6962 Merkle tree over their
//! hashes) signed with Ed25519. Whoever has the key, or puts back an older file with its older head, is found out by an
//! [`Anchor`](canary_core::journal::Anchor): a record's
//! number and hash that were noted where the writer of the file cannot reach.
//!
//! * [`SigningKey`]: made on first use, kept as PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
//! * [`Ed25519Seal`]: the [`Seal`](canary_core::journal::Seal) that [`FileJournal::open_sealed`](canary_core::journal::FileJournal::open_sealed) takes.
//! * [`anchors`]: reads anchors from lines, from JSON, from checkpoints.
//! * [`verify`]: the journal, its head, the change of its keys, and the anchors, in one pass.

mod anchor;
mod checkpoint;
mod custody;
mod key;
mod note;
mod verify;

#[cfg(test)]
mod attacks;

pub use anchor::{AnchorError, anchors};
pub use checkpoint::Ed25519Seal;
pub use custody::handover;
pub use key::{Fingerprint, KeyError, SigningKey};
pub use verify::{Finding, HeadState, Sealed, Verification, VerifyError, verify};
