//! Groups of schemas with equal hashes.

use std::collections::BTreeMap;

/// The hashes that a schema may have while a release's migrations are on their way, all without the role's grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Before the migrations: any of these.
    pub before: Vec<String>,
    /// After them; the same where there are none.
    pub after: Option<String>,
    /// The server's major version that they are of; of every version when none is said.
    pub major: Option<i32>,
}

impl Expected {
    /// Whether anything is expected at all.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        !self.before.is_empty() || self.after.is_some()
    }
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

/// A schema's hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// Over everything.
    pub full: String,
    /// Without the role's grants; the same where they were not asked for.
    pub bare: String,
    /// The major version of its server.
    pub major: i32,
}

/// Schemas that are equal, on servers of one major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their hash.
    pub hash: String,
    /// The same without the role's grants.
    pub bare: String,
    /// The major version of their servers.
    pub major: i32,
    /// Whose they are: indices of the caller.
    pub members: Vec<usize>,
    /// How they stand to the others of their version, or to what is expected.
    pub state: State,
}

/// Groups schemas (by the caller's index). Those of the major version that most are of come first; within a version the group that
/// the others are compared with, then by size.
///
/// That is the group that is done or late when something is expected, else the largest; a tie goes to the one that holds the
/// first member. Being many is no proof of being right: [`State::Common`] only says how most are. Each version spells views and
/// expressions in its own way, so each has its own groups.
#[must_use]
pub fn group(schemas: &BTreeMap<usize, Hashed>, expected: &Expected) -> Vec<Group> {
    let mut versions: BTreeMap<i32, BTreeMap<usize, &Hashed>> = BTreeMap::new();
    for (member, hashed) in schemas {
        versions.entry(hashed.major).or_default().insert(*member, hashed);
    }
    let mut versions: Vec<_> = versions.into_iter().collect();
    versions.sort_by_key(|(_, members)| (std::cmp::Reverse(members.len()), members.keys().next().copied()));
    let nothing = Expected::default();
    let of = |major: i32| if expected.major.is_none_or(|of| of == major) { expected } else { &nothing };
    versions.into_iter().flat_map(|(major, members)| of_one_version(major, &members, of(major))).collect()
}

fn of_one_version(major: i32, schemas: &BTreeMap<usize, &Hashed>, expected: &Expected) -> Vec<Group> {
    let mut by_hash: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (member, hashed) in schemas {
        by_hash.entry((&hashed.full, &hashed.bare)).or_default().push(*member);
    }
    let mut groups: Vec<_> = by_hash
        .into_iter()
        .map(|((hash, bare), members)| {
            let state = if expected.after.as_deref() == Some(bare) {
                State::Done
            } else if expected.before.iter().any(|before| before == bare) {
                State::Late
            } else if expected.is_known() {
                State::Drifted
            } else {
                State::Odd
            };
            Group { hash: hash.to_owned(), bare: bare.to_owned(), major, members, state }
        })
        .collect();
    groups.sort_by(|a, b| {
        (a.state.cmp(&b.state))
            .then(b.members.len().cmp(&a.members.len()))
            .then(a.members.first().cmp(&b.members.first()))
    });
    if let (false, Some(first)) = (expected.is_known(), groups.first_mut()) {
        first.state = State::Common;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(full: &str, major: i32) -> Hashed {
        Hashed { full: full.to_owned(), bare: full.to_lowercase(), major }
    }

    fn states(schemas: &[Hashed], expected: &Expected) -> Vec<(String, Vec<usize>, State)> {
        let schemas = schemas.iter().cloned().enumerate().collect();
        group(&schemas, expected).into_iter().map(|g| (g.hash, g.members, g.state)).collect()
    }

    fn x(hash: &str, members: &[usize], state: State) -> (String, Vec<usize>, State) {
        (hash.to_owned(), members.to_vec(), state)
    }

    fn expected(before: &[&str], after: &str, major: Option<i32>) -> Expected {
        let before = before.iter().map(|hash| (*hash).to_owned()).collect();
        Expected { before, after: Some(after.to_owned()), major }
    }

    #[test]
    fn most_are_common_unless_something_is_expected() {
        let of = |names: &[&str]| names.iter().map(|name| hashed(name, 15)).collect::<Vec<_>>();
        let nothing = Expected::default();
        assert_eq!(
            states(&of(&["a", "b", "a", "c"]), &nothing),
            [x("a", &[0, 2], State::Common), x("b", &[1], State::Odd), x("c", &[3], State::Odd)]
        );
        assert_eq!(
            states(&of(&["b", "a", "a", "c", "d"]), &expected(&["d", "b"], "c", None)),
            [
                x("c", &[3], State::Done),
                x("b", &[0], State::Late),
                x("d", &[4], State::Late),
                x("a", &[1, 2], State::Drifted)
            ]
        );
        assert_eq!(
            states(&of(&["b", "a"]), &nothing),
            [x("b", &[0], State::Common), x("a", &[1], State::Odd)]
        );
        assert_eq!(states(&[], &nothing), []);
    }

    #[test]
    fn what_is_expected_leaves_grants_out_and_groups_do_not() {
        // Those that differ in case alone differ in grants alone.
        let schemas = ["A", "a", "B"].map(|name| hashed(name, 15));
        assert_eq!(
            states(&schemas, &expected(&["b"], "a", Some(15))),
            [x("A", &[0], State::Done), x("a", &[1], State::Done), x("B", &[2], State::Late)]
        );
    }

    #[test]
    fn each_major_version_has_its_own_groups_and_its_own_most() {
        let schemas = [hashed("b", 16), hashed("a", 15), hashed("a", 15), hashed("c", 15), hashed("a", 16)];
        assert_eq!(
            states(&schemas, &Expected::default()),
            [
                x("a", &[1, 2], State::Common),
                x("c", &[3], State::Odd),
                x("b", &[0], State::Common),
                x("a", &[4], State::Odd)
            ]
        );
        // What is expected is of one version.
        assert_eq!(
            states(&schemas, &expected(&[], "a", Some(16))),
            [
                x("a", &[1, 2], State::Common),
                x("c", &[3], State::Odd),
                x("a", &[4], State::Done),
                x("b", &[0], State::Drifted)
            ]
        );
    }
}
