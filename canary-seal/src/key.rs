//! Ed25519 keys: where they are kept, and how they are named.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_core::fleet::Digest;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};

/// What a key's text begins with.
const ALGORITHM: &str = "ed25519:";
/// PKCS #8 version 1 of an Ed25519 key, up to its 32 bytes (RFC 8410, section 7).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The operating system said no.
    #[error("cannot {action} the signing key {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{0} is not an Ed25519 private key (PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it)"
    )]
    NotAKey(String),
    /// The text is not a fingerprint.
    #[error("{0:?} is not a key's fingerprint (64 hex digits)")]
    Fingerprint(String),
}

/// A private key. Its debug text shows the public half alone.
#[derive(Clone)]
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    public: String,
}

impl SigningKey {
    /// The key of these 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(bytes);
        let public = format!("{ALGORITHM}{}", STANDARD.encode(key.verifying_key().as_bytes()));
        Self { key, public }
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or holds something else; its content is not shown.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read_to_string(path).map_err(|e| failed("read", path, e))?;
        let not = || KeyError::NotAKey(path.display().to_string());
        let inner =
            text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or_else(not)?;
        let inner: String = inner.split_whitespace().collect();
        let der = STANDARD.decode(inner).map_err(|_| not())?;
        let bytes = der.strip_prefix(&PKCS8).and_then(|rest| rest.try_into().ok()).ok_or_else(not)?;
        Ok(Self::new(bytes))
    }

    /// Reads the key, or makes it of `random` when the file is not there: readable by its owner alone, whole or not at all. Of two processes that make
    /// it at once both have the one that came first.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read_or_make(path: &Path, random: &[u8; 32]) -> Result<Self, KeyError> {
        match Self::read(path) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        Self::new(random).write(path)?;
        Self::read(path)
    }

    /// Writes the key with mode 0600, unless the file is there already.
    fn write(&self, path: &Path) -> Result<(), KeyError> {
        let make = |e| failed("make", path, e);
        let directory =
            path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(directory).map_err(make)?;
        let der = [PKCS8.as_slice(), self.key.as_bytes()].concat();
        // Of mode 0600 from its first byte.
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(make)?;
        writeln!(file, "{BEGIN}\n{}\n{END}", STANDARD.encode(der)).map_err(make)?;
        file.as_file().sync_all().map_err(make)?;
        match file.persist_noclobber(path) {
            Ok(_) => fs::File::open(directory).and_then(|dir| dir.sync_all()).map_err(make),
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(make(e.error)),
        }
    }

    /// Puts the key at `next` in the place of the one at `path`, in one piece.
    ///
    /// # Errors
    /// [`KeyError::Io`].
    pub fn replace(next: &Path, path: &Path) -> Result<(), KeyError> {
        let directory =
            path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        fs::rename(next, path)
            .and_then(|()| fs::File::open(directory)?.sync_all())
            .map_err(|e| failed("replace", path, e))
    }

    /// The public key, as records name it: `ed25519:` and its 32 bytes in base64.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    pub(crate) fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.key.sign(text).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public)
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> KeyError {
    KeyError::Io { action, path: path.display().to_string(), source }
}

/// A public key that can check signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Of a record's text.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(ALGORITHM)?).ok()?;
        VerifyingKey::from_bytes(bytes.as_slice().try_into().ok()?).ok().map(Self)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Whether this key signed the text; keys of small order never did.
    pub(crate) fn signed(&self, text: &[u8], signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.0.verify_strict(text, &signature).is_ok())
    }
}

/// A public key's fingerprint: the SHA-256 of its 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(Digest);

impl Fingerprint {
    /// That of a key as records name it; `None` when the text is none.
    #[must_use]
    pub fn of(public: &str) -> Option<Self> {
        PublicKey::of(public).map(|key| Self(Digest::of(key.bytes())))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Fingerprint {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.trim().parse().map(Self).map_err(|_| KeyError::Fingerprint(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/signing.key");
        let first = SigningKey::read_or_make(&path, &[7; 32]).unwrap();
        let again = SigningKey::read_or_make(&path, &[8; 32]).unwrap();
        assert_eq!((first.public(), first.public()), (again.public(), SigningKey::new(&[7; 32]).public()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        SigningKey::new(&[9; 32]).write(&path).unwrap();
        assert_eq!(SigningKey::read(&path).unwrap().public(), first.public(), "another made it meanwhile");
        assert!(!format!("{first:?}").contains("7, 7"));
    }

    /// RFC 8032, section 7.1, test 2; the file as OpenSSL 3 reads and writes it.
    #[test]
    fn keys_of_other_programs_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        let inner = "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7";
        let pem = format!("{BEGIN}\n{inner}\n{END}\n");
        fs::write(&path, &pem).unwrap();
        let key = SigningKey::read(&path).unwrap();
        assert_eq!(key.public(), "ed25519:PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=");
        let signature = key.sign(&[0x72]);
        assert_eq!(signature[..8], [0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8]);
        assert!(PublicKey::of(key.public()).unwrap().signed(&[0x72], &signature));
        key.write(&dir.path().join("again.pem")).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("again.pem")).unwrap(), pem);
        for junk in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "secret words"] {
            fs::write(&path, junk).unwrap();
            let error = SigningKey::read(&path).unwrap_err().to_string();
            assert!(error.contains("is not an Ed25519 private key") && !error.contains("secret"), "{error}");
        }
    }
}
