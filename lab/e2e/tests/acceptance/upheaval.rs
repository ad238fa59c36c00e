//! Roll after roll, each killed at a random moment and continued, while everything around it is restarted.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use canary_core::engine::Outcome;
use canary_demo::load::LoadOptions;
use canary_lab_e2e::{Trial, clients};

/// Rolls, unless `CANARY_LAB_ROUNDS` says another number.
const ROUNDS: u64 = 4;
/// How often a run may be refused because something is being restarted, before it counts as a failure.
const PATIENCE: u32 = 10;

/// A sequence that its seed alone decides (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }
}

/// What is restarted while a roll is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upheaval {
    HaproxyReload,
    Haproxy,
    Incus,
    Prometheus,
}

const ALL: [Upheaval; 4] =
    [Upheaval::HaproxyReload, Upheaval::Haproxy, Upheaval::Incus, Upheaval::Prometheus];

impl Upheaval {
    /// Happens after a while, and lasts `gone`; gives from when to when.
    async fn happen(
        self,
        trial: &Trial,
        after: Duration,
        gone: Duration,
    ) -> anyhow::Result<(Instant, Instant)> {
        tokio::time::sleep(after).await;
        let from = Instant::now();
        let away = |unit: &str| {
            format!("systemctl stop {unit} && sleep {:.3} && systemctl start {unit}", gone.as_secs_f64())
        };
        match self {
            Self::HaproxyReload => drop(trial.lab.exec("haproxy", "systemctl reload haproxy").await?),
            Self::Haproxy => drop(trial.lab.exec("haproxy", &away("haproxy")).await?),
            Self::Incus => trial.lab.restart_daemon(gone.as_secs()).await?,
            Self::Prometheus => drop(trial.lab.exec("prom", &away("prometheus")).await?),
        }
        Ok((from, Instant::now()))
    }

    /// For how long it may be gone, in milliseconds; every request in which HAProxy is gone fails.
    const fn longest(self) -> u64 {
        match self {
            Self::HaproxyReload | Self::Haproxy => 400,
            Self::Incus | Self::Prometheus => 6000,
        }
    }
}

/// Ships until it ends, the canary's weight growing by `steps`; gives the outcome. The first try is killed after `life`.
async fn ship(
    trial: &Trial,
    release: &canary_core::fleet::Artifact,
    life: Duration,
    steps: &str,
) -> anyhow::Result<Outcome> {
    let cli = trial.ship(release)?.set("SLI_WINDOW", 3);
    let cli = cli.set("CANARY_WEIGHT_STEPS", steps).set("CANARY_WEIGHT_WINDOW", "3s");
    let running = cli.start("run")?;
    tokio::time::sleep(life).await;
    // It may have ended by itself by now; then there is nothing to kill.
    if running.signal("KILL").await.is_ok() {
        running.end().await?;
    }
    for _ in 0..PATIENCE {
        let ended = cli.run("run").await?;
        match ended.code {
            Some(10) => tokio::time::sleep(Duration::from_secs(1)).await,
            Some(0 | 20) => return ended.outcome().with_context(|| ended.said()),
            _ => bail!("ended as nothing here should:\n{}", ended.said()),
        }
    }
    bail!("refused {PATIENCE} times")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_shaken_every_roll_ends_true_and_no_request_is_lost() -> anyhow::Result<()> {
    let longer = LoadOptions { max_duration: Duration::from_secs(3600), ..clients() };
    let Some(trial) = Trial::begin_with("upheaval", longer).await? else { return Ok(()) };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let rounds = number("CANARY_LAB_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("CANARY_LAB_SEED").unwrap_or(1);
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut spans, mut completed, mut rolled_back) = (Vec::new(), 0, 0);
    let mut before = trial.lab.first_binary().to_owned();
    for round in 0..rounds {
        let upheaval = ALL[usize::try_from(dice.below(ALL.len() as u64))?];
        // Every other canary comes to its weight in two steps, and may be killed in one of them.
        let (steps, longest) = if round % 2 == 0 { ("", 6000) } else { ("10% 50%", 16_000) };
        let life = Duration::from_millis(dice.below(longest));
        let after = Duration::from_millis(dice.below(8000));
        let gone = Duration::from_millis(dice.below(upheaval.longest()));
        let case = format!(
            "seed {seed}, round {round} [{steps}]: killed after {life:?}, {upheaval:?} after {after:?} for {gone:?}"
        );
        let release = trial.release(&format!("u{round}"), &[])?;
        // Both to their ends: an upheaval cut short would leave a server stopped.
        let (outcome, span) =
            tokio::join!(ship(&trial, &release, life, steps), upheaval.happen(&trial, after, gone));
        let (outcome, span) = (outcome.context(case.clone())?, span.context(case.clone())?);
        if upheaval == Upheaval::Haproxy {
            spans.push(span);
        }
        match &outcome {
            Outcome::Completed { .. } => {
                completed += 1;
                before = release.path;
            }
            Outcome::RolledBack { .. } => rolled_back += 1,
            _ => bail!("{case}: {outcome}"),
        }
        say(&format!("{case}: {outcome}"));
        trial.expect_everywhere(&before).await.context(case.clone())?;
        let servers = trial.lab.servers().await?;
        ensure!(servers.values().all(|server| server.weight == 100), "{case}: {servers:?}");
    }
    ensure!(completed > 0, "not one of {rounds} rolls completed");
    say(&format!("{rounds} rolls: {completed} completed, {rolled_back} rolled back"));
    trial.lost_only_within("while HAProxy itself restarted", &spans).await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what became of each roll is a result of the test")]
fn say(line: &str) {
    println!("{line}");
}
