//! One question, one answer, within a time and a size.
//!
//! Nothing of the server is trusted: not how long it takes, not how much it sends, not that a reason is fit for a
//! terminal. A part of a round that fails costs that part, and its reason is shown.

use std::io::{BufReader, Read};
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::Agent;
use wardline_api::ErrorBody;

use crate::error::TuiError;
use crate::limits::{
    ANSWER_BYTES_MAX, ANSWER_TIMEOUT_MS, CONNECT_TIMEOUT_MS, REASON_CHARS_MAX, STREAM_QUIET_MS,
};
use crate::model::{MonoMs, Round, RowName, Section};
use crate::text;

/// Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    agent: Agent,
    base: String,
}

impl Asker {
    pub(crate) fn new(base: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)))
            .http_status_as_error(false)
            // The address is taken as it is given: no proxy of the environment in between.
            .proxy(None)
            .build();
        Self {
            agent: config.new_agent(),
            base: base.to_owned(),
        }
    }

    /// Ends every question that is under way, also in other threads.
    pub(crate) fn shutdown(self) {
        self.agent.shutdown();
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn no_answer(&self, why: &dyn std::fmt::Display) -> TuiError {
        TuiError::NoAnswer {
            url: self.base.clone(),
            why: reason(&why.to_string()),
        }
    }

    fn text(&self, path: &str) -> Result<String, TuiError> {
        let url = self.url(path);
        let limit = Some(Duration::from_millis(ANSWER_TIMEOUT_MS));
        let answer = self
            .agent
            .get(&url)
            .config()
            .timeout_global(limit)
            .build()
            .call();
        let mut answer = answer.map_err(|error| self.no_answer(&error))?;
        let status = answer.status().as_u16();
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string();
        let body = body.map_err(|error| self.no_answer(&error))?;
        if status != 200 {
            return Err(TuiError::Refused {
                url,
                status,
                why: refusal(&body),
            });
        }
        Ok(body)
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, TuiError> {
        let body = self.text(path)?;
        serde_json::from_str(&body).map_err(|error| TuiError::Answer {
            url: self.url(path),
            why: reason(&error.to_string()),
        })
    }

    /// Departments and the pipeline; in a full round beds, devices and warnings too.
    pub(crate) fn round(
        &self,
        full: bool,
        explained: Option<&RowName>,
        asked: MonoMs,
    ) -> Result<Round, TuiError> {
        Ok(Round {
            asked,
            departments: self.get("/api/v1/departments")?,
            sources: self.section("/api/v1/sources"),
            accounting: self.section("/api/v1/accounting"),
            reasons: self.section("/api/v1/reasons"),
            explained: match explained {
                Some(bed) => {
                    let (name, site) = (encoded(&bed.name), encoded(&bed.site));
                    self.section(&format!("/api/v1/explain/bed/{name}?site={site}"))
                }
                None => Section::NotAsked,
            },
            beds: self.section_if(full, "/api/v1/beds"),
            devices: self.section_if(full, "/api/v1/devices"),
            about: self.section_if(full, "/api/v1/about"),
        })
    }

    fn section<T: DeserializeOwned>(&self, path: &str) -> Section<T> {
        match self.get(path) {
            Ok(answer) => Section::Got(answer),
            Err(error) => Section::Failed(error.reason()),
        }
    }

    fn section_if<T: DeserializeOwned>(&self, wanted: bool, path: &str) -> Section<T> {
        if wanted {
            self.section(path)
        } else {
            Section::NotAsked
        }
    }

    /// The stream of changes, until it ends or is quiet for too long.
    pub(crate) fn stream(&self) -> Result<impl Read + use<>, TuiError> {
        let url = self.url("/api/v1/stream");
        let quiet = Some(Duration::from_millis(STREAM_QUIET_MS));
        let request = self.agent.get(&url).header("accept", "text/event-stream");
        let answer = request.config().timeout_per_read(quiet).build().call();
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(TuiError::Refused {
                url,
                status,
                why: "no stream".to_owned(),
            });
        }
        Ok(BufReader::new(answer.into_body().into_reader()))
    }
}

/// A name as a part of a path.
fn encoded(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let part = |b: u8| match plain(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    };
    name.bytes().map(part).collect()
}

/// Short, and without anything that could steer a terminal.
fn reason(text: &str) -> String {
    text::clean(text).chars().take(REASON_CHARS_MAX).collect()
}

fn refusal(body: &str) -> String {
    match serde_json::from_str::<ErrorBody>(body) {
        Ok(body) => reason(&format!("{}; {}", body.error.message, body.error.hint)),
        Err(_) => "no reason given".to_owned(),
    }
}
