//! Routing tables from a query, a file, and names.

use std::error::Error as _;

use canary_postgres::live::{Connection, Session};
use canary_postgres::routing::{Routing, SchemaPattern, read_routes};

use crate::server;

#[tokio::test]
async fn tables_come_from_a_query_a_file_or_names() {
    let setup = "CREATE SCHEMA t_1; CREATE SCHEMA t_2; CREATE SCHEMA other; CREATE TABLE routes (tenant text, schema text); \
                 INSERT INTO routes VALUES ('acme', 't_1'), ('globex', 't_1'), ('initech', 't_2')";
    let cluster = server::shared().await;
    let url = server::database(&cluster, "routing", setup).await;
    let connection = Connection::open(&url, &Session::default()).await.unwrap();
    let read = async |routing: Routing| match read_routes(&routing, &connection, &url).await {
        Ok(routes) => routes
            .shards
            .iter()
            .map(|s| {
                format!(
                    "{}/{}.{} {}",
                    s.name,
                    routes.databases[s.database].name,
                    s.schema,
                    s.tenants.join(",")
                )
            })
            .collect(),
        Err(error) => {
            vec![format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default())]
        }
    };
    let query = |sql: &str| Routing::Query(sql.to_owned());
    let pattern = |text: &str| Routing::Schemas(SchemaPattern::parse(text).unwrap());
    let by_tenant = query("SELECT tenant, schema FROM public.routes ORDER BY tenant");
    assert_eq!(read(by_tenant).await, ["t_1/routing.t_1 acme,globex", "t_2/routing.t_2 initech"]);
    assert_eq!(read(pattern(r"t\_%")).await, ["t_1/routing.t_1 ", "t_2/routing.t_2 "]);
    assert_eq!(read(pattern("/^(t_2|pg_catalog)$/")).await, ["t_2/routing.t_2 "]);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("routes.yaml");
    std::fs::write(
        &file,
        "shards:\n  - {name: one, schema: t_1}\n  - {name: two, schema: t_1, database: elsewhere}\n",
    )
    .unwrap();
    assert_eq!(read(Routing::File(file.clone())).await, ["one/routing.t_1 ", "two/elsewhere.t_1 "]);
    std::fs::write(&file, "shards:\n  - {name: one, schema: t_1}\n  - {name: two, scheme: t_1}\n").unwrap();
    assert!(read(Routing::File(file)).await[0].contains("routes.yaml: line 3, column"));

    for (routing, said) in [
        (pattern("nothing_%"), "names no shard at all"),
        (pattern("/(/"), "postgres: look for schemas: refused: invalid regular expression"),
        (query("SELECT 1"), "is none of schema, shard, database, tenant"),
        (query("SELECT 1 AS schema"), "is not text"),
        (query("SELECT schema FROM public.routes"), "is there twice"),
        (query("INSERT INTO public.routes VALUES ('a', 'b') RETURNING schema"), "sqlstate=25006"),
    ] {
        let answer = read(routing.clone()).await;
        assert!(answer[0].contains(said), "{routing:?}: {answer:?}");
    }
}
