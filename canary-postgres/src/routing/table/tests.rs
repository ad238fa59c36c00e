use super::*;

fn row(shard: Option<&str>, database: Option<&str>, schema: &str, tenants: &[&str]) -> Row {
    Row {
        shard: shard.map(str::to_owned),
        database: database.map(str::to_owned),
        schema: schema.to_owned(),
        tenants: tenants.iter().map(|tenant| (*tenant).to_owned()).collect(),
        place: "row 9".to_owned(),
        ..Row::default()
    }
}

fn routes(rows: Vec<Row>) -> Result<Vec<(String, String, String, usize)>, String> {
    let url = DatabaseUrl::parse("postgres://app@db/shop").unwrap();
    let routes = Routes::of_rows(rows, &url, &BTreeMap::new()).map_err(|error| error.to_string())?;
    let shown = |s: &Shard| {
        let database = &routes.databases[s.database];
        assert_eq!(database.url.database(), database.name);
        (s.name.clone(), database.name.clone(), s.schema.clone(), s.tenants.len())
    };
    Ok(routes.shards.iter().map(shown).collect())
}

#[test]
fn rows_become_shards() {
    let x = |a: &str, b: &str, c: &str, n| (a.to_owned(), b.to_owned(), c.to_owned(), n);
    let rows = vec![
        row(None, None, "t_1", &["acme"]),
        row(None, None, "t_1", &["globex"]),
        row(Some("two"), Some("other"), "t_1", &[]),
        row(None, None, "t_2", &[]),
    ];
    assert_eq!(
        routes(rows),
        Ok(vec![x("t_1", "shop", "t_1", 2), x("two", "other", "t_1", 0), x("t_2", "shop", "t_2", 0)])
    );
}

#[test]
fn what_cannot_be_routed_by_is_refused() {
    let cases = [
        (vec![], "it names no shard at all"),
        (vec![row(None, None, "", &[])], "row 9: an empty name"),
        (vec![row(None, None, "a", &[""])], "row 9: an empty name"),
        (vec![row(None, None, "a", &[]), row(None, None, "a", &[])], "row 9: shard `a` is there twice"),
        (
            vec![row(None, None, "a", &["x"]), row(None, None, "b", &["x"])],
            "row 9: tenant `x` is there twice",
        ),
        (
            vec![row(Some("1"), None, "a", &["x"]), row(Some("2"), None, "a", &["y"])],
            "row 9: schema `a` of database `shop` already belongs to shard `1`",
        ),
        (
            vec![row(Some("1"), None, "a", &["x"]), row(Some("1"), None, "b", &["y"])],
            "row 9: shard `1` is there twice",
        ),
    ];
    for (rows, why) in cases {
        assert_eq!(routes(rows), Err(why.to_owned()));
    }
}
