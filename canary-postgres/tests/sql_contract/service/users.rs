//! Users of a tenant, as a service asks for them through tokio-postgres.

use tokio_postgres::{Client, Error};

/// A user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) nick: Option<String>,
}

/// A user by its number.
pub(crate) async fn find(client: &Client, id: i64) -> Result<Option<User>, Error> {
    let row = client.query_opt("SELECT id, email, nick FROM users WHERE id = $1", &[&id]).await?;
    Ok(row.map(|row| User { id: row.get("id"), email: row.get("email"), nick: row.get("nick") }))
}

/// How many users there are.
pub(crate) async fn count(client: &Client) -> Result<i64, Error> {
    let row = client.query_one("SELECT count(*) FROM users", &[]).await?;
    let count: i64 = row.get(0);
    Ok(count)
}

/// Signs a user up; gives its number, or nothing when somebody has that address.
pub(crate) async fn sign_up(client: &Client, email: &str) -> Result<Option<i64>, Error> {
    match client.query_one("INSERT INTO users (email) VALUES ($1) RETURNING id", &[&email]).await {
        Ok(row) => Ok(Some(row.get(0))),
        Err(error) if error.as_db_error().and_then(|error| error.constraint()) == Some("users_email_key") => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
