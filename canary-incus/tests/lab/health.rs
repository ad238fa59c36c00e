//! Health checks by every tool, of a service that answers in every way.

use std::process::Command;
use std::time::Duration;

use canary_core::fleet::HttpPath;
use canary_core::traits::{HealthCheck, HealthReport, NodeRuntime};
use canary_incus::IncusNodeRuntime;

use crate::fixture::{Lab, lab};

const SERVER: &str = r#"
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/hang":
            time.sleep(600)
        status = int(self.path.split("/")[1].split("?")[0]) if self.path[1:4].isdigit() else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "1000" if self.path == "/stall" else "5")
        self.end_headers()
        self.wfile.write(b"he\x1bo\n")
        self.wfile.flush()
        if self.path == "/stall":
            time.sleep(600)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8099), Handler).serve_forever()
"#;

async fn ask(lab: &Lab, runtime: &IncusNodeRuntime, port: u16, path: &str) -> HealthReport {
    let attempt_timeout = Duration::from_millis(1500);
    let check = HealthCheck { port, path: HttpPath::new(path).unwrap(), attempt_timeout };
    runtime.check(&lab.node, &check).await.unwrap()
}

/// The same questions to the same service, whatever asks them.
async fn questions(lab: &Lab, runtime: &IncusNodeRuntime, via: &str) {
    let healthy = ask(lab, runtime, 8099, "/200?full=1&x=%20").await;
    assert_eq!(
        healthy,
        HealthReport {
            healthy: true,
            status: Some(200),
            detail: "status 200: he o".to_owned(),
            via: via.to_owned()
        }
    );
    for status in [204_u16, 302, 404, 500, 503] {
        let report = ask(lab, runtime, 8099, &format!("/{status}")).await;
        assert_eq!((report.healthy, report.status), (false, Some(status)), "{report:?}");
        assert!(report.detail.starts_with(&format!("status {status}")), "{report:?}");
    }
    let report = ask(lab, runtime, 8099, "/hang").await;
    assert_eq!(
        (report.healthy, report.status, report.detail.as_str()),
        (false, None, "no answer in time"),
        "{via}"
    );
    let report = ask(lab, runtime, 8099, "/stall").await;
    assert!(!report.healthy, "{report:?}");
    let report = ask(lab, runtime, 9, "/200").await;
    assert_eq!(
        (report.healthy, report.status, report.via.contains(via.split(':').next().unwrap())),
        (false, None, true)
    );
    let expected = if via.starts_with("wget") { "no HTTP answer" } else { "connection refused" };
    assert_eq!(report.detail, expected, "{via}");
}

#[tokio::test]
async fn every_tool_tells_the_same() {
    let Some(lab) = lab().await else { return };
    let runtime = lab.service("asked", "[Service]\nExecStart=/usr/bin/python3 /opt/asked/server.py").await;
    lab.sh(&format!("cat >/opt/asked/server.py <<'END'\n{SERVER}\nEND\nsystemctl start asked")).await;
    lab.until("the service answers", async || ask(&lab, &runtime, 8099, "/200").await.healthy).await;

    questions(&lab, &runtime, "curl in the instance").await;
    lab.sh("mv /usr/bin/curl /usr/bin/hidden-curl").await;
    if give_wget(&lab).await {
        questions(&lab, &runtime, "wget in the instance").await;
        lab.sh("rm /usr/local/bin/wget").await;
    } else {
        println!("skipped: there is no wget here to lend to the instance");
    }
    questions(&lab, &runtime, "python3 in the instance").await;
    lab.sh("mv /usr/bin/python3 /usr/bin/hidden-python3").await;
    questions(&lab, &runtime, "bash in the instance").await;
    lab.sh("mv /usr/bin/bash /usr/bin/hidden-bash").await;
    // This machine may still know the address by the link-layer address of an earlier run's instance.
    lab.until("the address answers", async || ask(&lab, &runtime, 8099, "/200").await.healthy).await;
    questions(&lab, &runtime, "http://10.83.7.190:8099 from here").await;
    lab.sh("cd /usr/bin && for tool in curl python3 bash; do mv hidden-$tool $tool; done").await;
}

/// Copies this machine's wget with its libraries into the instance, whose release is the same.
async fn give_wget(lab: &Lab) -> bool {
    let Ok(libraries) = Command::new("ldd").arg("/usr/bin/wget").output() else { return false };
    if !libraries.status.success() {
        return false;
    }
    let text = String::from_utf8(libraries.stdout).unwrap();
    let mut files = vec!["/usr/bin/wget".to_owned()];
    files.extend(
        text.lines().filter_map(|line| Some(line.split_once("=> ")?.1.split(' ').next()?.to_owned())),
    );
    lab.sh("mkdir -p /opt/wget").await;
    let http = canary_http::HttpClient::builder("test").unix_socket(&lab.socket).build().unwrap();
    for file in files {
        let name = file.rsplit('/').next().unwrap();
        let path = format!("/1.0/instances/{}/files?path=/opt/wget/{name}", lab.node);
        let request = http
            .request(canary_http::Method::POST, &path)
            .header("x-incus-mode", "0755")
            .header("connection", "close");
        let reply = http.send("test", request.body(std::fs::read(&file).unwrap())).await.unwrap();
        assert!(reply.status.is_success(), "{}", reply.text());
    }
    lab.sh("printf '#!/bin/sh\\nLD_LIBRARY_PATH=/opt/wget exec /opt/wget/wget \"$@\"\\n' >/usr/local/bin/wget && chmod 755 /usr/local/bin/wget && wget --version >/dev/null").await;
    true
}
