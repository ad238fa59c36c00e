//! Makes the eight shards in the database of `DATABASE_URL`; with `--drift`, shard-3 is not as the others.

#[path = "../tests/support/seed.rs"]
mod seed;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("DATABASE_URL").map_err(|_| anyhow::anyhow!("DATABASE_URL is not set"))?;
    let drifted = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--drift") => true,
        Some(other) => anyhow::bail!("unknown argument {other}; usage: seed [--drift]"),
    };
    seed::seed(&url, drifted).await
}
