#![doc = include_str!("../README.md")]

mod body;
mod builder;
mod client;
mod failure;
mod health;
mod reply;
mod tls;

pub use body::reader_body;
pub use builder::{Builder, ConfigError};
pub use bytes::Bytes;
pub use client::{Download, HttpClient, Incoming};
pub use reply::{Reply, excerpt};
pub use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
pub use reqwest::{Body, Method, RequestBuilder, StatusCode};
pub use tls::Tls;
