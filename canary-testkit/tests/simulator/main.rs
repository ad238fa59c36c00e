//! Invariants hold over many seeds, and every planted mutant breaks one.

mod mutants;
mod seeds;
