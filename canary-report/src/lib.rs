#![doc = include_str!("../README.md")]

pub mod compared;
mod evidence;
mod html;
mod markdown;
mod plot;
pub mod probes;
mod report;
pub mod sentences;
pub mod tenants;
mod text;
mod timeline;
mod track;
pub mod words;

#[cfg(test)]
mod tests;

pub use report::Report;
