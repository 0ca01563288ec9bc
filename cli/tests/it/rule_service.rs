//! A small rules service for tests. It serves the rules API of Powerstream and of Filtered Stream,
//! one connection at a time, and can inject faults.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};

/// A fault to inject into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Holds the request until it is released, and never carries it out.
    HoldBefore,
    /// Carries the request out, then holds until it is released. No answer is sent.
    HoldAfter,
    /// Carries the request out, and closes the connection without an answer.
    LoseAnswer,
}

#[derive(Default)]
struct State {
    rules: Vec<(u64, String, Option<String>)>,
    next_id: u64,
    requests: usize,
    actions: HashMap<usize, Action>,
    answers: HashMap<usize, Vec<u8>>,
    bodies: Vec<String>,
    refused: Vec<String>,
    /// Whether a request is held, and whether it may continue.
    held: bool,
    released: bool,
}

pub(crate) struct Service {
    url: String,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Service {
    pub(crate) fn start(rules: &[(&str, Option<&str>)]) -> Self {
        let mut state = State::default();
        for (value, tag) in rules {
            state.add(value, *tag).unwrap();
        }
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in listener.incoming() {
                serve(socket.unwrap(), &serving);
            }
        });
        Self { url, shared }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn rules(&self) -> Vec<(String, Option<String>)> {
        let state = self.shared.0.lock().unwrap();
        state.rules.iter().map(|(_, value, tag)| (value.clone(), tag.clone())).collect()
    }

    /// Returns the number of requests received.
    pub(crate) fn requests(&self) -> usize {
        self.shared.0.lock().unwrap().requests
    }

    /// Injects a fault into the request with this number, counted from 1.
    pub(crate) fn hold(&self, number: usize, action: Action) {
        self.shared.0.lock().unwrap().actions.insert(number, action);
    }

    /// Sets the answer to the request with this number, counted from 1, regardless of its content.
    pub(crate) fn answer(&self, number: usize, answer: impl AsRef<[u8]>) {
        self.shared.0.lock().unwrap().answers.insert(number, answer.as_ref().to_owned());
    }

    /// Returns the body of the last request.
    pub(crate) fn last_body(&self) -> String {
        self.shared.0.lock().unwrap().bodies.last().unwrap().clone()
    }

    /// Refuses every request that contains this rule.
    pub(crate) fn refuse(&self, value: &str) {
        self.shared.0.lock().unwrap().refused.push(value.to_owned());
    }

    pub(crate) fn wait_until_held(&self) {
        let (state, changed) = &*self.shared;
        drop(changed.wait_while(state.lock().unwrap(), |state| !state.held).unwrap());
    }

    pub(crate) fn go_on(&self) {
        let (state, changed) = &*self.shared;
        state.lock().unwrap().released = true;
        changed.notify_all();
    }
}

impl State {
    fn add(&mut self, value: &str, tag: Option<&str>) -> Result<u64, u64> {
        if let Some((id, ..)) = self.rules.iter().find(|rule| rule.1 == value) {
            return Err(*id);
        }
        self.next_id += 1;
        self.rules.push((self.next_id, value.to_owned(), tag.map(String::from)));
        Ok(self.next_id)
    }

    fn shown(rule: &(u64, String, Option<String>)) -> Value {
        let (id, value, tag) = rule;
        match tag {
            Some(tag) => json!({"id": id.to_string(), "value": value, "tag": tag}),
            None => json!({"id": id.to_string(), "value": value}),
        }
    }

    fn list(&self) -> Vec<Value> {
        self.rules.iter().map(Self::shown).collect()
    }

    fn delete(&mut self, is_selected: impl Fn(&(u64, String, Option<String>)) -> bool) -> usize {
        let before = self.rules.len();
        self.rules.retain(|rule| !is_selected(rule));
        before - self.rules.len()
    }

