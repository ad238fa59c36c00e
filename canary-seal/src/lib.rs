#![doc = include_str!("../README.md")]
//!
//! # The parts
//!
//! * [`SigningKey`]: made on first use, kept as PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
//! * [`Ed25519Seal`]: the [`Seal`](canary_core::journal::Seal) that [`FileJournal::open_sealed`](canary_core::journal::FileJournal::open_sealed) takes.
//! * [`anchors`]: reads anchors from lines, from JSON, from checkpoints.
//! * [`verify`]: the journal, its head, the change of its keys, and the anchors, in one pass.

mod anchor;
mod checkpoint;
mod custody;
mod kept;
mod key;
mod note;
mod verify;

#[cfg(test)]
mod attacks;

pub use anchor::{AnchorError, anchors};
pub use checkpoint::Ed25519Seal;
pub use custody::handover;
pub use kept::{Kept, KeptError, KeptKind};
pub use key::{Fingerprint, KeyError, SigningKey};
pub use verify::{Finding, HeadState, Sealed, Verification, VerifyError, verify};
