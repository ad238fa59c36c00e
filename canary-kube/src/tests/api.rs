//! The API server: HTTP in, HTTP out, for kube's client without a network.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::cluster::Objects;
use super::kubelet::{End, Script, step};
use super::strict;

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// This status instead of what was asked for.
    Status(u16, &'static str),
    /// What was asked for happens, and the answer is lost.
    Lost,
    /// No answer.
    Hang,
    /// An answer that is none.
    Garbage,
    /// A watch that ends in an error event.
    Event(u16, &'static str),
}

/// A request by method and part of its path and query, and what goes wrong with it, this many times.
type Planned = (Method, &'static str, Fault, usize);

/// An API server of one namespace.
#[derive(Clone)]
pub(super) struct Server(Arc<Mutex<State>>);

struct State {
    objects: Objects,
    script: Script,
    faults: VecDeque<Planned>,
    calls: Vec<String>,
}

impl Server {
    pub(super) fn new(script: impl FnMut(usize, usize, &str) -> End + Send + 'static) -> Self {
        let state = State {
            objects: Objects::default(),
            script: Box::new(script),
            faults: VecDeque::new(),
            calls: Vec::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The same where this goes wrong.
    pub(super) fn with(self, method: Method, path: &'static str, fault: Fault, times: usize) -> Self {
        self.state().faults.push_back((method, path, fault, times));
        self
    }

    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.serve(request).await) }
        });
        Client::new(service, "probes")
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Looks at the objects.
    pub(super) fn objects<T>(&self, look: impl FnOnce(&mut Objects) -> T) -> T {
        look(&mut self.state().objects)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let asked = parts.uri.path_and_query().unwrap().as_str().to_owned();
        let kind = parts
            .headers
            .get("content-type")
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let fault = self.state().fault(&parts.method, &asked);
        self.state().calls.push(format!("{} {asked}", parts.method));
        match fault {
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Garbage) => answer(200, "<html>hello</html>".to_owned()),
            Some(Fault::Status(code, reason)) => status(code, reason, "said the test"),
            Some(Fault::Event(code, reason)) => {
                let error = json!({ "type": "ERROR", "object": refusal(code, reason, "said the test") });
                answer(200, format!("{error}\n"))
            }
            Some(Fault::Lost) => {
                self.state().handle(&parts.method, &asked, &kind, &body);
                std::future::pending().await
            }
            None => {
                let (code, value) = self.state().handle(&parts.method, &asked, &kind, &body);
                answer(code, value)
            }
        }
    }
}

impl State {
    fn fault(&mut self, method: &Method, asked: &str) -> Option<Fault> {
        let at = self.faults.iter().position(|(of, path, _, _)| of == method && asked.contains(path))?;
        let planned = self.faults.get_mut(at)?;
        planned.3 -= 1;
        let fault = planned.2.clone();
        if planned.3 == 0 {
            self.faults.remove(at);
        }
        Some(fault)
    }

    /// What an account may do that has the documented role, and nothing else.
    fn handle(&mut self, method: &Method, asked: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
        let query = query.replace("%2F", "/").replace("%3D", "=");
        let object: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let made = match (method.as_str(), &*parts) {
            ("POST", ["apis", "batch", "v1", "namespaces", "probes", "jobs"]) => self.create_job(object),
            ("GET", ["apis", "batch", "v1", "namespaces", "probes", "jobs"]) => self.list_jobs(&query),
            ("GET", ["apis", "batch", "v1", "namespaces", "probes", "jobs", name]) => self.job(name),
            ("PATCH", ["apis", "batch", "v1", "namespaces", "probes", "jobs", name]) => {
                self.resume(name, kind, &object)
            }
            ("DELETE", ["apis", "batch", "v1", "namespaces", "probes", "jobs", name]) => {
                self.delete(name, &object)
            }
            ("POST", ["api", "v1", "namespaces", "probes", "configmaps"]) => self.create_map(object),
            ("GET", ["api", "v1", "namespaces", "probes", "pods"]) if query.contains("watch=true") => {
                self.watch(&query)
            }
            ("GET", ["api", "v1", "namespaces", "probes", "pods"]) => self.pods(&query),
            _ => Err((403, "Forbidden", format!("{method} {path}"))),
        };
        match made {
            Ok((code, text)) => (code, text),
            Err((code, reason, message)) => (code, refusal(code, reason, &message).to_string()),
        }
    }

    fn create_job(&mut self, job: Value) -> Answer {
        strict::job(&job).map_err(|why| (422, "Invalid", why))?;
        let name = job["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if self.objects.jobs.contains_key(&name) {
            return Err((409, "AlreadyExists", name));
        }
        let job = self.objects.created(job);
        self.objects.jobs.insert(name, job.clone());
        Ok((201, job.to_string()))
    }