    /// Answers as Powerstream does (X docs, Powerstream introduction).
    fn powerstream(&mut self, method: &str, body: &Value) -> (u16, Value) {
        let asked = body["rules"].as_array().cloned().unwrap_or_default();
        match method {
            "GET" => (200, json!({"data": {"rules": self.list()}})),
            "POST" => {
                assert!((1..=100).contains(&asked.len()));
                let is_refused = |rule: &&Value| self.refused.iter().any(|value| rule["value"] == *value);
                if let Some(rule) = asked.iter().find(is_refused) {
                    let error = json!({"value": rule["value"], "details": ["no such bird"],
                        "title": "UnprocessableEntity", "type": "https://api.x.com/2/problems/invalid-rules"});
                    return (400, json!({"errors": [error]}));
                }
                let mut shown = Vec::new();
                for rule in &asked {
                    let value = rule["value"].as_str().unwrap();
                    let (Ok(id) | Err(id)) = self.add(value, rule["tag"].as_str());
                    assert!(self.rules.len() <= 1_000, "over the cap");
                    shown.extend(self.rules.iter().find(|rule| rule.0 == id).map(Self::shown));
                }
                (201, json!({"data": {"rules": shown}}))
            }
            "DELETE" => {
                assert!((1..=100).contains(&asked.len()));
                let deleted = self.delete(|(id, value, _)| {
                    let id = id.to_string();
                    asked.iter().any(|rule| rule["id"] == id.as_str() || rule["value"] == *value)
                });
                (200, json!({"data": {"deleted": deleted, "not_deleted": asked.len() - deleted}}))
            }
            _ => (405, json!({})),
        }
    }

    /// Answers as Filtered Stream does (X docs, Filtered Stream quickstart).
    fn filtered(&mut self, method: &str, is_dry: bool, body: &Value) -> (u16, Value) {
        if method == "GET" {
            let rules = self.list();
            let meta = json!({"sent": "x", "result_count": rules.len()});
            return (
                200,
                if rules.is_empty() { json!({"meta": meta}) } else { json!({"data": rules, "meta": meta}) },
            );
        }
        if let Some(delete) = body.get("delete") {
            let names = |key: &str| delete[key].as_array().cloned().unwrap_or_default();
            let (ids, values) = (names("ids"), names("values"));
            let deleted = self.delete(|(id, value, _)| {
                ids.contains(&Value::from(id.to_string())) || values.contains(&Value::from(value.as_str()))
            });
            let not_deleted = ids.len() + values.len() - deleted;
            return (200, json!({"meta": {"summary": {"deleted": deleted, "not_deleted": not_deleted}}}));
        }
        let (before, next_id) = (self.rules.clone(), self.next_id);
        let (mut data, mut errors) = (Vec::new(), Vec::new());
        for rule in body["add"].as_array().unwrap() {
            let value = rule["value"].as_str().unwrap();
            match self.add(value, rule["tag"].as_str()) {
                Ok(_) => data.extend(self.rules.last().map(Self::shown)),
                Err(id) => errors
                    .push(json!({"value": value, "id": id.to_string(), "title": "DuplicateRule",
                    "type": "https://api.x.com/2/problems/duplicate-rules"})),
            }
        }
        if is_dry {
            (self.rules, self.next_id) = (before, next_id);
        }
        let summary = json!({"created": data.len(), "not_created": errors.len()});
        let mut answer = json!({"meta": {"sent": "x", "summary": summary}});
        if !data.is_empty() {
            answer["data"] = data.into();
        }
        if !errors.is_empty() {
            answer["errors"] = errors.into();
        }
        (201, answer)
    }
}

fn serve(mut socket: TcpStream, shared: &(Mutex<State>, Condvar)) {
    let Some((head, body)) = read(&mut socket) else { return };
    let (lock, changed) = shared;
    let mut state = lock.lock().unwrap();
    state.requests += 1;
    let number = state.requests;
    state.bodies.push(body.clone());
    if let Some(answer) = state.answers.get(&number) {
        let _ = socket.write_all(answer);
        return;
    }
    let action = state.actions.get(&number).copied();
    let hold = |mut state: std::sync::MutexGuard<'_, State>| {
        state.held = true;
        changed.notify_all();
        drop(changed.wait_while(state, |state| !state.released).unwrap());
    };
    if action == Some(Action::HoldBefore) {
        return hold(state);
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let body = serde_json::from_str(&body).unwrap_or(Value::Null);
    let (status, answer) = match target.split('?').next() {
        Some("/2/powerstream/rules") => state.powerstream(method, &body),
        Some("/2/tweets/search/stream/rules") => {
            state.filtered(method, target.ends_with("?dry_run=true"), &body)
        }
        _ => (404, Value::Null),
    };
    match action {
        Some(Action::HoldAfter) => return hold(state),
        Some(Action::LoseAnswer) => return,
        _ => {}
    }
    drop(state);
    let answer = answer.to_string();
    let _ = write!(socket, "HTTP/1.1 {status} Reason\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
}

/// Reads the head and the body of a request.
fn read(socket: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some((head, String::from_utf8(bytes[end + 4..].to_vec()).unwrap()));
            }
        }
        let mut buffer = [0; 16_384];
        match socket.read(&mut buffer) {
            Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}
