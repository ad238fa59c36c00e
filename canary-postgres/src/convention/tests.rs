use std::path::Path;

use super::{Convention, Role, detect, up_part};

fn detected(files: &[(&str, &str)]) -> Result<Convention, String> {
    detect(files.iter().map(|(path, text)| (Path::new(*path), *text))).map(|found| found.convention)
}

#[test]
fn conventions_are_found_from_all_files_together() {
    let goose = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;";
    let dbmate = "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;";
    let sql_migrate = "-- +migrate Up\nSELECT 1;\n-- +migrate Down\nSELECT 2;";
    for (files, expected) in [
        (&[][..], Convention::Plain),
        (&[("1_a.sql", ""), ("2_b.sql", "")], Convention::Plain),
        (&[("1_a.sql", "-- no-transaction\n"), ("2_b.sql", "")], Convention::Sqlx),
        (&[("1_a.up.sql", ""), ("1_a.down.sql", "")], Convention::GolangMigrate),
        (&[("1_a.up.sql", "-- no-transaction\n"), ("1_a.down.sql", "")], Convention::Sqlx),
        (&[("1_a/up.sql", ""), ("1_a/down.sql", "")], Convention::Diesel),
        (&[("1_a.sql", goose), ("2_b.sql", goose)], Convention::Goose),
        (&[("1_a.sql", dbmate)], Convention::Dbmate),
        (&[("1_a.sql", sql_migrate)], Convention::SqlMigrate),
        (&[("V1__a.sql", ""), ("V1_2__b.sql", ""), ("R__v.sql", "")], Convention::Flyway),
        (&[("1_a.sql", ""), ("notes.md", goose)], Convention::Plain),
    ] {
        assert_eq!(detected(files), Ok(expected), "{files:?}");
    }
}

#[test]
fn a_mixed_bag_asks() {
    for files in [
        &[("1_a.sql", "-- +goose Up\n"), ("2_b.sql", "")][..],
        &[("1_a.up.sql", ""), ("2_b.sql", "")],
        &[("1_a.up.sql", "-- +goose Up\n")],
        &[("V1__a.sql", ""), ("U1__a.sql", "")],
        &[("1_a/up.sql", ""), ("2_b.sql", "")],
    ] {
        let why = detected(files).unwrap_err();
        assert!(
            why.contains("set the convention to one of sqlx, diesel") && why.contains("such as"),
            "{why}"
        );
    }
}

#[test]
fn down_files_do_not_run() {
    use Convention::{Dbmate, Diesel, Flyway, GolangMigrate, Goose, Plain, Refinery, SqlMigrate, Sqlx};
    for (convention, path, role) in [
        (Sqlx, "1_a.sql", Role::Up),
        (Sqlx, "1_a.up.sql", Role::Up),
        (Sqlx, "1_a.down.sql", Role::Down),
        (GolangMigrate, "1_a.up.sql", Role::Up),
        (GolangMigrate, "1_a.down.sql", Role::Down),
        (Diesel, "1_a/up.sql", Role::Up),
        (Diesel, "1_a/down.sql", Role::Down),
        (Diesel, "1_a.down.sql", Role::Up),
        (Goose, "1_a.down.sql", Role::Up),
        (Goose, "1_a.go", Role::Program),
        (Dbmate, "1_a.sql", Role::Up),
        (SqlMigrate, "1_a.sql", Role::Up),
        (Refinery, "V1__a.sql", Role::Up),
        (Refinery, "U1__a.sql", Role::Up),
        (Refinery, "V1__a.rs", Role::Program),
        (Refinery, "mod.rs", Role::Ignored("not a .sql file")),
        (Flyway, "V1__a.sql", Role::Up),
        (Flyway, "U1__a.sql", Role::Down),
        (Flyway, "R__a.sql", Role::Up),
        (Plain, "1_a.down.sql", Role::Up),
        (Plain, "1_a.SQL", Role::Up),
        (Plain, "README.md", Role::Ignored("not a .sql file")),
    ] {
        assert_eq!(convention.role(Path::new(path)), role, "{convention} {path}");
    }
}

