//! What `check.sh` prints: one tool's view of one HTTP answer; pure.

use canary_core::traits::HealthReport;

use crate::error::clean;

/// How much of a body is quoted, in characters.
const BODY: usize = 100;

/// How long a detail may be, in characters; one less than promised, for the mark of a cut.
const DETAIL: usize = 199;

/// Reads the output of `check.sh`; `None` when it does not name its tool.
pub(crate) fn parse(stdout: &str, stderr: &str) -> Option<HealthReport> {
    let (tool, answer) = stdout.split_once('\n')?;
    if !matches!(tool, "curl" | "wget" | "python3" | "bash") {
        return None;
    }
    let via = format!("{tool} in the instance");
    let (words, ended) = ending(stderr);
    let out_of_time = matches!(ended, Some(124 | 137));
    let Some((status, body)) = split(tool, answer) else {
        let detail = match explain(tool, answer, words) {
            Some(words) => words,
            None if out_of_time => "no answer in time".to_owned(),
            None => "no HTTP answer".to_owned(),
        };
        let detail = if out_of_time { "no answer in time".to_owned() } else { detail };
        return Some(HealthReport { healthy: false, status: None, detail: clean(&detail, DETAIL), via });
    };
    Some(report(status, &body, out_of_time, via))
}

/// The report on an answer with a status; one that was not whole in time is not healthy.
pub(crate) fn report(status: u16, body: &str, out_of_time: bool, via: String) -> HealthReport {
    let body = clean(body.trim(), BODY);
    let mut detail = format!("status {status}");
    if out_of_time {
        detail.push_str(", but the answer did not end in time");
    }
    if !body.is_empty() {
        detail.push_str(": ");
        detail.push_str(&body);
    }
    let healthy = status == 200 && !out_of_time;
    HealthReport { healthy, status: Some(status), detail: clean(&detail, DETAIL), via }
}

/// The tool's words and, from the last line, how it ended.
fn ending(stderr: &str) -> (&str, Option<i32>) {
    let stderr = stderr.trim_end();
    let (words, last) = stderr.rsplit_once('\n').unwrap_or(("", stderr));
    match last.strip_prefix("ended ").and_then(|code| code.parse().ok()) {
        Some(code) => (words, Some(code)),
        None => (stderr, None),
    }
}

/// Status and body of an answer.
fn split(tool: &str, answer: &str) -> Option<(u16, String)> {
    if tool == "wget" {
        return split_indented(answer);
    }
    let mut rest = answer;
    loop {
        let status = status_of(rest.lines().next()?)?;
        let blank = rest.find("\r\n\r\n").map(|at| at + 4).or_else(|| rest.find("\n\n").map(|at| at + 2));
        let body = blank.map_or("", |at| &rest[at..]);
        // An interim answer (RFC 9110, section 15.2) comes before the real one.
        if (100..200).contains(&status) && !body.is_empty() {
            rest = body;
            continue;
        }
        return Some((status, body.to_owned()));
    }
}

/// GNU wget and BusyBox indent the head by two blanks and have no empty line after it.
fn split_indented(answer: &str) -> Option<(u16, String)> {
    let mut status = None;
    let mut body = Vec::new();
    for line in answer.lines() {
        match line.strip_prefix("  ") {
            // The first: a wget that follows redirects must not make a redirect look healthy.
            Some(head) if body.is_empty() => {
                status = status.or_else(|| status_of(head).filter(|status| *status >= 200));
            }
            _ => body.push(line),
        }
    }
    let body: Vec<_> = body.into_iter().skip_while(|line| line.trim().is_empty()).collect();
    Some((status?, body.join(" ")))
}

/// The code of a status line (RFC 9112, section 4).
fn status_of(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.").or_else(|| line.strip_prefix("HTTP/2"))?;
    let code = rest.split_ascii_whitespace().find(|word| word.len() == 3)?;
    code.parse().ok().filter(|code| (100..600).contains(code))
}

/// Why there was no answer, in the tool's words but without their preamble.
fn explain(tool: &str, answer: &str, words: &str) -> Option<String> {
    let words = if tool == "wget" && words.trim().is_empty() { answer } else { words };
    let words = words.trim();
    let lower = words.to_ascii_lowercase();
    if lower.contains("connection refused") || lower.contains("(7) ") {
        return Some("connection refused".to_owned());
    }
    let line = words.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim().trim_start_matches("curl: ").to_owned())
}

#[cfg(test)]
mod tests;
