use proptest::prelude::*;

use super::super::model::*;
use super::*;

fn place(line: u32) -> Place {
    Place { file: "src/users.rs".to_owned(), line }
}

fn rust_type(name: &str) -> RustType {
    RustType { name: name.to_owned(), stands_for: None, nullable: false }
}

fn sample() -> Contract {
    let text = "SELECT id, email FROM users WHERE id = $1";
    Contract {
        format: FORMAT,
        tool: "canary 0.1.0".to_owned(),
        service: "tenants".to_owned(),
        revision: None,
        server_major: Some(15),
        drivers: vec![Driver::Sqlx],
        queries: vec![Query {
            hash: QueryHash::of(text),
            text: text.to_owned(),
            parameters: None,
            columns: None,
            overrides: vec![Override { column: "id".to_owned(), nullable: Some(false), rust_type: None }],
            uses: vec![QueryUse {
                place: place(7),
                kind: SourceKind::SqlxFunction,
                binding: Binding::Row("User".to_owned()),
            }],
        }],
        rows: vec![RowStruct {
            name: "User".to_owned(),
            place: place(1),
            kind: RowKind::FromRow,
            fields: vec![Field {
                name: "id".to_owned(),
                column: "id".to_owned(),
                rust_type: rust_type("i64"),
                default: false,
                json: false,
            }],
            table: None,
        }],
        enums: Vec::new(),
        pools: vec![PoolSettings {
            place: place(20),
            library: PoolLibrary::Sqlx,
            max_connections: Setting::Known { value: Limit::AtMost(32), place: place(21) },
            acquire_timeout_ms: Setting::Default { value: Limit::AtMost(30_000) },
            idle_timeout_ms: Setting::Known { value: Limit::Unlimited, place: place(22) },
            max_lifetime_ms: Setting::FromEnvironment {
                name: "LIFE".to_owned(),
                otherwise: Some(9),
                place: place(23),
            },
        }],
        constraints: Vec::new(),
        schema_hashes: Vec::new(),
        budgets: Budgets::default(),
        seed: 1,
        coverage: Coverage { files: 1, known: 1, ..Coverage::default() },
    }
}

#[test]
fn what_is_written_is_read_back_and_written_alike() {
    let text = sample().to_lock().unwrap();
    let read = Contract::from_lock(&text).unwrap();
    assert_eq!(read, sample());
    assert_eq!(read.to_lock().unwrap(), text);
    assert!(text.ends_with("}\n"));
}

#[test]
fn the_digest_is_of_everything_below_the_second_line() {
    let text = sample().to_lock().unwrap();
    let mut lines = text.splitn(3, '\n');
    assert_eq!(lines.next(), Some("{"));
    let second = lines.next().unwrap();
    let below = lines.next().unwrap();
    assert_eq!(second, format!("  \"sha256\": \"{}\",", Digest::of(below.as_bytes())));
}

/// The text with a right digest over another body.
fn signed(body: &str) -> String {
    format!("{HEAD}{}{NECK}{body}", Digest::of(body.as_bytes()))
}

fn body(text: &str) -> String {
    text.splitn(3, '\n').nth(2).unwrap().to_owned()
}

#[test]
fn edited_foreign_and_newer_files_are_refused_with_words() {
    let text = sample().to_lock().unwrap();
    let refused = |text: &str| Contract::from_lock(text).unwrap_err();
    assert!(matches!(refused(&text.replace("i64", "i32")), LockError::Edited { .. }));
    assert!(matches!(refused(&text.replace('\n', "\r\n")), LockError::LineEndings));
    assert!(matches!(refused("{}"), LockError::Foreign));
    assert!(matches!(refused(""), LockError::Foreign));
    assert!(matches!(refused(text.trim_end()), LockError::Edited { .. }));
    let newer = body(&text).replace("\"format\": 1", "\"format\": 2");
    assert_eq!(refused(&signed(&newer)).to_string(), "it has form 2, this program reads 1");
    let more = body(&text).replace("\"seed\": 1", "\"seed\": 1,\n  \"speed\": 1");
    assert!(matches!(refused(&signed(&more)), LockError::Json(_)));
    let blank = body(&text).replace("\"seed\": 1", "\"seed\":  1");
    assert!(matches!(refused(&signed(&blank)), LockError::NotCanonical));
    assert!(matches!(refused(&signed("")), LockError::Json(_)));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".*", cut in 0_usize..4000) {
        let _ = Contract::from_lock(&text);
        let _ = Contract::from_lock(&signed(&text));
        let lock = sample().to_lock().unwrap();
        if let Some(part) = lock.get(..cut.min(lock.len() - 1)) {
            prop_assert!(Contract::from_lock(part).is_err());
        }
    }

    #[test]
    fn any_words_survive(name in ".*", text in ".*", seed: u32, wait: u64) {
        let mut contract = sample();
        contract.service = name;
        contract.queries[0].text = text;
        contract.seed = seed;
        contract.pools[0].idle_timeout_ms = Setting::Known { value: Limit::AtMost(wait), place: place(1) };
        let lock = contract.to_lock().unwrap();
        // A text may hold line ends of its own; they are escaped.
        prop_assert_eq!(Contract::from_lock(&lock).unwrap(), contract);
    }
}
