use std::path::Path;

use super::{Convention, Project, Role, Splitting, Transaction, detect};

fn detected(files: &[(&str, &str)]) -> Result<Convention, String> {
    detect(&Project::default(), files.iter().map(|(path, text)| (Path::new(*path), *text)))
        .map(|found| found.convention)
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
        (&[("1_a.sql", "A;\n---- create above / drop below ----\nB;")], Convention::Tern),
        (&[("1_a.sql", "--liquibase formatted sql\n--changeset a:1\n")], Convention::Liquibase),
        (&[("1_a.sql", "-- atlas:txmode none\n"), ("2_b.sql", "")], Convention::Atlas),
        (&[("1_a.sql", "\\set x 1\n"), ("2_b.sql", "")], Convention::Psql),
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
        (Sqlx, "a.sql", Role::Ignored("sqlx reads files named <version>_<name>.sql")),
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
        (
            Convention::Tern,
            "A;\n---- create above / drop below ----\nB;",
            "A;\n                                   \n  ",
        ),
        (Convention::Plain, "-- migrate:down\nB;", "-- migrate:down\nB;"),
    ] {
        let found = convention.read(text, None).unwrap().text;
        assert_eq!(found, up, "{convention}");
        assert_eq!(found.len(), text.len());
    }
}

#[test]
fn a_file_its_tool_would_refuse_is_refused() {
    for convention in [Convention::Goose, Convention::Dbmate, Convention::SqlMigrate, Convention::Liquibase] {
        assert!(convention.read("DROP TABLE t;", None).is_err(), "{convention}");
    }
}

/// Rule and text of what cannot be read as it runs.
fn notes(convention: Convention, text: &str) -> Vec<String> {
    let notes = convention.read(text, None).unwrap().notes;
    notes.iter().map(|note| format!("{} {}", note.rule, &text[note.span.start..note.span.end])).collect()
}

#[test]
fn placeholders_are_opaque_where_they_are_replaced() {
    use Convention::{Flyway, Goose, Plain, Psql, Sqlx, Tern};
    for (convention, text, found) in [
        (Flyway, "SELECT '${x}', ${y.z}", &["opaque-sql ${x}", "opaque-sql ${y.z}"][..]),
        (Tern, "{{ template \"a.sql\" . }}", &["opaque-sql {{ template \"a.sql\" . }}"]),
        (Goose, "-- +goose ENVSUB ON\n-- +goose Up\nSELECT 1;", &["opaque-sql -- +goose ENVSUB ON"]),
        (Sqlx, "SELECT '${x}', '{{y}}', ':z' -- ${a} {{b}} :c", &[]),
        (Sqlx, "SELECT ${x}, {{y}}", &["opaque-sql ${x}", "opaque-sql {{y}}"]),
        (Plain, "SELECT a::int, b[1:n], b[lo:hi], c FROM t", &[]),
        (Plain, "SELECT :v, :'w', :\"x\"", &["opaque-sql :v", "opaque-sql :'w'", "opaque-sql :\"x\""]),
        (Psql, "SELECT 1 WHERE a = :v;", &["opaque-sql :v"]),
    ] {
        assert_eq!(notes(convention, text), found, "{convention} {text}");
    }
}

#[test]
fn psql_scripts_lose_commands_and_data_and_keep_every_byte_in_place() {
    let text = "\\set ON_ERROR_STOP on\nCOPY t (a) FROM stdin;\n1\t'\n\\.\nSELECT '\\i x';\n\\i other.sql\nDROP TABLE t; \\gexec\n";
    let up = Convention::Psql.read(text, None).unwrap();
    assert_eq!(up.text.len(), text.len());
    assert!(up.text.contains("COPY t (a) FROM stdin;\n   \n  \nSELECT '\\i x';"), "{:?}", up.text);
    assert_eq!(notes(Convention::Psql, text), ["opaque-sql \\i other.sql", "opaque-sql \\gexec"]);
    assert!(notes(Convention::Psql, "\\restrict x\nSELECT 1;\n\\echo done\n\\unrestrict x").is_empty());
}

#[test]
fn liquibase_runs_changesets_and_not_their_way_back() {
    let text = "--liquibase formatted sql\n--changeset a:1\nA;\n--rollback DROP TABLE t;\n--changeset a:2 runInTransaction:false splitStatements:false\nB;\n/* liquibase rollback\nDROP TABLE t;\n*/\nC;";
    let up = Convention::Liquibase.read(text, None).unwrap();
    assert_eq!(up.text.len(), text.len());
    assert!(!up.text.contains("*/") && up.text.ends_with("\nC;"), "{:?}", up.text);
    let parts: Vec<_> = up.parts.iter().map(|p| (p.transaction, p.splitting)).collect();
    assert_eq!(parts, [(Transaction::Around, Splitting::Statements), (Transaction::None, Splitting::Whole)]);
    assert!(text[up.parts[1].range.clone()].starts_with("--changeset a:2"));
}

