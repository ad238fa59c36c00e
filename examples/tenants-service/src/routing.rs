//! Which tenant is on which shard.

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

/// The shard of a tenant.
const SHARD_OF: &str = "SELECT shard FROM public.routing WHERE tenant_id = $1";

/// A connection on which names resolve in the tenant's shard.
///
/// # Errors
///
/// The tenant is unknown, or the database does not answer.
pub async fn connection(pool: &PgPool, tenant: &str) -> sqlx::Result<PoolConnection<Postgres>> {
    let mut connection = pool.acquire().await?;
    let shard = sqlx::query_scalar::<_, String>(SHARD_OF).bind(tenant).fetch_one(&mut *connection).await?;
    sqlx::query("SELECT set_config('search_path', quote_ident($1), false)")
        .bind(shard)
        .execute(&mut *connection)
        .await?;
    Ok(connection)
}

/// Every shard, in order.
///
/// # Errors
///
/// The database does not answer.
pub async fn shards(pool: &PgPool) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar::<_, String>("SELECT DISTINCT shard FROM public.routing ORDER BY shard")
        .fetch_all(pool)
        .await
}
