//! SQL as the rules see it: a small intermediate form, and the one place that knows the parser.

mod depth;
pub(crate) mod lex;
pub(crate) mod name;
pub(crate) mod parse;
pub(crate) mod position;
pub(crate) mod statement;
