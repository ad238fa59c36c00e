//! What is shown: the same events for people, for logs and for programs.

mod annotations;
mod checks;
mod explain;
mod gate;
mod json;
mod lines;
mod live;
mod logged;
mod outcome;
pub mod paint;
mod plan;
mod progress;
mod row;
mod sarif;
mod scanning;
pub mod screen;
mod shadow;
mod sink;
pub mod table;
pub mod terminal;
mod view;
pub mod words;

#[cfg(test)]
mod tests;

pub use annotations::annotations;
pub use explain::explain_lines;
pub use gate::{gate_lines, refused_lines};
pub use json::{line, record_line};
pub use lines::Lines;
pub use live::clear_before_panics;
pub use logged::{LoggedStep, logged_lines, plain};
pub use outcome::{node_lines, outcome_lines};
pub use plan::{comparison_lines, plan_lines, step_lines};
pub use progress::RoundProgress;
pub use sarif::sarif;
pub use scanning::from_the_root;
pub use screen::{Format, Screen};
pub use shadow::shadow_lines;
pub use sink::ScreenSink;
pub use terminal::Terminal;
