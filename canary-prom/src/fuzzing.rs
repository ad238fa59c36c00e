//! The way in for the fuzz targets; built with `--cfg fuzzing` alone.

use crate::api::{Envelope, QueryData};

/// Reads an answer of the Prometheus API.
pub fn reply(body: &[u8]) {
    if let Ok(Envelope { data: Some(data), .. }) = serde_json::from_slice::<Envelope<QueryData>>(body) {
        let _ = data.type_name();
    }
}
