//! The image: of this one file, named by its bytes.

use std::path::Path;

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use bytes::Bytes;
use canary_core::fleet::Digest;
use futures_util::StreamExt;

use crate::engine::{CALL, missing, told, within};
use crate::settings::ProbeImage;

const REPOSITORY: &str = "canary-probe";
/// Where the program is in the image.
pub(crate) const PROGRAM: &str = "/canary-probe";
/// The largest program that is taken for one.
const LARGEST: u64 = 256 * 1024 * 1024;
const BLOCK: usize = 512;

/// The image's name on the engine; it is made where it is not there. Repeating it changes nothing.
pub(crate) async fn ensure(docker: &Docker, image: &ProbeImage) -> Result<String, String> {
    let path = match image {
        ProbeImage::Named(name) => {
            let what = format!("looking for the image {name}");
            return within(CALL, &what, docker.inspect_image(name)).await.map(|_| name.clone());
        }
        ProbeImage::Program(path) => path,
    };
    let program = read(path).await.map_err(|why| format!("reading the program {}: {why}", path.display()))?;
    let tag = Digest::of(&program).to_string();
    let tag = tag.get(..24).unwrap_or(&tag);
    let name = format!("{REPOSITORY}:{tag}");
    let found = tokio::time::timeout(CALL, docker.inspect_image(&name)).await;
    match found {
        Ok(Ok(_)) => return Ok(name),
        Ok(Err(error)) if missing(&error) => {}
        Ok(Err(error)) => return Err(format!("looking for the image {name}: {}", told(&error))),
        Err(_) => return Err(format!("looking for the image {name}: no answer of the engine in time")),
    }
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(REPOSITORY).tag(tag).build();
    let body = bollard::body_full(Bytes::from(archive(&program)));
    let made = async {
        let mut answers = std::pin::pin!(docker.create_image(Some(options), Some(body), None));
        while let Some(answer) = answers.next().await {
            answer?;
        }
        Ok(())
    };
    within(CALL, &format!("importing the image {name}"), made).await?;
    Ok(name)
}

async fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let length = tokio::fs::metadata(path).await?.len();
    if length > LARGEST {
        return Err(std::io::Error::other(format!("it has {length} bytes")));
    }
    tokio::fs::read(path).await
}

/// A tar archive (POSIX.1-1988, ustar) of the program alone.
fn archive(program: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, PROGRAM.trim_start_matches('/'));
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", program.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut all = header.to_vec();
    all.extend_from_slice(program);
    // Whole blocks, and two of zeros at the end.
    all.resize(all.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    all
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn tar_reads_the_archive() {
        let mut tar = Command::new("tar")
            .args(["-xO", "canary-probe"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        tar.stdin.take().unwrap().write_all(&archive(b"program")).unwrap();
        let output = tar.wait_with_output().unwrap();
        assert!(output.status.success() && output.stdout == b"program");
        assert_eq!(archive(&[1; 512]).len(), 4 * 512);
    }
}
