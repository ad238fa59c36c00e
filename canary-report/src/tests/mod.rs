//! Whole reports of made-up rollouts, and that no foreign word gets out of its place.

mod markup;
mod pages;
mod story;
mod strangers;
mod tenants;
