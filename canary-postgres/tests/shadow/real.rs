//! What a binary really gets: its queries, on a connection from before a change and on one from after it.

use crate::shop::{QUERIES, Shop};

/// The code of each query that fails.
pub(crate) type Codes = Vec<(&'static str, String)>;

/// Runs everything before the change, changes, and runs everything again.
pub(crate) async fn run(shop: &Shop, change: &str) -> Result<(Codes, Codes), String> {
    let database = shop.copy().await;
    let old = prepared(shop, &database).await;
    let first = execute(&old).await;
    if !first.is_empty() {
        return Err(format!("before the change already: {first:?}"));
    }
    let client = shop.connect(&database).await;
    client.batch_execute(change).await.map_err(|error| format!("the change itself fails: {error:?}"))?;
    let on_old = execute(&old).await;
    let mut on_new = Vec::new();
    let new = session(shop, &database).await;
    for (name, text, arguments) in QUERIES {
        if let Some(code) = code(new.batch_execute(&format!("PREPARE {name}_q AS {text}")).await) {
            on_new.push((name, code));
        } else if let Some(code) = one(&new, name, arguments).await {
            on_new.push((name, code));
        }
    }
    Ok((on_old, on_new))
}

async fn session(shop: &Shop, database: &str) -> tokio_postgres::Client {
    let client = shop.connect(database).await;
    client.batch_execute("SET ROLE app").await.expect("the application's role");
    client
}

async fn prepared(shop: &Shop, database: &str) -> tokio_postgres::Client {
    let client = session(shop, database).await;
    for (name, text, _) in QUERIES {
        client.batch_execute(&format!("PREPARE {name}_q AS {text}")).await.expect("a query that works");
    }
    client
}

async fn execute(client: &tokio_postgres::Client) -> Codes {
    let mut codes = Vec::new();
    for (name, _, arguments) in QUERIES {
        codes.extend(one(client, name, arguments).await.map(|code| (name, code)));
    }
    codes
}

/// Runs one prepared query, and takes back what it did.
async fn one(client: &tokio_postgres::Client, name: &str, arguments: &str) -> Option<String> {
    let arguments = if arguments.is_empty() { String::new() } else { format!("({arguments})") };
    client.batch_execute("BEGIN").await.expect("a transaction");
    let found = code(client.batch_execute(&format!("EXECUTE {name}_q{arguments}")).await);
    client.batch_execute("ROLLBACK").await.expect("its end");
    found
}

fn code(answer: Result<(), tokio_postgres::Error>) -> Option<String> {
    answer.err().map(|error| error.code().expect("an answer of the server").code().to_owned())
}
