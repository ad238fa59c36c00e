use super::*;
use crate::routing::{Database, Shard};

#[test]
fn extensions_are_compared_between_databases() {
    let with = |name: &str, version: Option<&str>| {
        (name.to_owned(), version.map(|v| ("citext".to_owned(), v.to_owned())).into_iter().collect())
    };
    let databases = [with("a", Some("1.6")), with("b", Some("1.5")), with("c", Some("1.6")), with("d", None)];
    assert_eq!(
        odd_extensions(&databases),
        [
            "database b: extension citext is 1.5, 2 others 1.6",
            "database d: extension citext is missing, 2 others 1.6"
        ]
    );
}

/// A database for each version, with the hashes of its shards.
fn surveyed(databases: &[(i32, &[&str])], expected: &Expected) -> Survey {
    let url = DatabaseUrl::parse("postgres://canary@db/shop").unwrap();
    let mut routes = Routes { databases: Vec::new(), shards: Vec::new() };
    let mut answers = Vec::new();
    for (database, (major, hashes)) in databases.iter().enumerate() {
        routes.databases.push(Database { name: format!("d{database}"), url: url.clone() });
        let mut read = SchemaHashes::default();
        for (i, hash) in hashes.iter().enumerate() {
            let schema = format!("t_{i}");
            read.hashes.insert(schema.clone(), (*hash).to_owned());
            let name = format!("d{database}-{i}");
            routes.shards.push(Shard { name, database, schema, tenants: Vec::new() });
        }
        answers.push(Some(Ok(Answer { hashes: read, extensions: BTreeMap::new(), major: *major })));
    }
    Survey::of(&routes, answers, expected)
}

fn lines(created_at: &str, view: &str) -> SchemaLines {
    let lines = [
        "relation|users|kind=table|options=x".to_owned(),
        format!("column|users.created_at|type={created_at}|null=refused|default=now()"),
        format!("view|recent|definition={view}"),
    ];
    let lines = lines.map(|line| line.replace('|', "\u{1f}"));
    SchemaLines::parse(lines.iter().map(String::as_str))
}

fn told(survey: &Survey) -> Vec<(usize, Vec<String>)> {
    let words = |found: &[Difference]| found.iter().map(|found| found.text.clone()).collect();
    survey.drifts.iter().map(|(group, found)| (*group, words(found))).collect()
}

#[test]
fn servers_of_different_major_versions_are_read_and_grouped_by_version() {
    let mut survey = surveyed(&[(16, &["x"]), (15, &["a", "a", "b"])], &Expected::default());
    assert!(survey.failed.is_empty() && survey.hashes.len() == 4);
    assert_eq!(survey.versions(), [(15, vec![1, 2, 3]), (16, vec![0])]);
    // A newer server words the same view otherwise: that is no difference. Within a version it is one.
    survey.compare(&[
        lines("timestamp with time zone", "SELECT u.id"),
        lines("timestamp with time zone", "SELECT 1"),
        lines("timestamp with time zone", "SELECT id"),
    ]);
    assert_eq!(
        told(&survey),
        [(1, vec!["view recent: definition is SELECT 1, 2 others SELECT u.id".to_owned()])]
    );
    assert_eq!(survey.groups[2].state, State::Common);
}

#[test]
fn what_every_version_words_alike_is_compared_across_versions() {
    let mut survey = surveyed(&[(15, &["a", "a"]), (16, &["x"])], &Expected::default());
    survey.compare(&[lines("timestamp with time zone", "SELECT u.id"), lines("bigint", "SELECT id")]);
    assert_eq!(told(&survey), [(1, vec!["users.created_at is bigint, 2 others timestamptz".to_owned()])]);
    assert_eq!(survey.groups[1].state, State::Odd);
}

#[test]
fn expected_hashes_are_of_one_version() {
    let expected = Expected { before: Vec::new(), after: Some("a".to_owned()), major: Some(15) };
    let survey = surveyed(&[(15, &["a", "b"]), (16, &["b"])], &expected);
    let states: Vec<_> = survey.groups.iter().map(|group| (group.major, group.state)).collect();
    assert_eq!(states, [(15, State::Done), (15, State::Drifted), (16, State::Common)]);
}
