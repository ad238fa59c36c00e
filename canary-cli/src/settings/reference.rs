//! The reference of all settings, written from the table.

use std::fmt::Write as _;

use canary_core::analysis::HoldKind;

use super::table::{Fallback, SETTINGS, Setting};

const HEAD: &str = "\
# Settings

<!-- Written by `canary-cli configuration`; a test compares. -->

Every setting can be written in the file, as an environment variable and as a flag. A flag beats a variable, a variable
beats the file, the file beats the default. `canary-cli doctor --settings` shows each value and where it came from.

- **File**: `-f PATH` or `CANARY_CONFIG`, else `canary.toml` in the current directory if there is one. Without a file the
  variables and defaults do. Relative paths in the file start at the file's directory, all others at the current one.
- **Variables**: an empty variable counts as unset, except `PEER_NODES`: set to nothing it means that there are no peers.
- **Times** carry a unit: `500ms`, `30s`, `5m`, `1h`, `1h 30m`. Variables marked *seconds* also take whole seconds.
- **Ratios** are numbers up to 1 (`0.005`) or percentages (`\"0.5%\"`).
- **Flags of yes and no** can be given alone (`--force-migrate`) or with a value (`--force-migrate=false`).
- Nothing in a value is expanded: no `${VAR}`, no `~`.
- Passwords are no settings: where one is needed, a file is named that holds it.
";

const TAIL: &str = "
## Own indicators: `[[sli]]`

Only in the file, as many as needed: each measures one thing and has one bound.

```toml
[[sli]]
name = \"queue_depth\"
promql = 'max(worker_queue_depth{instance=~\"$nodes\"})'
below = 1000

[[sli]]
name = \"checkout_errors\"
requests_metric = \"checkout_requests_total\"
below = 0.01
role = \"critical\"

[[sli]]
name = \"p95\"
weight = 3
```

| key | meaning |
| --- | --- |
| `name` | its name in reports; `p95` and `error_ratio` are the built-in ones, of which only the last five keys can be written |
| `promql` | a PromQL expression that gives one number; `$window` stands for the time to look back over, `$nodes` for a regular expression of the nodes that are judged |
| `latency_metric` and `quantile` | instead: a quantile of a histogram, without `_bucket` |
| `requests_metric`, `status_label` | instead: the share of a counter's requests that were answered 5xx; the label is `prometheus.status_label` otherwise |
| `below` or `above` | the bound; a value on the bound is red |
| `role` | `critical`: red alone decides, whatever the score; `advisory`: is told and decides nothing |
| `weight` | its weight in the score, and its part of `alpha`; 1 |
| `margin` | the odds ratio to the baseline that is still accepted; 1.1 for errors, 1.25 for latency |
| `rules_out` | the odds ratio that a proof of good rules out; 2 for errors, 1.5 for latency |
| `subject` | `pool` or `canary`; `watch.subject` |

An expression is judged without a minimum of requests, unless the source tells how many there were. Compared with the
baseline is what counters tell: histograms and counters of requests with an upper bound, not expressions.

## Reasons to hold

`hold_budgets` has a time for each reason to hold that shall have less than `hold_budget`:

```toml
[watch.hold_budgets]
source_down = \"10m\"
no_traffic = \"5m\"
```

In a variable or a flag: `source_down=10m no_traffic=5m`. The reasons: REASONS.

## Other variables

| variable | meaning |
| --- | --- |
| `CANARY_CONFIG` | the file to read, as `-f` |
| `CANARY_NOTIFY_WEBHOOK_SECRET` | the webhook's secrets themselves; the file comes first |
| `CANARY_NOTIFY_SLACK_URL` | the Slack-compatible address itself; the file comes first |
| `CANARY_NOTIFY_CDEVENTS_TOKEN` | the token itself; the file comes first |
| `CANARY_NOTIFY_ALERTMANAGER_TOKEN` | the token itself; the file comes first |
| `DD_API_KEY` | Datadog's API key itself; the file comes first |
| `DD_APP_KEY` | Datadog's application key, for metric queries; the file comes first |
| `NO_COLOR` | set to anything: no colours |
";

/// The reference as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    let mut section = None;
    for setting in SETTINGS {
        if section != Some(setting.section()) {
            section = Some(setting.section());
            heading(&mut text, setting.section());
        }
        row(&mut text, setting);
    }
    let reasons = HoldKind::ALL.map(|kind| format!("`{kind}`")).join(", ");
    text.push_str(&TAIL.replace("REASONS", &reasons));
    text
}

fn heading(text: &mut String, section: &str) {
    let title = if section.is_empty() { "For the record".to_owned() } else { format!("`[{section}]`") };
    let note = if section.is_empty() { "At the top of the file, before the first section.\n\n" } else { "" };
    // proof: writing to a string cannot fail.
    let _ = write!(
        text,
        "\n## {title}\n\n{note}| key | variable | flag | value | default | meaning |\n| --- | --- | --- | --- | --- | --- |\n"
    );
}

fn row(text: &mut String, setting: &Setting) {
    let default = match setting.fallback {
        Fallback::Unset => String::new(),
        Fallback::Computed(how) => how.to_owned(),
        other => format!("`{}`", other.text().unwrap_or_default()),
    };
    let mut value = setting.kind.shape().to_lowercase().replace('|', ", ");
    if matches!(setting.kind, super::Kind::Time { plain_seconds: true, .. }) {
        value.push_str(", *seconds*");
    }
    let _ = writeln!(
        text,
        "| `{}` | `{}` | `--{}` | {value} | {default} | {} |",
        setting.name(),
        setting.variable,
        setting.flag,
        setting.about(),
    );
}
