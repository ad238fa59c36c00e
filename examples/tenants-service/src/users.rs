//! Users of a tenant.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// A user's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct UserId(pub i64);

/// What a tenant pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "plan", rename_all = "lowercase")]
pub enum Plan {
    /// Nothing.
    Free,
    /// By the head.
    Team,
    /// By contract.
    Enterprise,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    /// Its number.
    pub id: UserId,
    /// Its address.
    pub email: String,
    /// What its tenant pays for.
    pub plan: Plan,
    /// When it signed up.
    pub created_at: DateTime<Utc>,
    /// When it answered the first mail.
    pub email_verified_at: Option<DateTime<Utc>>,
}

/// The columns of a [`User`].
const COLUMNS: &str = "id, email, plan, created_at, email_verified_at";

/// A user by its number.
///
/// # Errors
///
/// The database does not answer.
pub async fn find(connection: &mut PgConnection, id: UserId) -> sqlx::Result<Option<User>> {
    sqlx::query_as::<_, User>(
        "SELECT id, email, plan, created_at, email_verified_at FROM users WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(connection)
    .await
}

/// A user by its address.
///
/// # Errors
///
/// The database does not answer.
pub async fn by_email(
    connection: &mut PgConnection,
    tenant: &str,
    email: &str,
) -> sqlx::Result<Option<User>> {
    let text = format!("SELECT {COLUMNS} FROM users WHERE tenant_id = $1 AND email = $2");
    sqlx::query_as::<_, User>(sqlx::AssertSqlSafe(text))
        .bind(tenant)
        .bind(email)
        .fetch_optional(connection)
        .await
}

/// The newest users of a tenant.
///
/// # Errors
///
/// The database does not answer.
pub async fn newest(connection: &mut PgConnection, tenant: &str, most: i64) -> sqlx::Result<Vec<User>> {
    sqlx::query_as(
        "SELECT id, email, plan, created_at, email_verified_at
         FROM users WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
    )
    .bind(tenant)
    .bind(most)
    .fetch_all(connection)
    .await
}

/// How many users a tenant has.
///
/// # Errors
///
/// The database does not answer.
pub async fn count(connection: &mut PgConnection, tenant: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM users WHERE tenant_id = $1")
        .bind(tenant)
        .fetch_one(connection)
        .await
}

/// Signs a user up, or gives the one who is there.
///
/// # Errors
///
/// The database does not answer.
pub async fn sign_up(connection: &mut PgConnection, tenant: &str, email: &str) -> sqlx::Result<UserId> {
    sqlx::query_scalar::<_, UserId>(
        "INSERT INTO users (tenant_id, email) VALUES ($1, $2)
         ON CONFLICT (tenant_id, email) DO UPDATE SET email = excluded.email RETURNING id",
    )
    .bind(tenant)
    .bind(email)
    .fetch_one(connection)
    .await
}

/// Notes that a user answered the first mail; whether it was the first time.
///
/// # Errors
///
/// The database does not answer.
pub async fn verify(connection: &mut PgConnection, id: UserId) -> sqlx::Result<bool> {
    let done =
        sqlx::query("UPDATE users SET email_verified_at = now() WHERE id = $1 AND email_verified_at IS NULL")
            .bind(id)
            .execute(connection)
            .await?;
    Ok(done.rows_affected() > 0)
}
