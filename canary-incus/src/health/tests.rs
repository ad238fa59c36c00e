//! Output of the tools as Debian 12 has them, and output as it never should be.

use super::*;

fn seen(stdout: &str, stderr: &str) -> (bool, Option<u16>, String, String) {
    let report = parse(stdout, stderr).unwrap();
    (report.healthy, report.status, report.detail, report.via)
}

#[test]
fn every_tool_sees_a_healthy_service() {
    let http = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    for tool in ["curl", "python3", "bash"] {
        assert_eq!(
            seen(&format!("{tool}\n{http}"), "\nended 0\n"),
            (true, Some(200), "status 200: ok".to_owned(), format!("{tool} in the instance"))
        );
    }
    let wget = "wget\n  HTTP/1.1 200 OK\n  content-length: 2\nok";
    assert_eq!(
        seen(wget, "\nended 0\n"),
        (true, Some(200), "status 200: ok".to_owned(), "wget in the instance".to_owned())
    );
}

#[test]
fn only_status_200_is_healthy() {
    for (status, expected) in [
        (204, "status 204"),
        (301, "status 301"),
        (401, "status 401"),
        (500, "status 500"),
        (503, "status 503"),
    ] {
        let (healthy, code, detail, _) = seen(&format!("curl\nHTTP/1.1 {status} X\r\n\r\n"), "\nended 0\n");
        assert_eq!((healthy, code, detail.as_str()), (false, Some(status), expected));
    }
}

#[test]
fn an_answer_that_does_not_end_in_time_is_not_healthy() {
    let (healthy, status, detail, _) = seen("curl\nHTTP/1.1 200 OK\r\n\r\n", "\nended 124\n");
    assert_eq!(
        (healthy, status, detail.as_str()),
        (false, Some(200), "status 200, but the answer did not end in time")
    );
    let (_, status, detail, _) = seen("bash\n", "\nended 124\n");
    assert_eq!((status, detail.as_str()), (None, "no answer in time"));
}

#[test]
fn a_refused_connection_reads_the_same_by_every_tool() {
    let cases = [
        (
            "curl\n",
            "curl: (7) Failed to connect to 127.0.0.1 port 9 after 0 ms: Couldn't connect to server\n\nended 7\n",
        ),
        ("wget\n", "\nended 4\n"),
        ("python3\n", "[Errno 111] Connection refused\n\nended 1\n"),
        (
            "bash\n",
            "canary: connect: Connection refused\ncanary: line 2: /dev/tcp/127.0.0.1/9: Connection refused\n\nended 7\n",
        ),
    ];
    for (stdout, stderr) in cases {
        let (healthy, status, detail, _) = seen(stdout, stderr);
        let expected = if stdout.starts_with("wget") { "no HTTP answer" } else { "connection refused" };
        assert_eq!((healthy, status, detail.as_str()), (false, None, expected));
    }
}

#[test]
fn details_are_short_and_without_control_characters() {
    let body = format!("\u{1b}[31m{}", "x".repeat(3000));
    let (_, _, detail, _) = seen(&format!("curl\nHTTP/1.1 500 X\r\n\r\n{body}"), "\nended 23\n");
    assert!(detail.chars().count() <= 200 && !detail.contains('\u{1b}'), "{detail}");
    assert!(
        detail.starts_with("status 500:  [31mxxx") || detail.starts_with("status 500: [31mxxx"),
        "{detail}"
    );
    let words = format!("curl: (1) {}\n\nended 1\n", "y".repeat(3000));
    assert!(seen("curl\n", &words).2.chars().count() <= 200);
}

#[test]
fn interim_answers_are_passed_over() {
    let (healthy, status, ..) =
        seen("curl\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nok", "\nended 0\n");
    assert_eq!((healthy, status), (true, Some(200)));
}

#[test]
fn a_redirect_that_was_followed_is_still_one() {
    let followed = "wget\n  HTTP/1.1 302 Found\n  Location: /200\n  HTTP/1.1 200 OK\nok";
    let (healthy, status, detail, _) = seen(followed, "\nended 0\n");
    assert_eq!((healthy, status, detail.as_str()), (false, Some(302), "status 302: ok"));
}

#[test]
fn what_is_no_answer_is_no_report() {
    assert_eq!(parse("", ""), None);
    assert_eq!(parse("telnet\nHTTP/1.1 200 OK\r\n\r\n", ""), None);
    for garbage in [
        "curl\nSSH-2.0-OpenSSH\r\n",
        "curl\nHTTP/1.1 abc\r\n\r\n",
        "curl\nHTTP/1.1 999 X\r\n\r\n",
        "wget\n  x\n",
    ] {
        let (healthy, status, ..) = seen(garbage, "\nended 0\n");
        assert_eq!((healthy, status), (false, None), "{garbage:?}");
    }
}
