//! Orders of a user.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use crate::users::UserId;

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Order {
    /// Its number.
    pub id: i64,
    /// What it costs.
    pub cents: i64,
    /// What the user said to it.
    pub note: Option<String>,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
}

/// Places an order; gives its number, or nothing when there is no such user.
///
/// # Errors
///
/// The database does not answer.
pub async fn place(
    connection: &mut PgConnection,
    user: UserId,
    cents: i64,
    note: Option<&str>,
) -> sqlx::Result<Option<i64>> {
    let placed: sqlx::Result<i64> =
        sqlx::query_scalar("INSERT INTO orders (user_id, cents, note) VALUES ($1, $2, $3) RETURNING id")
            .bind(user)
            .bind(cents)
            .bind(note)
            .fetch_one(connection)
            .await;
    match placed {
        Ok(id) => Ok(Some(id)),
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("orders_user_id_fkey") => Ok(None),
        Err(error) => Err(error),
    }
}

/// The orders of a user, newest first.
///
/// # Errors
///
/// The database does not answer.
pub async fn of_user(connection: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<Order>> {
    sqlx::query_as::<_, Order>(
        "SELECT id, cents, note, placed_at FROM orders WHERE user_id = $1 ORDER BY placed_at DESC",
    )
    .bind(user)
    .fetch_all(connection)
    .await
}

/// What the users of a tenant spent: address and cents.
///
/// # Errors
///
/// The database does not answer.
pub async fn spent(connection: &mut PgConnection, tenant: &str) -> sqlx::Result<Vec<(String, i64)>> {
    let rows = sqlx::query(
        "SELECT u.email, sum(o.cents)::bigint AS spent
         FROM users u JOIN orders o ON o.user_id = u.id
         WHERE u.tenant_id = $1 GROUP BY u.email ORDER BY u.email",
    )
    .bind(tenant)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get::<String, _>("email")?, row.try_get::<i64, _>("spent")?))).collect()
}

/// Takes an order back.
///
/// # Errors
///
/// The database does not answer.
pub async fn cancel(connection: &mut PgConnection, id: i64) -> sqlx::Result<bool> {
    let done = sqlx::query("DELETE FROM orders WHERE id = $1").bind(id).execute(connection).await?;
    Ok(done.rows_affected() > 0)
}