    fn list_jobs(&self, query: &str) -> Answer {
        if !query.contains("labelSelector=app.kubernetes.io/managed-by=canary-probe") {
            return Err((403, "Forbidden", "jobs of others".to_owned()));
        }
        let own = |job: &&Value| job["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "canary-probe";
        let items: Vec<_> = self.objects.jobs.values().filter(own).collect();
        Ok((
            200,
            json!({ "kind": "JobList", "apiVersion": "batch/v1", "metadata": {}, "items": items })
                .to_string(),
        ))
    }

    fn job(&self, name: &str) -> Answer {
        let job = self.objects.jobs.get(name).ok_or_else(|| (404, "NotFound", name.to_owned()))?;
        Ok((200, job.to_string()))
    }

    fn resume(&mut self, name: &str, kind: &str, patch: &Value) -> Answer {
        if kind != "application/merge-patch+json" {
            return Err((415, "UnsupportedMediaType", kind.to_owned()));
        }
        if *patch != json!({ "spec": { "suspend": false } }) {
            return Err((422, "Invalid", "field is immutable".to_owned()));
        }
        let job = self.objects.jobs.get_mut(name).ok_or_else(|| (404, "NotFound", name.to_owned()))?;
        job["spec"]["suspend"] = json!(false);
        Ok((200, job.to_string()))
    }

    fn delete(&mut self, name: &str, options: &Value) -> Answer {
        if !self.objects.jobs.contains_key(name) {
            return Err((404, "NotFound", name.to_owned()));
        }
        let uid = &options["preconditions"]["uid"];
        if !uid.is_null() && self.objects.jobs[name]["metadata"]["uid"] != *uid {
            return Err((409, "Conflict", "the UID in the precondition does not match".to_owned()));
        }
        // By default the pods of a Job stay when it goes.
        if options["propagationPolicy"] == "Background" {
            self.objects.remove(name);
        } else {
            self.objects.jobs.remove(name);
        }
        Ok((
            200,
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 200 })
                .to_string(),
        ))
    }

    fn create_map(&mut self, map: Value) -> Answer {
        strict::config_map(&map).map_err(|why| (422, "Invalid", why))?;
        let owner = &map["metadata"]["ownerReferences"][0];
        let job = self.objects.jobs.get(owner["name"].as_str().unwrap_or_default());
        if job.is_none_or(|job| job["metadata"]["uid"] != owner["uid"]) {
            return Err((422, "Invalid", "a config map that nobody would remove".to_owned()));
        }
        let name = map["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if self.objects.maps.contains_key(&name) {
            return Err((409, "AlreadyExists", name));
        }
        let map = self.objects.created(map);
        self.objects.maps.insert(name, map.clone());
        Ok((201, map.to_string()))
    }

    fn pods(&mut self, query: &str) -> Answer {
        step(&mut self.objects, &mut self.script);
        let job = selected(query)?;
        let items: Vec<_> = self.objects.pods.values().filter(|pod| pod["metadata"]["job"] == *job).collect();
        let metadata = json!({ "resourceVersion": self.objects.version.to_string() });
        Ok((
            200,
            json!({ "kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items })
                .to_string(),
        ))
    }

    fn watch(&mut self, query: &str) -> Answer {
        let job = selected(query)?;
        if !query.contains("resourceVersion=") || !query.contains("timeoutSeconds=") {
            return Err((400, "BadRequest", "a watch without a begin or an end".to_owned()));
        }
        let changed = step(&mut self.objects, &mut self.script);
        let events: String = changed
            .iter()
            .filter(|pod| pod["metadata"]["job"] == *job)
            .map(|pod| format!("{}\n", json!({ "type": "MODIFIED", "object": pod })))
            .collect();
        Ok((200, events))
    }
}

type Answer = Result<(u16, String), (u16, &'static str, String)>;

fn selected(query: &str) -> Result<String, (u16, &'static str, String)> {
    let selector =
        query.split('&').find_map(|part| part.strip_prefix("labelSelector=batch.kubernetes.io/job-name="));
    selector.map(str::to_owned).ok_or_else(|| (403, "Forbidden", "pods of others".to_owned()))
}

fn refusal(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

fn status(code: u16, reason: &str, message: &str) -> Response<Full<Bytes>> {
    answer(code, refusal(code, reason, message).to_string())
}

fn answer(code: u16, text: String) -> Response<Full<Bytes>> {
    let builder = Response::builder().status(code).header("content-type", "application/json");
    builder.body(Full::new(Bytes::from(text))).unwrap()
}
