//! Every relative link leads to a file that is there, and to a heading that is in it.

use std::path::Path;

use crate::markdown::{anchors, files, parts, root};

/// The targets of `[…](target)` in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

fn broken(path: &str, target: &str, text: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let place = root().join(path).parent().unwrap_or_else(|| Path::new("")).join(file);
    if !file.is_empty() && !place.exists() {
        return Some(format!("{path}: there is no {target}"));
    }
    let text =
        if file.is_empty() { text.to_owned() } else { std::fs::read_to_string(place).unwrap_or_default() };
    let known = anchor.is_empty() || anchors(&text).iter().any(|known| known == anchor);
    (!known).then(|| format!("{path}: {target} has no such heading"))
}

#[test]
fn relative_links_lead_somewhere() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (path, text) in files(".md") {
        for line in parts(&text).0 {
            for target in targets(line) {
                seen += 1;
                wrong.extend(broken(&path, target, &text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 60, "{seen} links");
}

#[test]
fn every_document_is_in_the_index() {
    let index = std::fs::read_to_string(root().join("docs/README.md")).unwrap();
    for (path, _) in files(".md") {
        let Some(name) = path.strip_prefix("docs/").filter(|name| *name != "README.md") else { continue };
        let linked = parts(&index).0.iter().flat_map(|line| targets(line)).any(|target| target == name);
        assert!(linked, "docs/README.md does not link {name}");
    }
}

#[test]
fn what_leads_nowhere_is_found() {
    let text = "# A heading, and more\n";
    assert_eq!(broken("README.md", "#a-heading-and-more", text), None);
    assert_eq!(broken("README.md", "docs/exit-codes.md", text), None);
    assert!(broken("README.md", "#another", text).is_some());
    assert!(broken("docs/x.md", "docs/exit-codes.md", text).is_some());
    assert!(broken("README.md", "docs/exit-codes.md#nothing", text).is_some());
}
