//! Whose a container is, so that it is known when nobody waits for it any more.

use std::fs;

/// This process as a label has it: boot, namespace of process ids, id, start time. `None` where the system does not say.
pub(crate) fn this() -> Option<String> {
    let id = std::process::id();
    Some(format!("{} {id} {}", place()?, started(id)?))
}

/// Whether the process that a label names has certainly ended: one that cannot be looked at from here has not.
pub(crate) fn ended(label: &str) -> bool {
    let Some(at) = place() else { return false };
    let Some(rest) = label.strip_prefix(&at) else { return false };
    let mut parts = rest.trim_start().split(' ');
    let (Some(id), Some(start)) = (parts.next().and_then(|id| id.parse().ok()), parts.next()) else {
        return false;
    };
    started(id).is_none_or(|now| now != start)
}

fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// When a process started, in ticks since the boot (proc(5), `/proc/pid/stat`, field 22).
fn started(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name may hold anything, brackets too; what follows its last one does not.
    let rest = stat.rsplit_once(") ")?.1;
    rest.split(' ').nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_certainly_ended_has() {
        let own = this().unwrap();
        assert!(!ended(&own));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let other = format!("{} {} {}", place().unwrap(), child.id(), started(child.id()).unwrap());
        assert!(!ended(&other));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ended(&other));
        // The same id, another process.
        let (rest, _) = own.rsplit_once(' ').unwrap();
        assert!(ended(&format!("{rest} 1")));
        for elsewhere in ["", "x", &own.replacen(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'], "x", 1)]
        {
            assert!(!ended(elsewhere), "{elsewhere}");
        }
    }
}
