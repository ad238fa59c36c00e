use proptest::prelude::*;

use super::parse;

#[test]
fn deep_and_long_text_is_refused_and_does_not_overflow() {
    for text in [
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT {}1", "[".repeat(100_000)),
        format!("SELECT {}1", "- ".repeat(100_000)),
        format!("SELECT {}1", "NOT ".repeat(100_000)),
        format!("SELECT {}1", "(')' || ".repeat(100_000)),
        format!("SELECT $$'$$ || {}1", "(')' || ".repeat(100_000)),
    ] {
        assert!(!parse(&text).errors.is_empty());
    }
    // Just below the limits the parser's stack suffices.
    for text in [
        format!("SELECT {}1", "NOT ".repeat(4_900)),
        format!("SELECT {}1", "- ".repeat(2_400)),
        format!("SELECT 1{}", "::int".repeat(2_400)),
        format!("SELECT {}1 {}", "CASE WHEN true THEN ".repeat(900), "END ".repeat(900)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(1_600)),
    ] {
        assert_eq!(parse(&text).statements.len(), 1, "{:?}", parse(&text).errors.first());
    }
    let fine = format!("SELECT {}1{}", "(".repeat(150), ")".repeat(150));
    assert!(parse(&fine).errors.is_empty());
}

#[test]
fn a_long_but_flat_file_parses() {
    let text = "INSERT INTO t VALUES (1, 'x y z'), (2, 'a');\n".repeat(20_000);
    let script = parse(&text);
    assert_eq!((script.errors.len(), script.statements.len()), (0, 20_000));
}

#[test]
fn statements_stand_where_they_stand() {
    let text = " SELECT 1;\n\n  DROP TABLE t ;";
    let spans: Vec<&str> = parse(text).statements.iter().map(|s| &text[s.span.start..s.span.end]).collect();
    assert_eq!(spans, ["SELECT 1;", "DROP TABLE t ;"]);
}

#[test]
fn a_nul_byte_is_an_error() {
    assert!(!parse("SELECT 1;\0 DROP TABLE t;").errors.is_empty());
    assert!(!parse("SELECT '\0';").errors.is_empty());
}

/// Text made of the pieces that decide how SQL is split.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "'",
        "\"",
        "$$",
        "$a$",
        "--",
        "/*",
        "*/",
        "\n",
        "\r",
        ";",
        "(",
        ")",
        "\\",
        "E'",
        "U&\"",
        " ",
        "drop",
        "table",
        "t",
        "alter",
        "add",
        "column",
        "c",
        "int",
        ",",
        ".",
        "*",
        "create",
        "function",
        "as",
        "do",
        "begin",
        "end",
        "ä",
        "\u{feff}",
        "not",
        "null",
        "only",
        "1",
        "select",
        "set",
        "type",
        "of",
        "partition",
        "index",
        "on",
        "0x",
        "1e",
        ":",
        "::",
        "[",
        "]",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_panics_and_keeps_to_the_text(text in prop_oneof![pieces(), "\\PC{0,80}", any::<String>()]) {
        let script = super::parse_here(&text);
        let mut last = 0;
        for statement in &script.statements {
            prop_assert!(last <= statement.span.start && statement.span.end <= text.len());
            prop_assert!(text.get(statement.span.start..statement.span.end).is_some());
            last = statement.span.end;
        }
        let mut judge = crate::rules::Judge::default();
        let up = crate::convention::Convention::Sqlx.read(&text, None).unwrap();
        let convention = crate::convention::Convention::Sqlx;
        let place = crate::rules::Place { file: "x", text: &text, convention, parts: &up.parts };
        judge.open(place);
        judge.file(place, &script);
        for finding in judge.into_findings() {
            prop_assert!(finding.line >= 1 && finding.column >= 1);
        }
    }
}
