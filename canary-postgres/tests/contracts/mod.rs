//! Contracts made of queries.
#![allow(missing_docs, unreachable_pub, reason = "helpers of tests")]

use canary_postgres::contract::{
    Binding, Budgets, Contract, Coverage, Driver, Place, Query, QueryHash, QueryUse, SourceKind,
};

/// A contract with these queries, the first on line 1 of `src/FILE`.
pub fn contract(file: &str, texts: &[&str]) -> Contract {
    let queries = (1..).zip(texts).map(|(line, text)| Query {
        hash: QueryHash::of(text),
        text: (*text).to_owned(),
        parameters: None,
        columns: None,
        overrides: Vec::new(),
        uses: vec![QueryUse {
            place: Place { file: format!("src/{file}"), line },
            kind: SourceKind::SqlxFunction,
            binding: Binding::None,
        }],
    });
    Contract {
        format: 1,
        tool: "test".to_owned(),
        service: "shop".to_owned(),
        revision: None,
        server_major: None,
        drivers: vec![Driver::Sqlx],
        queries: queries.collect(),
        rows: Vec::new(),
        enums: Vec::new(),
        pools: Vec::new(),
        constraints: Vec::new(),
        schema_hashes: Vec::new(),
        budgets: Budgets::default(),
        seed: 1,
        coverage: Coverage {
            files: 1,
            known: u32::try_from(texts.len()).unwrap_or(0),
            ..Coverage::default()
        },
    }
}
