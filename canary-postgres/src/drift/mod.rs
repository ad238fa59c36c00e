//! Do all tenants have the same schema, and the one that is expected?
//!
//! ```text
//!  schemas ─► one hash each, in chunks ─► groups of equals ─► the lines of one schema a group ─► differences in words
//! ```
//!
//! A hash is over everything of a schema that has a name, relative to the schema, so that equal tenants have equal hashes
//! wherever they are: without OIDs, owners and comments, and without the tables that migration runners keep their books in. It
//! holds within one major version of the server, which spells views and expressions in its own way: each version's schemas are
//! grouped by themselves, and the versions are held against each other by what all of them word alike.

mod diff;
mod group;
mod hash;
mod lines;
mod survey;

pub use diff::{Difference, differences};
pub use group::{Expected, Group, Hashed, State, group};
pub use hash::{SchemaHashes, read_extensions, read_hashes, read_lines};
pub use lines::SchemaLines;
pub use survey::{Survey, survey};
