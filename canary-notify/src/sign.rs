//! Signatures by the Standard Webhooks specification 1.0.0: HMAC-SHA256 over `id.timestamp.body`, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secret::Secret;
use crate::target::TargetError;

/// The shortest key the specification allows, in bytes.
const SHORTEST: usize = 24;
/// The longest.
const LONGEST: usize = 64;

/// A key that bodies are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// Reads a secret: `whsec_` and base64, as the specification writes it, else the text's own bytes; 24 to 64 bytes.
    ///
    /// # Errors
    /// [`TargetError::Secret`] when it is too short, too long or no base64; never shows it.
    pub fn parse(text: &Secret) -> Result<Self, TargetError> {
        let refuse = |why: String| Err(TargetError::Secret { why });
        let bytes = match text.reveal().strip_prefix("whsec_") {
            Some(encoded) => match STANDARD.decode(encoded) {
                Ok(bytes) => bytes,
                Err(_) => return refuse("what follows whsec_ is not base64".to_owned()),
            },
            None => text.reveal().as_bytes().to_vec(),
        };
        if (SHORTEST..=LONGEST).contains(&bytes.len()) {
            return Ok(Self(bytes));
        }
        refuse(format!("it has {} bytes, {SHORTEST} to {LONGEST} are needed", bytes.len()))
    }

    /// Reads secrets, one a line; blank lines and lines that begin with `#` are left out. The newest comes first.
    ///
    /// # Errors
    /// As [`Self::parse`]; also when there is none.
    pub fn parse_all(text: &Secret) -> Result<Vec<Self>, TargetError> {
        let lines =
            text.reveal().lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let secrets = lines.map(|line| Self::parse(&Secret::new(line))).collect::<Result<Vec<_>, _>>()?;
        if secrets.is_empty() {
            return Err(TargetError::Secret { why: "there is none".to_owned() });
        }
        Ok(secrets)
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// The value of `webhook-signature`: `v1,` and base64 for each secret, separated by blanks.
///
/// `timestamp` is in whole seconds since 1970.
#[must_use]
pub fn signature(secrets: &[SigningSecret], id: &str, timestamp: u64, body: &[u8]) -> String {
    let head = format!("{id}.{timestamp}.");
    let signed = secrets.iter().map(|secret| {
        let tag = tag(&secret.0, &[head.as_bytes(), body]);
        format!("v1,{}", STANDARD.encode(tag))
    });
    signed.collect::<Vec<_>>().join(" ")
}

fn tag(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // proof: HMAC takes a key of any length (RFC 2104, section 2).
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 4231, test cases 1, 2, 3, 6 and 7.
    #[test]
    fn the_vectors_of_the_rfc() {
        let long = [0xaa; 131];
        let cases: [(&[u8], &[u8], &str); 5] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (
                &long,
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &long,
                b"This is a test using a larger than block-size key and a larger than block-size data. The key needs \
                  to be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, data, expected) in cases {
            assert_eq!(hex(&tag(key, &[data])), expected);
        }
    }

    /// The example that the specification's libraries test with.
    #[test]
    fn the_example_of_the_specification() {
        let secret = SigningSecret::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn another_program_computes_the_same() {
        let key = "an-old-and-long-shared-secret";
        let body = "{\"a\":\"ä\"}";
        let openssl = Command::new("sh")
            .args(["-c", "printf %s \"$DATA\" | openssl dgst -sha256 -hmac \"$KEY\" -binary | base64"])
            .env("DATA", format!("id-1.17.{body}"))
            .env("KEY", key)
            .output()
            .unwrap();
        if !openssl.status.success() || openssl.stdout.len() < 40 {
            assert!(std::env::var_os("CI").is_none(), "openssl is missing");
            println!("skipped: no openssl");
            return;
        }
        let theirs = String::from_utf8(openssl.stdout).unwrap();
        let ours =
            signature(&[SigningSecret::parse(&Secret::new(key)).unwrap()], "id-1", 17, body.as_bytes());
        assert_eq!(ours, format!("v1,{}", theirs.trim()));
    }

    #[test]
    fn several_secrets_sign_side_by_side() {
        let text =
            Secret::new("# new\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n\nan-old-and-long-shared-secret\n");
        let secrets = SigningSecret::parse_all(&text).unwrap();
        let both = signature(&secrets, "id", 1, b"{}");
        let each: Vec<_> =
            secrets.iter().map(|s| signature(std::slice::from_ref(s), "id", 1, b"{}")).collect();
        assert_eq!(both, each.join(" "));
    }

    #[test]
    fn bad_secrets_are_refused_and_not_shown() {
        for text in ["", "# nothing", "short-secret", "whsec_!!!notbase64", &"x".repeat(65), "whsec_c2hvcnQ="]
        {
            let error = SigningSecret::parse_all(&Secret::new(text)).unwrap_err().to_string();
            assert!(text.len() < 3 || !error.contains(text), "{error}");
        }
        let secret = SigningSecret::parse(&Secret::new("an-old-and-long-shared-secret")).unwrap();
        assert_eq!(format!("{secret:?}"), "SigningSecret(…)");
    }
}
