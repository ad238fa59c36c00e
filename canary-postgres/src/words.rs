//! Numbers and names as people write them.

/// The most names of a list that are told.
const NAMED: usize = 5;

/// `1 shard`, `2 shards`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `1 query`, `2 queries`.
#[cfg(feature = "live")]
pub(crate) fn queries(number: usize) -> String {
    if number == 1 { "1 query".to_owned() } else { format!("{number} queries") }
}

/// The first of them, and how many more.
pub(crate) fn few(names: &[&str]) -> String {
    let left = names.len().saturating_sub(NAMED);
    let told = names[..names.len() - left].join(", ");
    if left == 0 { told } else { format!("{told} and {left} more") }
}

#[cfg(test)]
mod tests {
    use super::{count, few};

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|n| count(n, "shard")), ["0 shards", "1 shard", "2 shards"]);
        assert_eq!(few(&["a"]), "a");
        assert_eq!(few(&["a", "b", "c", "d", "e", "f"]), "a, b, c, d, e and 1 more");
    }
}
