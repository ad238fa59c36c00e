//! The program: what goes in, what comes out, how it ends.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use canary_tenants::probe::{ProbeBatch, Verdict, lines, read_brief, read_lines};

use super::{batch, start};

async fn run(input: String, arguments: Vec<String>) -> Output {
    let run = move || {
        let mut child = Command::new(env!("CARGO_BIN_EXE_canary-probe"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        // The line ends the batch: the pipe may stay open.
        let stdin = input.ends_with('\n').then_some(stdin);
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        output
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn as_line(batch: &ProbeBatch) -> String {
    format!("{}\n", serde_json::to_string(batch).unwrap())
}

#[tokio::test]
async fn a_batch_goes_in_and_lines_come_out() {
    let server = start(None).await;
    let at = format!("http://{}/{{tenant}}", server.address);
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();

    let good = batch(&at, &["ok", "fine"]);
    let output = run(as_line(&good), vec!["-".to_owned()]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text} {:?}", String::from_utf8_lossy(&output.stderr));
    let results = read_lines(&good, &text, "missing");
    assert!(results.iter().all(|result| result.verdict == Verdict::Healthy));
    assert_eq!(lines(&results), text);
    assert!(text.ends_with("{\"count\":2,\"healthy\":2,\"unhealthy\":0,\"unknown\":0}\n"));

    let mixed = batch(&at, &["ok", "down"]);
    std::fs::write(file("batch.json"), serde_json::to_string_pretty(&mixed).unwrap()).unwrap();
    let output = run(String::new(), vec![file("batch.json"), "--brief".to_owned(), file("brief")]).await;
    assert_eq!(output.status.code(), Some(1));
    let brief = std::fs::read_to_string(file("brief")).unwrap();
    assert_eq!(
        read_brief(&mixed, &brief, "cut"),
        read_lines(&mixed, &String::from_utf8(output.stdout).unwrap(), "cut")
    );

    // No name is resolved here: whoever has none for it is unknown, and that is a result.
    let named = batch("http://localhost/{tenant}", &["a"]);
    let output = run(as_line(&named), vec!["-".to_owned()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("came without addresses"));
}

#[tokio::test]
async fn what_is_no_batch_is_refused_with_a_code_of_its_own() {
    let other = as_line(&ProbeBatch { schema: "probe/v9".to_owned(), ..batch("http://h/{tenant}", &["a"]) });
    for (input, arguments, told) in [
        ("", &["-"][..], "the batch is none"),
        ("{}\n", &["-"], "missing field"),
        (&*other, &["-"], "probe/v9"),
        ("", &["/no/such/file"], "/no/such/file"),
        ("", &[], "usage: canary-probe"),
        ("", &["--what"], "--what is not known"),
        ("", &["-", "-"], "one batch at a time"),
        ("", &["-", "--ca"], "a file is missing"),
    ] {
        let output = run(input.to_owned(), arguments.iter().map(|&a| a.to_owned()).collect()).await;
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && errors.contains(told) && output.stdout.is_empty(),
            "{errors}"
        );
    }
}
