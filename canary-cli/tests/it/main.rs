//! The program as its users meet it, from outside. One target: each would be linked with the whole program.

mod alone;
mod bad_replies;
mod decisions;
mod demo;
mod gate;
mod init;
mod live_schemas;
mod notify;
mod notify_datadog;
#[cfg(feature = "otlp")]
mod otlp;
mod receiver;
mod record;
mod serve;
mod shadow_server;
mod signals;
mod site;
mod status_watch;
mod tenants_datadog;
mod terminal;
mod told;
mod way_back;
