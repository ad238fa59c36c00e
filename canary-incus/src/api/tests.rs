//! Answers as Incus 6.0.4 sends them, and answers as it never should.

use super::*;

const STARTED: &str = r#"{"type":"async","status":"Operation created","status_code":100,
"operation":"/1.0/operations/34f4e37d-9146-4c1e-9ef5-731b5d237960","error_code":0,"error":"","metadata":{
"id":"34f4e37d-9146-4c1e-9ef5-731b5d237960","class":"task","description":"Executing command",
"created_at":"2026-11-21T09:59:00.45992093Z","updated_at":"2026-11-21T09:59:00.45992093Z","status":"Running",
"status_code":103,"resources":{"instances":["/1.0/instances/backend-api-1"]},"metadata":null,"may_cancel":false,
"err":"","location":"none"}}"#;

fn operation(status_code: u16, err: &str) -> Operation {
    let body = STARTED
        .replace("\"status_code\":103", &format!("\"status_code\":{status_code}"))
        .replace("\"err\":\"\"", &format!("\"err\":{err:?}"));
    decode(200, body.as_bytes()).unwrap().unwrap()
}

#[test]
fn operations_tell_how_far_they_are() {
    assert_eq!(operation(103, "").id.as_str(), "34f4e37d-9146-4c1e-9ef5-731b5d237960");
    for running in [100, 103, 105] {
        assert_eq!(operation(running, "").progress(), Progress::Running);
    }
    assert_eq!(operation(200, "").progress(), Progress::Done);
    assert_eq!(operation(400, "out of luck").progress(), Progress::Failed("out of luck".to_owned()));
    assert_eq!(operation(401, "").progress(), Progress::Failed("operation ended with status 401".to_owned()));
}

#[test]
fn faults_are_read_from_the_envelope() {
    let body = br#"{"type":"error","status":"","status_code":0,"operation":"","error_code":404,
        "error":"Operation not found","metadata":null}"#;
    let fault = decode::<Operation>(404, body).unwrap().unwrap_err();
    assert_eq!(fault, Fault { code: 404, message: "Operation not found".to_owned() });
    let bare = decode::<Value>(502, br#"{"type":"error"}"#).unwrap().unwrap_err();
    assert_eq!(bare, Fault { code: 502, message: String::new() });
}

#[test]
fn anything_else_is_not_the_api() {
    let climbing = STARTED.replace("\"id\":\"34f4e37d", "\"id\":\"../../x");
    let truncated = &STARTED[..STARTED.len() / 2];
    let cases = [
        ("<html>502 Bad Gateway</html>", "status 200, expected value at line 1 column 1"),
        ("", "status 200, EOF while parsing a value at line 1 column 0"),
        ("[]", "status 200, invalid length 0, expected struct Envelope with 4 elements at line 1 column 2"),
        ("{\"type\":\"sync\"}", "status 200, metadata: invalid type: null, expected struct Operation"),
        ("{\"type\":\"gopher\"}", "status 200, type \"gopher\""),
        (climbing.as_str(), "status 200, metadata: an operation id is made of hex digits and '-'"),
    ];
    for (body, expected) in cases {
        assert_eq!(decode::<Operation>(200, body.as_bytes()).unwrap_err().0, expected, "{body:?}");
    }
    assert!(decode::<Operation>(200, truncated.as_bytes()).unwrap_err().0.starts_with("status 200, EOF"));
}

#[test]
fn the_address_is_the_first_global_one() {
    let state = |network: &str| -> InstanceState {
        serde_json::from_str(&format!("{{\"status\":\"Running\",\"network\":{network}}}")).unwrap()
    };
    let both = state(
        r#"{"eth0":{"addresses":[{"family":"inet6","address":"fd42::1","scope":"global"},
        {"family":"inet","address":"10.83.7.11","netmask":"24","scope":"global"}]},
        "lo":{"addresses":[{"family":"inet","address":"127.0.0.1","scope":"local"}]}}"#,
    );
    assert_eq!(both.address().unwrap().to_string(), "10.83.7.11");
    let v6 = state(
        r#"{"eth0":{"addresses":[{"address":"fe80::1","scope":"link"},{"address":"fd42::1","scope":"global"}]}}"#,
    );
    assert_eq!(v6.address().unwrap().to_string(), "fd42::1");
    assert_eq!(state("null").address(), None);
    assert_eq!(state(r#"{"eth0":{"addresses":[{"address":"x","scope":"global"}]}}"#).address(), None);
    assert!(state("null").runs());
}

#[test]
fn commands_are_sent_as_an_array() {
    let request = ExecRequest::recorded(vec!["sh", "-c", "echo \"$1\"", "x", "a b; $(c)\n"]);
    assert_eq!(
        serde_json::to_string(&request).unwrap(),
        r#"{"command":["sh","-c","echo \"$1\"","x","a b; $(c)\n"],"environment":{"LC_ALL":"C"},"cwd":"/","user":0,"group":0,"record-output":true,"wait-for-websocket":false,"interactive":false}"#
    );
}

#[test]
fn query_values_are_encoded() {
    assert_eq!(encode("/opt/a b&c=d?#%$(x)ä"), "%2Fopt%2Fa%20b%26c%3Dd%3F%23%25%24%28x%29%C3%A4");
}

#[test]
fn decoding_never_panics() {
    for cut in 0..STARTED.len() {
        let _ = decode::<Operation>(200, &STARTED.as_bytes()[..cut]);
        let mut flipped = STARTED.as_bytes().to_vec();
        flipped[cut] ^= 0x55;
        let _ = decode::<Operation>(200, &flipped);
    }
}
