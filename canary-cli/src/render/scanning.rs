//! Findings for tools that see the whole repository: code scanning, pull requests.

use std::path::Path;

use canary_core::traits::{Finding, GateVerdict, Review};

/// The most broken queries that a message names.
const NAMED: usize = 10;

/// The same review with its files named from the root of the repository that `directory` lies in, as these tools look them up.
#[must_use]
pub fn from_the_root(review: &Review, directory: &Path) -> Review {
    let mut review = review.clone();
    let root = directory.ancestors().find(|above| above.join(".git").exists());
    let below = root.and_then(|root| directory.strip_prefix(root).ok());
    let Some(below) = below.filter(|below| !below.as_os_str().is_empty()) else { return review };
    let named = |file: &mut String| {
        if Path::new(&*file).is_relative() {
            *file = below.join(&*file).display().to_string();
        }
    };
    review.findings.iter_mut().for_each(|finding| named(&mut finding.file));
    if let GateVerdict::Bypassed { grants } = &mut review.verdict {
        grants.iter_mut().filter_map(|grant| grant.file.as_mut()).for_each(named);
    }
    review
}

/// What a finding is about, as one text: what breaks, which queries, and what to do instead.
pub(super) fn text(finding: &Finding) -> String {
    let mut text = finding.reason.clone();
    if !finding.breaks.is_empty() {
        let more = finding.breaks.len().saturating_sub(NAMED);
        let named = finding.breaks[..finding.breaks.len() - more].join(", ");
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        text.push_str(&format!("\nBreaks: {named}{more}."));
    }
    text.push_str(&format!("\nInstead: {}", finding.remedy));
    text
}

#[cfg(test)]
mod tests {
    use canary_core::fleet::Digest;
    use canary_core::traits::Grant;

    use super::*;

    fn review(file: &str) -> Review {
        let grant = Grant { file: Some(file.to_owned()), ..Grant::default() };
        Review {
            verdict: GateVerdict::Bypassed { grants: vec![grant] },
            findings: vec![Finding { file: file.to_owned(), ..Finding::default() }],
            evidence: Vec::new(),
            digest: Digest::of(&[]),
            baseline: None,
        }
    }

    #[test]
    fn files_are_named_from_the_root_of_the_repository() {
        let root = tempfile::tempdir().unwrap();
        let service = root.path().join("services/shop");
        std::fs::create_dir_all(&service).unwrap();
        let file = |directory: &Path, name: &str| {
            let placed = from_the_root(&review(name), directory);
            let GateVerdict::Bypassed { grants } = &placed.verdict else { panic!("{placed:?}") };
            assert_eq!(grants[0].file.as_ref(), Some(&placed.findings[0].file));
            placed.findings[0].file.clone()
        };
        std::fs::create_dir(root.path().join(".git")).unwrap();
        assert_eq!(file(&service, "migrations/1.sql"), "services/shop/migrations/1.sql");
        assert_eq!(file(root.path(), "migrations/1.sql"), "migrations/1.sql");
        assert_eq!(file(&service, "/elsewhere/1.sql"), "/elsewhere/1.sql");
    }

    #[test]
    fn the_text_names_the_queries_that_break() {
        let breaks = (1..=12).map(|line| format!("src/db.rs:{line}")).collect();
        let finding = Finding { reason: "gone".into(), remedy: "wait".into(), breaks, ..Finding::default() };
        let text = text(&finding);
        assert!(text.starts_with("gone\nBreaks: src/db.rs:1, src/db.rs:2,"), "{text}");
        assert!(text.ends_with("src/db.rs:10 and 2 more.\nInstead: wait"), "{text}");
    }
}
