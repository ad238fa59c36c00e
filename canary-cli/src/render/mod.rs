//! What is shown: the same events for people, for logs and for programs.

pub mod human;
mod json;
pub mod paint;
mod progress;
pub mod screen;
mod sink;
pub mod table;
pub mod words;

#[cfg(test)]
mod tests;

pub use human::{Lines, outcome_lines, plan_lines};
pub use json::{line, record_line};
pub use progress::Bar;
pub use screen::{Format, Screen};
pub use sink::ScreenSink;
