//! Groups of schemas with equal hashes.

use std::collections::BTreeMap;

/// The hashes that a schema may have while a release's migrations are on their way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Before the migrations.
    pub before: Option<String>,
    /// After them; the same where there are none.
    pub after: Option<String>,
    /// Others that are as good as the one after them: those that a contract's lock file names.
    pub allowed: Vec<String>,
}

/// How a schema stands to what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As after the migrations.
    Done,
    /// As before them.
    Late,
    /// Neither.
    Drifted,
    /// Nothing is expected, and this is how most are.
    Common,
    /// Nothing is expected, and this is not how most are.
    Odd,
}

/// Schemas that are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their hash.
    pub hash: String,
    /// Whose they are: indices of the caller.
    pub members: Vec<usize>,
    /// How they stand to the others or to what is expected.
    pub state: State,
}

/// Groups `hashes` (by the caller's index), the group that the others are compared with first, then by size.
///
/// That is the group that is done or late when something is expected, else the largest; a tie goes to the one that holds the
/// first member. Being many is no proof of being right: [`State::Common`] only says how most are.
#[must_use]
pub fn group(hashes: &BTreeMap<usize, String>, expected: &Expected) -> Vec<Group> {
    let mut by_hash: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (member, hash) in hashes {
        by_hash.entry(hash).or_default().push(*member);
    }
    let is = |hash: &str, wanted: &Option<String>| wanted.as_deref() == Some(hash);
    let known = expected.before.is_some() || expected.after.is_some() || !expected.allowed.is_empty();
    let mut groups: Vec<_> = by_hash
        .into_iter()
        .map(|(hash, members)| {
            let allowed = expected.allowed.iter().any(|allowed| allowed == hash);
            let state = if allowed || is(hash, &expected.after) {
                State::Done
            } else if is(hash, &expected.before) {
                State::Late
            } else if known {
                State::Drifted
            } else {
                State::Odd
            };
            Group { hash: hash.to_owned(), members, state }
        })
        .collect();
    groups.sort_by(|a, b| {
        (a.state.cmp(&b.state))
            .then(b.members.len().cmp(&a.members.len()))
            .then(a.members.first().cmp(&b.members.first()))
    });
    if let (false, Some(first)) = (known, groups.first_mut()) {
        first.state = State::Common;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(
        hashes: &[&str],
        before: Option<&str>,
        after: Option<&str>,
    ) -> Vec<(String, Vec<usize>, State)> {
        let hashes = hashes.iter().enumerate().map(|(i, hash)| (i, (*hash).to_owned())).collect();
        let expected = Expected {
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            allowed: Vec::new(),
        };
        group(&hashes, &expected).into_iter().map(|g| (g.hash, g.members, g.state)).collect()
    }

    #[test]
    fn most_are_common_unless_something_is_expected() {
        let x = |hash: &str, members: &[usize], state| (hash.to_owned(), members.to_vec(), state);
        assert_eq!(
            states(&["a", "b", "a", "c"], None, None),
            [x("a", &[0, 2], State::Common), x("b", &[1], State::Odd), x("c", &[3], State::Odd)]
        );
        assert_eq!(
            states(&["b", "a", "a", "c"], Some("b"), Some("c")),
            [x("c", &[3], State::Done), x("b", &[0], State::Late), x("a", &[1, 2], State::Drifted)]
        );
        assert_eq!(states(&["b", "a"], None, None), [x("b", &[0], State::Common), x("a", &[1], State::Odd)]);
        assert_eq!(states(&[], None, None), []);
    }
}
