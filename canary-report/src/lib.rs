#![doc = include_str!("../README.md")]

mod evidence;
mod html;
mod markdown;
mod plot;
mod report;
pub mod sentences;
mod text;
mod timeline;
mod track;
pub mod words;

#[cfg(test)]
mod tests;

pub use report::Report;