#[test]
fn transactions_and_cuts_are_those_of_the_runner() {
    use Convention::{
        Atlas, Dbmate, Diesel, Flyway, GolangMigrate, Goose, Plain, Psql, Refinery, SqlMigrate, Sqlx, Tern,
    };
    use Splitting::{Lines, Statements, Whole};
    use Transaction::{Around, None as Off, Unknown};
    for (convention, text, side, transaction, splitting) in [
        (Sqlx, "SELECT 1", None, Around, Whole),
        (Sqlx, "-- no-transaction\nSELECT 1", None, Off, Whole),
        (Sqlx, "\n-- no-transaction\nSELECT 1", None, Around, Whole),
        (Diesel, "", None, Around, Whole),
        (Diesel, "", Some("run_in_transaction = false"), Off, Whole),
        (Diesel, "", Some("# run_in_transaction = false"), Around, Whole),
        (GolangMigrate, "", None, Off, Whole),
        (Goose, "-- +goose Up", None, Around, Lines),
        (Goose, "-- +goose NO TRANSACTION\n-- +goose Up", None, Off, Lines),
        (Goose, "-- +goose Up\n-- +goose no transaction", None, Off, Lines),
        (Dbmate, "-- migrate:up", None, Around, Whole),
        (Dbmate, "-- migrate:up transaction:false", None, Off, Whole),
        (SqlMigrate, "-- +migrate Up", None, Around, Lines),
        (SqlMigrate, "-- +migrate Up notransaction", None, Off, Lines),
        (Refinery, "", None, Around, Whole),
        (Tern, "", None, Around, Whole),
        (Tern, "---- tern: disable-tx ----", None, Off, Statements),
        (Flyway, "", None, Around, Statements),
        (Flyway, "", Some("executeInTransaction=false"), Off, Statements),
        (Atlas, "", None, Around, Statements),
        (Atlas, "-- atlas:txmode none\n", None, Off, Statements),
        (Psql, "", None, Off, Statements),
        (Plain, "", None, Unknown, Statements),
    ] {
        let parts = convention.read(text, side).unwrap().parts;
        let found: Vec<_> = parts.iter().map(|part| (part.transaction, part.splitting)).collect();
        assert_eq!(found, [(transaction, splitting)], "{convention} {text:?}");
    }
}

#[test]
fn queries_are_cut_as_the_runner_cuts_them() {
    let cut = |convention: Convention, text: &str| {
        let up = convention.read(text, None).unwrap();
        let queries = up.parts.iter().flat_map(|part| up.queries(part));
        queries.map(|range| up.text[range].trim().to_owned()).collect::<Vec<_>>()
    };
    let body = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\nSELECT 1;\n$$;";
    assert_eq!(cut(Convention::Sqlx, "SELECT 1;\nSELECT 2;"), ["SELECT 1;\nSELECT 2;"]);
    assert_eq!(
        cut(Convention::Atlas, &format!("SELECT 1; SELECT 2;\n{body}")),
        ["SELECT 1;", "SELECT 2;", body]
    );
    assert_eq!(cut(Convention::Plain, " ; -- x\n"), Vec::<String>::new());
    let goose = format!(
        "-- +goose Up\nSELECT 1; -- one\nSELECT 2;\n-- +goose StatementBegin\n{body}\n-- +goose StatementEnd\nSELECT 3"
    );
    let queries = cut(Convention::Goose, &goose);
    assert_eq!(queries.len(), 4, "{queries:?}");
    assert!(queries[2].contains(body) && queries[3] == "SELECT 3", "{queries:?}");
    assert_eq!(cut(Convention::Dbmate, "-- migrate:up\nA;\n-- migrate:down\nB;\n-- migrate:up\nC;").len(), 2);
}

#[test]
fn a_projects_own_dependency_decides() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let root = dir.path().canonicalize().unwrap();
    let migrations = root.join("db/migrations");
    write("db/migrations/1_a.up.sql", "SELECT 1;");
    write("db/Cargo.toml", "");
    write("db/src/old.rs", "// sqlx::migrate!()\nconst A: &str = \"sqlx::migrate!()\";");
    let files = [(Path::new("1_a.up.sql"), "-- +goose Up\nSELECT 1;")];
    let found = || detect(&Project::look(&root, &migrations), files.iter().copied());
    assert!(found().unwrap_err().contains("set the convention"));

    write("db/src/main.rs", "fn main() { let m = sqlx::migrate!(\"./elsewhere\"); }");
    assert!(found().is_err(), "a macro about another directory says nothing of this one");
    write("db/src/main.rs", "fn main() { run(async { sqlx::migrate!().run(&pool).await }); }");
    let detected = found().unwrap();
    assert_eq!(
        (detected.convention, detected.by.as_str()),
        (Convention::Sqlx, "sqlx::migrate! in db/src/main.rs")
    );

    write(
        "db/src/other.rs",
        "mod embedded { use refinery::embed_migrations; embed_migrations!(\"migrations\"); }",
    );
    let why = found().unwrap_err();
    assert!(why.contains("both") && why.contains("refinery (embed_migrations! in db/src/other.rs)"), "{why}");

    std::fs::remove_dir_all(dir.path().join("db/src")).unwrap();
    write("diesel.toml", "");
    assert_eq!(found().unwrap().convention, Convention::Diesel);
    write(
        "go.mod",
        "module x\nrequire (\n\tgithub.com/pressly/goose/v3 v3.1.0\n\tgithub.com/golang-migrate/migrate v4 // indirect\n)",
    );
    assert_eq!(found().unwrap().convention, Convention::Goose);
    std::fs::remove_file(dir.path().join("go.mod")).unwrap();
    write("sqlx.toml", "");
    assert!(found().unwrap_err().contains("settings files say both"));
}

#[test]
fn names_go_round() {
    for convention in Convention::ALL {
        assert_eq!(convention.to_string().parse::<Convention>(), Ok(convention));
    }
    let error = "rails".parse::<Convention>().unwrap_err().to_string();
    assert!(
        error.starts_with("\"rails\" is no migration convention known here; known are sqlx, diesel"),
        "{error}"
    );
}
