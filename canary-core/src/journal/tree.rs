//! The Merkle tree over a journal's records (RFC 6962, section 2.1): one hash for any number of them.

use sha2::{Digest as _, Sha256};

use crate::fleet::Digest;

/// A tree whose leaves are the records' hashes, kept as its right edge: as many hashes as its size has one bits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// The roots of the whole subtrees, the largest first.
    edge: Vec<Digest>,
}

impl Tree {
    /// How many records it is over.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds the record with this hash. A leaf's data are the 32 bytes of the record's hash.
    pub fn push(&mut self, record: &Digest) {
        self.push_leaf(record.bytes());
    }

    fn push_leaf(&mut self, data: &[u8]) {
        let mut node = hash(&[&[0], data]);
        for _ in 0..self.size.trailing_ones() {
            // proof: a whole subtree for each one bit of the size.
            let Some(left) = self.edge.pop() else { break };
            node = hash(&[&[1], left.bytes(), node.bytes()]);
        }
        self.edge.push(node);
        self.size += 1;
    }

    /// The tree's hash; that of nothing for no records.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut subtrees = self.edge.iter().rev();
        let Some(last) = subtrees.next() else { return Digest::of(b"") };
        subtrees.fold(*last, |right, left| hash(&[&[1], left.bytes(), right.bytes()]))
    }
}

fn hash(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Digest::from(<[u8; 32]>::from(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference implementation's leaves, and the root after each (certificate-transparency-go, `merkle/testonly`).
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn its_roots_are_those_of_the_rfc() {
        let mut tree = Tree::default();
        for (size, root) in ROOTS.iter().enumerate() {
            assert_eq!((tree.size(), tree.root().to_string()), (size as u64, (*root).to_owned()));
            LEAVES.get(size).iter().for_each(|leaf| tree.push_leaf(leaf));
        }
    }

    #[test]
    fn it_stays_small() {
        let mut tree = Tree::default();
        (0..10_000_u32).for_each(|i| tree.push(&Digest::of(&i.to_be_bytes())));
        assert_eq!(tree.edge.len(), 10_000_u32.count_ones() as usize);
    }
}
