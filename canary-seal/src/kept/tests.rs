use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

#[test]
fn what_is_kept_comes_back_or_is_said_to_be_missing_or_changed() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::beside(&dir.path().join("log/decisions.jsonl"));
    fs::create_dir(dir.path().join("log")).unwrap();
    for kind in [KeptKind::Evidence, KeptKind::Policy, KeptKind::PolicyFile] {
        let digest = kept.put(kind, b"what was seen\n").unwrap();
        assert_eq!(kept.read(kind, digest).unwrap(), b"what was seen\n");
        let path = kept.path(kind, digest);
        assert!(path.to_str().unwrap().contains(&digest.to_string()), "{path:?}");
        for at in 0..14 {
            let mut bytes = b"what was seen\n".to_vec();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(matches!(kept.read(kind, digest), Err(KeptError::Changed { .. })), "byte {at}");
        }
        kept.put(kind, b"what was seen\n").unwrap();
        assert_eq!(kept.read(kind, digest).unwrap(), b"what was seen\n", "put right");
        fs::remove_file(&path).unwrap();
        assert!(matches!(kept.read(kind, digest), Err(KeptError::Missing(_))));
    }
}

#[test]
fn what_a_writer_left_that_died_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::beside(&dir.path().join("decisions.jsonl"));
    fs::create_dir(dir.path().join("evidence")).unwrap();
    fs::write(dir.path().join("evidence/.part-abc"), b"half").unwrap();
    let digest = kept.put(KeptKind::Evidence, b"whole").unwrap();
    kept.put(KeptKind::Evidence, b"whole").unwrap();
    assert_eq!(kept.read(KeptKind::Evidence, digest).unwrap(), b"whole");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("evidence"), b"a file").unwrap();
    let kept = Kept::beside(&dir.path().join("decisions.jsonl"));
    let error = kept.put(KeptKind::Evidence, b"x").unwrap_err();
    assert!(
        matches!(&error, KeptError::Io { action: "write", path, .. } if path.contains("evidence")),
        "{error}"
    );
}

/// What lies beside a journal in `directory`.
fn files(directory: &Path) -> Vec<String> {
    let all = fs::read_dir(directory).unwrap();
    all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_is_written_in_parts_is_kept_as_if_it_were_whole() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::beside(&dir.path().join("decisions.jsonl"));
    // Parts larger and smaller than what is written at a time.
    let parts: Vec<Vec<u8>> = (0..300_usize).map(|i| vec![i as u8; [1, 0, 700, 3 * CHUNK][i % 4]]).collect();
    let whole = parts.concat();
    let write = |out: &mut dyn Write| parts.iter().try_for_each(|part| out.write_all(part));
    let digest = kept.put_from(KeptKind::Evidence, write).unwrap();
    assert_eq!(digest, Digest::of(&whole));
    assert!(kept.read(KeptKind::Evidence, digest).unwrap() == whole, "other bytes");
    let path = kept.path(KeptKind::Evidence, digest);
    fs::write(&path, b"changed").unwrap();
    assert_eq!(kept.put_from(KeptKind::Evidence, write).unwrap(), digest);
    assert!(kept.read(KeptKind::Evidence, digest).unwrap() == whole, "not put right");
    assert_eq!(files(path.parent().unwrap()), [format!("{digest}.jsonl")]);
}

#[test]
fn a_writer_that_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::beside(&dir.path().join("decisions.jsonl"));
    let failing = |out: &mut dyn Write| {
        out.write_all(&[b'x'; 3 * CHUNK])?;
        Err(io::Error::other("no more"))
    };
    let error = kept.put_from(KeptKind::Evidence, failing).unwrap_err();
    let KeptError::Io { action: "write", source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.to_string(), "no more");
    assert_eq!(files(&dir.path().join("evidence")), [""; 0]);
}

#[test]
fn a_full_disk_is_told_and_nothing_of_the_file_stays() {
    let Some(disk) = canary_testkit::SmallDisk::mount(256) else { return };
    let kept = Kept::beside(&disk.path().join("decisions.jsonl"));
    let small = kept.put(KeptKind::Evidence, b"small").unwrap();
    let error =
        kept.put_from(KeptKind::Evidence, |out| (0..1000).try_for_each(|_| out.write_all(&[b'x'; 1024])));
    let error = error.unwrap_err();
    let KeptError::Io { action: "write", path, source } = &error else { panic!("{error}") };
    assert!(path.ends_with("evidence") && source.kind() == io::ErrorKind::StorageFull, "{path}: {source}");
    assert_eq!(files(&disk.path().join("evidence")), [format!("{small}.jsonl")]);
    assert_eq!(kept.read(KeptKind::Evidence, small).unwrap(), b"small");
    // There is room again.
    kept.put_from(KeptKind::Evidence, |out| out.write_all(&[b'x'; 100 * 1024])).unwrap();
}

/// The variable that makes of the next test a writer that never ends by itself.
const WRITES_IN: &str = "CANARY_TEST_KEEPS_IN";

#[test]
fn kill_nine_in_the_middle_leaves_a_part_that_nobody_reads() {
    const NAME: &str = "kept::tests::kill_nine_in_the_middle_leaves_a_part_that_nobody_reads";
    if let Ok(directory) = std::env::var(WRITES_IN) {
        let kept = Kept::beside(&Path::new(&directory).join("decisions.jsonl"));
        kept.put_from(KeptKind::Evidence, |out| {
            loop {
                out.write_all(b"a line\n")?;
                out.flush()?;
                std::thread::sleep(Duration::from_millis(1));
            }
        })
        .unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env(WRITES_IN, dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let evidence = dir.path().join("evidence");
    let begun = || {
        let mut parts = fs::read_dir(&evidence).into_iter().flatten().flatten();
        parts.any(|part| part.metadata().is_ok_and(|meta| meta.len() > 70))
    };
    let until = Instant::now() + Duration::from_secs(60);
    while !begun() {
        assert!(Instant::now() < until && child.try_wait().unwrap().is_none(), "it wrote nothing");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = files(&evidence);
    assert!(left.len() == 1 && left[0].starts_with(".part-"), "{left:?}");
    let kept = Kept::beside(&dir.path().join("decisions.jsonl"));
    let digest = kept.put_from(KeptKind::Evidence, |out| out.write_all(b"a line\n")).unwrap();
    assert_eq!(kept.read(KeptKind::Evidence, digest).unwrap(), b"a line\n");
}
