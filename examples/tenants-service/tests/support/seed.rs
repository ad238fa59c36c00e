//! Eight shards with a tenant each, made anew.

use sqlx::{Connection as _, PgConnection};

/// How many shards there are.
pub(crate) const SHARDS: u32 = 8;

/// What became of shard-3.
const DRIFT: &str = include_str!("../../drift/shard-3.sql");

/// Makes every shard, and the routing table, by the migrations; `drifted` leaves shard-3 as that night left it.
///
/// What is there already stays: run twice, it changes nothing more.
///
/// # Errors
///
/// The database does not answer, or has other tables of these names.
pub(crate) async fn seed(url: &str, drifted: bool) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    for number in 1..=SHARDS {
        let shard = format!("shard-{number}");
        // The name is made of a number: nothing to quote but the hyphen.
        let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS \"{shard}\""));
        sqlx::raw_sql(create).execute(&mut connection).await?;
        sqlx::query("SELECT set_config('search_path', quote_ident($1), false)")
            .bind(&shard)
            .execute(&mut connection)
            .await?;
        sqlx::migrate!().run(&mut connection).await?;
        sqlx::query("INSERT INTO public.routing (tenant_id, shard) VALUES ($1, $2) ON CONFLICT (tenant_id) DO NOTHING")
            .bind(format!("tenant-{number}"))
            .bind(&shard)
            .execute(&mut connection)
            .await?;
    }
    let created = "SELECT data_type FROM information_schema.columns
        WHERE table_schema = 'shard-3' AND table_name = 'users' AND column_name = 'created_at'";
    let type_now = sqlx::query_scalar::<_, String>(created).fetch_one(&mut connection).await?;
    if drifted && type_now != "bigint" {
        sqlx::raw_sql(DRIFT).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}