#[test]
fn down_sections_are_blanked_where_they_stand() {
    for (convention, text, up) in [
        (
            Convention::Goose,
            "-- +goose Up\nA;\n-- +goose Down\nBä;\r\n",
            "-- +goose Up\nA;\n              \n    \r\n",
        ),
        (Convention::Goose, "--+GOOSE up\nA;\n--   +goose DOWN\nB;", "--+GOOSE up\nA;\n                \n  "),
        (Convention::Goose, "X;\n-- +goose Up\nA;", "X;\n-- +goose Up\nA;"),
        (
            Convention::Dbmate,
            "--migrate:up transaction:false\nA;\n-- migrate:down\nB;\n-- migrate:up\nC;",
            "--migrate:up transaction:false\nA;\n               \n  \n-- migrate:up\nC;",
        ),
        (Convention::Dbmate, "X;\n-- migrate:up\nA;", "X;\n-- migrate:up\nA;"),
        (
            Convention::SqlMigrate,
            "X;\n-- +migrate Up notransaction\nA;\n-- +migrate Down\nB;",
            "  \n-- +migrate Up notransaction\nA;\n                \n  ",
        ),
        (
            Convention::SqlMigrate,
            "-- +migrate Up\nA;\n--+migrate Down\nB;",
            "-- +migrate Up\nA;\n--+migrate Down\nB;",
        ),
        (Convention::Sqlx, "-- +goose Up\nA;\n-- +goose Down\nB;", "-- +goose Up\nA;\n-- +goose Down\nB;"),
        (Convention::Plain, "-- migrate:down\nB;", "-- migrate:down\nB;"),
    ] {
        let found = up_part(convention, text).unwrap();
        assert_eq!(found, up, "{convention}");
        assert_eq!(found.len(), text.len());
    }
}

#[test]
fn a_file_its_tool_would_refuse_is_refused() {
    for convention in [Convention::Goose, Convention::Dbmate, Convention::SqlMigrate] {
        assert!(up_part(convention, "DROP TABLE t;").is_err(), "{convention}");
    }
    assert!(up_part(Convention::Goose, "-- +goose ENVSUB ON\n-- +goose Up\nSELECT 1;").is_err());
}

#[test]
fn transactions_are_those_of_the_runner() {
    use Convention::{Dbmate, Diesel, Flyway, GolangMigrate, Goose, Refinery, SqlMigrate, Sqlx};
    for (convention, text, statements, metadata, expected) in [
        (Sqlx, "SELECT 1", 1, None, true),
        (Sqlx, "-- no-transaction\nSELECT 1", 1, None, false),
        (Sqlx, "-- no-transaction\nSELECT 1; SELECT 2", 2, None, true),
        (Sqlx, "\n-- no-transaction\nSELECT 1", 1, None, true),
        (Diesel, "", 1, None, true),
        (Diesel, "", 1, Some("run_in_transaction = false"), false),
        (GolangMigrate, "", 1, None, false),
        (GolangMigrate, "", 2, None, true),
        (Goose, "-- +goose Up", 1, None, true),
        (Goose, "-- +goose NO TRANSACTION\n-- +goose Up", 1, None, false),
        (Dbmate, "-- migrate:up", 1, None, true),
        (Dbmate, "-- migrate:up transaction:false", 1, None, false),
        (SqlMigrate, "-- +migrate Up", 1, None, true),
        (SqlMigrate, "-- +migrate Up notransaction", 1, None, false),
        (Refinery, "", 1, None, true),
        (Flyway, "", 1, None, false),
    ] {
        assert_eq!(convention.in_transaction(text, statements, metadata), expected, "{convention} {text:?}");
    }
}

#[test]
fn names_go_round() {
    for convention in Convention::ALL {
        assert_eq!(convention.to_string().parse::<Convention>(), Ok(convention));
    }
    let error = "liquibase".parse::<Convention>().unwrap_err().to_string();
    assert!(
        error.starts_with("\"liquibase\" is no migration convention known here; known are sqlx, diesel"),
        "{error}"
    );
}
