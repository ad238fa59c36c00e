//! Batches in as few ConfigMaps as they fit in.

use std::collections::BTreeMap;

/// Bytes of one ConfigMap: its limit is 1 MiB, and the API server counts names and its own fields in a request, too.
pub(crate) const PARCEL: usize = 900 * 1024;
/// ConfigMaps of one round at most: every pod mounts them all.
pub(crate) const PARCELS: usize = 16;

/// The file of one batch in the directory that a pod mounts.
pub(crate) fn batch_file(index: &impl std::fmt::Display) -> String {
    format!("batch-{index}.json")
}

/// Puts batches, as JSON, into parcels; each is a file with the index of its batch.
///
/// # Errors
///
/// In words, what does not fit.
pub(crate) fn pack(batches: &[String]) -> Result<Vec<BTreeMap<String, String>>, String> {
    let mut parcels: Vec<BTreeMap<String, String>> = Vec::new();
    let mut room = 0;
    for (index, batch) in batches.iter().enumerate() {
        let name = batch_file(&index);
        let size = name.len() + batch.len();
        if size > PARCEL {
            return Err(format!(
                "batch {index} has {} bytes, and a ConfigMap takes {PARCEL}: a smaller tenant_batch_size is needed",
                batch.len()
            ));
        }
        if size > room || parcels.is_empty() {
            parcels.push(BTreeMap::new());
            room = PARCEL;
        }
        room -= size;
        if let Some(parcel) = parcels.last_mut() {
            parcel.insert(name, batch.clone());
        }
    }
    if parcels.len() > PARCELS {
        let bytes: usize = batches.iter().map(String::len).sum();
        return Err(format!(
            "the round has {bytes} bytes of batches, and {PARCELS} ConfigMaps of {PARCEL} bytes are the most: probe fewer tenants at once"
        ));
    }
    Ok(parcels)
}
