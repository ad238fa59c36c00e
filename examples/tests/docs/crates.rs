//! What each crate's documentation opens with.

use crate::markdown::root;

#[test]
fn every_crate_opens_with_a_picture_and_has_an_example_that_runs() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root()).unwrap() {
        let directory = entry.unwrap().path();
        let Ok(library) = std::fs::read_to_string(directory.join("src/lib.rs")) else { continue };
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("canary-") {
            continue;
        }
        seen += 1;
        let included = library.starts_with("#![doc = include_str!(\"../README.md\")]\n");
        assert!(included, "{name}: its documentation is not its README");
        let readme = std::fs::read_to_string(directory.join("README.md")).unwrap();
        let mut fences = readme.lines().filter(|line| line.starts_with("```") && line.len() > 3);
        assert_eq!(fences.next(), Some("```text"), "{name}: it does not open with a picture");
        assert!(fences.any(|fence| fence == "```rust"), "{name}: no example in it is compiled and run");
    }
    assert!(seen >= 11, "{seen} crates");
}
