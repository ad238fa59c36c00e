//! Results in few bytes, for places that hold few (the message that a container leaves when it ends).

use serde::{Deserialize, Serialize};

use super::wire::{ProbeBatch, ProbeResult, Try, TryEnd, Verdict};

/// One result: `h`, `u` or `?`; how many tries; the last one's time, microseconds, status and end; what was wrong.
#[derive(Debug, Serialize, Deserialize)]
struct Row(char, u32, Option<(u64, u64, Option<u16>, TryEnd)>, String);

/// Results in the order of their batch, in at most `most` bytes: what was wrong is cut short, and tries but the last are counted alone.
///
/// `None` where not even that fits.
#[must_use]
pub fn brief(results: &[ProbeResult], most: usize) -> Option<String> {
    [usize::MAX, 120, 60, 30, 0].into_iter().find_map(|words| {
        let rows: Vec<Row> = results.iter().map(|result| row(result, words)).collect();
        serde_json::to_string(&rows).ok().filter(|text| text.len() <= most)
    })
}

fn row(result: &ProbeResult, words: usize) -> Row {
    let letter = match result.verdict {
        Verdict::Healthy => 'h',
        Verdict::Unhealthy { .. } => 'u',
        Verdict::Unknown { .. } => '?',
    };
    let last = result.tries.last().map(|last| (last.at_ms, last.took_us, last.status, last.end));
    let why = result.verdict.why().unwrap_or_default().chars().take(words).collect();
    Row(letter, u32::try_from(result.tries.len()).unwrap_or(u32::MAX), last, why)
}

/// The results of a batch from [`brief`]'s text; all unknown, with `why` as the reason, where it is none or not of this batch.
#[must_use]
pub fn read_brief(batch: &ProbeBatch, text: &str, why: &str) -> Vec<ProbeResult> {
    let Some(rows) =
        serde_json::from_str::<Vec<Row>>(text.trim()).ok().filter(|rows| rows.len() == batch.targets.len())
    else {
        return batch.all_unknown(why);
    };
    let read = batch.targets.iter().zip(rows).map(|(target, Row(letter, count, last, words))| {
        let end = last.map_or(TryEnd::Failed, |last| last.3);
        let words = if words.is_empty() { end.to_string() } else { words };
        let verdict = match letter {
            'h' => Verdict::Healthy,
            'u' => Verdict::Unhealthy { why: words.clone() },
            _ => Verdict::Unknown { why: words.clone() },
        };
        let error = verdict.why().map(str::to_owned);
        let last = last.map(|(at_ms, took_us, status, end)| Try { at_ms, took_us, status, end, error });
        let tries = if count > 0 { last.into_iter().collect() } else { Vec::new() };
        ProbeResult { objective: batch.objective.clone(), tenant: target.tenant.clone(), verdict, tries }
    });
    read.collect()
}
