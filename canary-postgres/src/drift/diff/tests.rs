use super::*;

fn schema(lines: &[&str]) -> SchemaLines {
    let lines: Vec<_> = lines.iter().map(|line| line.replace('|', "\u{1f}")).collect();
    SchemaLines::parse(lines.iter().map(String::as_str))
}

fn words(odd: &[&str], usual: &[&str], many: usize) -> Vec<String> {
    let (odd, usual) = (schema(odd), schema(usual));
    differences(&odd, &usual, &[(&usual, many), (&odd, 1)]).into_iter().map(|d| d.text).collect()
}

#[test]
fn names_the_object_and_what_others_have() {
    let usual = [
        "relation|users|kind=table",
        "column|users.created_at|type=timestamp with time zone|null=refused",
        "column|users.id|type=bigint",
        "columns|users|order=id,created_at",
        "index|users_at|definition=…|valid=yes",
    ];
    let mut odd = usual;
    odd[1] = "column|users.created_at|type=bigint|null=refused";
    assert_eq!(words(&odd, &usual, 7), ["users.created_at is bigint, 7 others timestamptz"]);
    odd[1] = "column|users.created_at|type=timestamp(3) without time zone|null=allowed";
    assert_eq!(
        words(&odd, &usual, 1),
        [
            "users.created_at is timestamp(3), 1 other timestamptz",
            "users.created_at: null is allowed, 1 other refused"
        ]
    );
    odd = usual;
    odd[3] = "columns|users|order=created_at,id";
    assert_eq!(
        words(&odd, &usual, 7),
        ["the columns of users: order is created_at,id, 7 others id,created_at"]
    );
    assert_eq!(words(&usual[..4], &usual, 7), ["index users_at is missing, 7 others with it"]);
    assert_eq!(words(&usual, &usual[..4], 7), ["index users_at is there, 7 others without it"]);
}

#[test]
fn a_missing_table_is_told_once() {
    let usual = [
        "relation|users|kind=table",
        "column|users.id|type=bigint",
        "columns|users|order=id",
        "constraint|users.users_pkey|definition=…",
    ];
    assert_eq!(words(&[], &usual, 3), ["relation users is missing, 3 others with it"]);
    let column = ["relation|users|kind=table", "columns|users|order="];
    assert_eq!(words(&column, &usual[..3], 3), ["users.id is missing, 3 others with it"]);
}
