//! What `service.sh` prints: `systemctl show` (one `Key=value` a line, systemctl(1)) and the running file; pure.

use std::collections::BTreeMap;

use canary_core::traits::{ActiveState, RunningBinary, ServiceState};

/// The unit as read from the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// systemd's `LoadState`; `not-found` when there is no such unit.
    pub(crate) load: String,
    /// The exit status of `systemctl restart`, when it was asked for.
    pub(crate) restart: Option<i32>,
    /// systemd's `Result` of the last run (`success`, `exit-code`, `signal`, `start-limit-hit`, …).
    pub(crate) result: String,
    /// The state.
    pub(crate) state: ServiceState,
}

/// Says which property is missing or unreadable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the unit's property {key} is {found}")]
pub(crate) struct BadProperty {
    key: &'static str,
    found: String,
}

/// Reads the output of `service.sh`, with or without that of `restart.sh` before it.
///
/// # Errors
/// [`BadProperty`] when a property that every unit has is missing, or a number is none.
pub(crate) fn parse(output: &str) -> Result<Unit, BadProperty> {
    let properties: BTreeMap<&str, &str> = output.lines().filter_map(|line| line.split_once('=')).collect();
    let text = |key: &'static str| {
        let missing = || BadProperty { key, found: "missing".to_owned() };
        properties.get(key).copied().ok_or_else(missing)
    };
    let pid = number::<u32>("MainPID", text("MainPID").unwrap_or("0"))?;
    let pid = (pid != 0).then_some(pid);
    // Units that are no services have no NRestarts; systemd before 235 neither.
    let restarts = number::<u64>("NRestarts", text("NRestarts").unwrap_or("0"))?;
    let restart = text("Restart").ok().map(|code| number::<i32>("Restart", code)).transpose()?;
    let state = ServiceState {
        active: active(text("ActiveState")?),
        detail: text("SubState")?.chars().take(100).collect(),
        pid,
        restarts,
        running: running(pid, &properties),
    };
    let result = text("Result").unwrap_or_default().to_owned();
    Ok(Unit { load: text("LoadState")?.to_owned(), restart, result, state })
}

fn number<T: std::str::FromStr>(key: &'static str, text: &str) -> Result<T, BadProperty> {
    text.parse().map_err(|_| BadProperty { key, found: format!("{text:?}") })
}

fn active(text: &str) -> ActiveState {
    match text {
        "active" => ActiveState::Active,
        "activating" => ActiveState::Activating,
        "deactivating" => ActiveState::Deactivating,
        "inactive" => ActiveState::Inactive,
        "failed" => ActiveState::Failed,
        _ => ActiveState::Other,
    }
}

/// Compares the running file with the one in place by device and inode, which say it even where paths do not: the kernel
/// appends ` (deleted)` to the link of a file that was renamed over (proc(5)), and a file can be called that.
fn running(pid: Option<u32>, properties: &BTreeMap<&str, &str>) -> RunningBinary {
    let known = |key: &str| properties.get(key).copied().filter(|text| !text.is_empty());
    if pid.is_none() {
        return RunningBinary::None;
    }
    let (Some(exe), Some(file)) = (known("Exe"), known("ExeFile")) else {
        return RunningBinary::Unknown;
    };
    if known("TargetFile") == Some(file) {
        return RunningBinary::InPlace;
    }
    let path = exe.strip_suffix(" (deleted)");
    if path.is_some() && path == known("Target") { RunningBinary::Replaced } else { RunningBinary::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: &str = "MainPID=90\nNRestarts=0\nExecMainStatus=0\nResult=success\nLoadState=loaded\n\
        ActiveState=active\nSubState=running\nExe=/opt/a/api\nExeFile=2049:77\nTarget=/opt/a/api\nTargetFile=2049:77\n";

    #[test]
    fn a_running_unit() {
        let expected = Unit {
            load: "loaded".to_owned(),
            restart: None,
            result: "success".to_owned(),
            state: ServiceState {
                active: ActiveState::Active,
                detail: "running".to_owned(),
                pid: Some(90),
                restarts: 0,
                running: RunningBinary::InPlace,
            },
        };
        assert_eq!(parse(UP).unwrap(), expected);
    }

    #[test]
    fn a_unit_between_two_crashes() {
        let output = "Restart=0\nMainPID=0\nNRestarts=17\nResult=exit-code\nLoadState=loaded\n\
            ActiveState=activating\nSubState=auto-restart\nTarget=/opt/a/api\nTargetFile=2049:77\n";
        let unit = parse(output).unwrap();
        assert_eq!((unit.restart, unit.result.as_str()), (Some(0), "exit-code"));
        assert_eq!(unit.state.active, ActiveState::Activating);
        assert_eq!(unit.state.detail, "auto-restart");
        assert_eq!((unit.state.pid, unit.state.restarts), (None, 17));
        assert_eq!(unit.state.running, RunningBinary::None);
    }

    #[test]
    fn the_running_file_is_told_by_its_inode() {
        let with = |from: &str, to: &str| parse(&UP.replace(from, to)).unwrap().state.running;
        assert_eq!(
            with("Exe=/opt/a/api\nExeFile=2049:77", "Exe=/opt/a/api (deleted)\nExeFile=2049:76"),
            RunningBinary::Replaced
        );
        assert_eq!(
            with("Exe=/opt/a/api\nExeFile=2049:77", "Exe=/bin/dash\nExeFile=2049:3"),
            RunningBinary::Unknown
        );
        assert_eq!(with("Exe=/opt/a/api\nExeFile=2049:77", "Exe=\nExeFile="), RunningBinary::Unknown);
        // A file whose name ends like that, and the same path as another file: only the inode counts.
        let odd = UP.replace("/opt/a/api", "/opt/a/api (deleted)");
        assert_eq!(parse(&odd).unwrap().state.running, RunningBinary::InPlace);
        assert_eq!(with("ExeFile=2049:77", "ExeFile=2049:78"), RunningBinary::Unknown);
        assert_eq!(with("\nTargetFile=2049:77", "\nTargetFile="), RunningBinary::Unknown);
    }

    #[test]
    fn missing_and_unreadable_properties_are_named() {
        let cases = [
            ("", "the unit's property ActiveState is missing"),
            ("ActiveState=active\nSubState=running\n", "the unit's property LoadState is missing"),
            ("MainPID=x\n", "the unit's property MainPID is \"x\""),
            ("MainPID=1\nNRestarts=-1\n", "the unit's property NRestarts is \"-1\""),
            ("garbage without sign", "the unit's property ActiveState is missing"),
        ];
        for (output, expected) in cases {
            assert_eq!(parse(output).unwrap_err().to_string(), expected, "{output:?}");
        }
    }

    #[test]
    fn a_missing_unit_and_unusual_states() {
        let output = "MainPID=0\nNRestarts=0\nResult=success\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n";
        assert_eq!(parse(output).unwrap().load, "not-found");
        assert_eq!(
            parse(&output.replace("=inactive", "=reloading")).unwrap().state.active,
            ActiveState::Other
        );
    }
}
