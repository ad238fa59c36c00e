//! The repository's files, and just enough of Markdown.

use std::path::{Path, PathBuf};

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file of the repository that ends so, its path from the root first.
pub(crate) fn files(ending: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut left = vec![root.clone()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with('.') || name == "target" || name == "node_modules" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else if name.ends_with(ending) {
                let path = entry.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push((path, std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no {ending} in {}", root.display());
    found.sort();
    found
}

/// A fenced block: what stands after the fence, and its lines.
pub(crate) struct Block {
    pub(crate) info: String,
    pub(crate) lines: Vec<String>,
}

/// The lines outside of fences, and the fenced blocks.
pub(crate) fn parts(text: &str) -> (Vec<&str>, Vec<Block>) {
    let (mut prose, mut blocks) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => open = Some(Block { info: info.trim().to_owned(), lines: Vec::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_owned()),
            (None, None) => prose.push(line),
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    (prose, blocks)
}

/// The headings' anchors, as forges make them.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let (prose, _) = parts(text);
    let mut anchors: Vec<String> = Vec::new();
    for line in prose.iter().filter(|line| line.starts_with('#')) {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let before = anchors.iter().filter(|known| **known == anchor).count();
        anchors.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
    }
    anchors
}

/// The code spans of a line.
pub(crate) fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}
