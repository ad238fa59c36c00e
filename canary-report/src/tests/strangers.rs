//! Whatever others wrote, it stays text.

use std::collections::BTreeSet;

use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::markup::Page;
use super::story::Story;

/// All that this crate writes itself. None of them runs or fetches anything.
const ELEMENTS: [&str; 41] = [
    "article",
    "body",
    "circle",
    "code",
    "dd",
    "desc",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "html",
    "li",
    "line",
    "main",
    "meta",
    "p",
    "polyline",
    "pre",
    "rect",
    "section",
    "span",
    "strong",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "th",
    "thead",
    "time",
    "title",
];
const MORE_ELEMENTS: [&str; 7] = ["defs", "g", "path", "pattern", "polygon", "tr", "ul"];

/// Reads a page and holds it against what may be in one.
pub(super) fn harmless(page: &str) -> Page {
    let read = Page::read(page);
    let known: BTreeSet<_> = ELEMENTS.into_iter().chain(MORE_ELEMENTS).collect();
    let strange: Vec<_> = read.names().difference(&known).copied().collect();
    assert!(strange.is_empty(), "{strange:?}");
    for (key, value) in read.attributes() {
        assert!(
            !key.starts_with("on") && !["src", "href", "style", "srcset", "action"].contains(&key),
            "{key}"
        );
        assert!(!value.contains("://"), "{key}={value}");
    }
    let css = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    assert!(!css.contains("@import") && !css.contains("url(") && !css.contains("://"), "{css}");
    read
}

#[test]
fn scripts_stay_text_wherever_they_stand() {
    let evil = "</script></title></style><script>alert(1)</script>\"'&`<!--]]>";
    let story = Story::rolled_back(evil);
    let page = story.page();
    let read = harmless(&page);
    assert!(!page.contains("<script") && !page.contains("<!--"));
    // Every one of them is there, whole and harmless.
    let foreign = [
        "ada",
        "ticket 12",
        "no new migration",
        "rule",
        "file.sql",
        "drop table",
        "the old binary reads it",
        "drop it later",
        "base v1",
        "/srv/v2",
        "/srv/v1",
        "no peer is checked",
        "queue_length",
        "queue",
        "503",
        "rate(x[60s])",
        "{} 1",
        "connection refused",
        "grace",
        "the queue grows",
        "nothing to promote",
        "2 left",
        "curl",
        "bob",
        "panicked",
        "at main.rs",
        "p95 0.81 (bound < 0.5)",
        "exec failed",
        "api-2: watch: p95 0.81 (bound < 0.5)",
    ];
    for text in foreign {
        let text = format!("{evil}{text}");
        assert!(read.text.contains(&text), "{text:?} is missing");
    }
    let compared = Story::compared(evil);
    let page = compared.page();
    let read = harmless(&page);
    assert!(!page.contains("<script") && !page.contains("<!--"));
    for text in ["errors failed", "p95: 5m of history, 30m are needed"] {
        assert!(read.text.contains(&format!("{evil}{text}")), "{text:?} is missing");
    }
    let messages = story.message() + &compared.message();
    for line in messages.lines().filter(|line| line.contains("alert(1)")) {
        let outside: String = line.split('`').step_by(2).collect();
        assert!(!outside.contains("alert"), "outside of the backticks: {line}");
        assert_eq!(line.matches('`').count() % 2, 0, "{line}");
    }
}

#[test]
fn what_hides_or_reorders_is_spelled_out() {
    let story = Story::rolled_back("a\u{202e}b\u{0}c\u{1b}[31md\re");
    let (page, message) = (story.page(), story.message());
    for hidden in ['\u{202e}', '\u{0}', '\u{1b}', '\r'] {
        assert!(!page.contains(hidden) && !message.contains(hidden), "{hidden:?}");
    }
    assert!(page.contains("a\\u{202e}b\\u{0}c\\u{1b}[31md\\u{d}eada"), "{page}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_text_and_any_number_make_a_harmless_page(
        said in any::<String>(),
        probes in prop::collection::vec((any::<Option<f64>>(), any::<Option<f64>>()), 0..20),
    ) {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let mut story = Story::rolled_back(&said);
        for (first, second) in probes {
            story.probe(finite(first), finite(second));
        }
        let read = harmless(&story.page());
        assert!(read.names().contains("svg"));
        let message = story.message();
        assert!(message.lines().count() <= 20, "{message}");
        for line in message.lines() {
            assert_eq!(line.matches('`').count() % 2, 0, "{line}");
        }
    }
}
