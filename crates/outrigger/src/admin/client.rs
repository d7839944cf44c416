//! The command line's side of the admin API.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::process::Failure;

/// Longest wait for an answer: the longest questions count a large ledger by study.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks a running node.
#[derive(Debug)]
pub(crate) struct Client {
    agent: ureq::Agent,
    url: String,
}

impl Client {
    /// A client for the node at `url`.
    pub(crate) fn new(url: &str) -> Self {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build();
        Self { agent: config.into(), url: url.trim_end_matches('/').to_owned() }
    }

    /// Reads `path` with its query.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, Failure> {
        let mut request = self.agent.get(format!("{}/api/v1{path}", self.url));
        for (key, value) in query {
            request = request.query(key, value);
        }
        self.answer(request.call())
    }

    /// Sends `body` to `path`.
    pub(crate) fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Failure> {
        let text = serde_json::to_string(body).map_err(|error| Failure::of("the request", error))?;
        let request = self.agent.post(format!("{}/api/v1{path}", self.url));
        self.answer(request.content_type("application/json").send(text))
    }

    fn answer<T: DeserializeOwned>(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, Failure> {
        let unreachable =
            |source: ureq::Error| Failure::Unreachable { url: self.url.clone(), source: Box::new(source) };
        let mut answer = answer.map_err(|error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Failure::Argument {
                what: format!("`{}` is no URL of an admin API", self.url),
                instead: "one such as `http://127.0.0.1:8081` is expected".to_owned(),
            },
            error => unreachable(error),
        })?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(256 << 20).read_to_string().map_err(unreachable)?;
        if !status.is_success() {
            let message = serde_json::from_str::<Value>(&text)
                .ok()
                .and_then(|value| Some(value.get("error")?.as_str()?.to_owned()))
                .unwrap_or_else(|| match status.as_u16() {
                    404 => {
                        format!("{} does not know this question; an embedded archive has no books", self.url)
                    }
                    _ => format!("the node answered {status}"),
                });
            return Err(match status.as_u16() {
                400 => Failure::Nonsense { message },
                _ => Failure::Refused { message },
            });
        }
        serde_json::from_str(&text).map_err(|error| Failure::of("the node's answer is not understood", error))
    }
}
