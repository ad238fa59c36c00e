//! Where probes run.

use canary_probe::InProcess;
use canary_tenants::probe::{ProbeRound, ProbeRunner};
use clap::{Arg, ArgMatches, Command};

use crate::commands::Context;
use crate::error::CommandError;

/// The places, as they are named.
const PROCESS: &str = "process";
const KUBERNETES: &str = "kubernetes";

/// The arguments that choose one.
pub(super) fn arguments(command: Command) -> Command {
    let of = |id: &'static str, name: &'static str, help: &'static str| {
        Arg::new(id).long(id).value_name(name).help(help).requires("in")
    };
    command
        .arg(
            Arg::new("in")
                .long("in")
                .value_name("PLACE")
                .value_parser([PROCESS, KUBERNETES])
                .default_value(PROCESS)
                .help("Where probes run: here, or in pods of one Kubernetes job"),
        )
        .arg(
            of("image", "IMAGE", "The image of the pods, with canary-probe as its entry point")
                .required_if_eq("in", KUBERNETES),
        )
        .arg(of("namespace", "NAME", "The namespace of the pods").default_value("default"))
        .arg(of("service-account", "NAME", "The service account of the pods [default: the namespace's]"))
        .arg(of(
            "context",
            "NAME",
            "The context of the kubeconfig [default: the current one, or the pod's own]",
        ))
}

/// The one that was chosen. For pods, which resolve no names, the round's hosts are resolved here.
pub(super) async fn of(
    cx: &Context<'_>,
    matches: &ArgMatches,
    round: &mut ProbeRound,
) -> Result<Box<dyn ProbeRunner>, CommandError> {
    match matches.get_one::<String>("in").map(String::as_str) {
        Some(KUBERNETES) => kubernetes(cx, matches, round).await,
        _ => Ok(Box::new(InProcess::default())),
    }
}

#[cfg(not(feature = "kubernetes"))]
async fn kubernetes(
    _: &Context<'_>,
    _: &ArgMatches,
    _: &mut ProbeRound,
) -> Result<Box<dyn ProbeRunner>, CommandError> {
    let hint = "build it with `--features kubernetes`, or probe from this process";
    Err(CommandError::usage("this program was built without Kubernetes", hint))
}

#[cfg(feature = "kubernetes")]
async fn kubernetes(
    cx: &Context<'_>,
    matches: &ArgMatches,
    round: &mut ProbeRound,
) -> Result<Box<dyn ProbeRunner>, CommandError> {
    use canary_kube::{KubeProbes, Settings, SettingsError};
    use canary_probe::{SystemNames, resolve_round};

    use crate::error::ErrorKind;

    let value = |id: &str| matches.get_one::<String>(id).map_or("", String::as_str);
    let wrong = |error: SettingsError| {
        CommandError::usage(
            error.to_string(),
            "name one that the cluster would take; docs/kubernetes-probes.md",
        )
    };
    let owner = format!("{}:{}", cx.environment.host, cx.settings.state_dir.display());
    let mut settings = Settings::new(value("namespace"), value("image"), &owner).map_err(wrong)?;
    if let Some(name) = matches.get_one::<String>("service-account") {
        settings = settings.with_service_account(name).map_err(wrong)?;
    }
    let context = matches.get_one::<String>("context").map(String::as_str);
    let connected = KubeProbes::connect(context, settings.clone()).await.map_err(|error| {
        let hint = "name a context with --context, or a file with KUBECONFIG; `kubectl config get-contexts` lists them";
        CommandError::new(ErrorKind::Refused, error.told(), hint)
    })?;
    resolve_round(round, &SystemNames, settings.call_limit).await;
    Ok(Box::new(connected))
}
