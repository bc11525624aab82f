//! Query parameters, read strictly: a name nobody knows or a value nobody understands is an error that names it, because
//! an answer to another question than the one asked is worse than none.
//!
//! Each handler takes what it knows by name and then says that this was all; what is left is the error.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::Uri;
use wardline_model::time::parse_rfc3339;

use super::failure::Failure;
use crate::ledger::View;

pub(crate) struct Params {
    pairs: BTreeMap<String, String>,
    asked: Vec<&'static str>,
}

/// The moment that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) view: View,
    /// Neither `at` nor `known` was given.
    pub(crate) present: bool,
}

impl Params {
    pub(crate) fn of(uri: &Uri) -> Result<Self, Failure> {
        let Ok(Query(list)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            return Err(Failure::wrong(
                "?",
                "cannot be read",
                "name=value&name=value",
            ));
        };
        let mut pairs = BTreeMap::new();
        for (name, value) in list {
            if pairs.insert(name.clone(), value).is_some() {
                return Err(Failure::wrong(&name, "stands twice", "each parameter once"));
            }
        }
        Ok(Self {
            pairs,
            asked: Vec::new(),
        })
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.asked.push(name);
        self.pairs.remove(name)
    }

    pub(crate) fn number(&mut self, name: &'static str, max: u64) -> Result<Option<u64>, Failure> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(n) if n <= max => Ok(Some(n)),
            _ => Err(Failure::wrong(
                name,
                "is not such a number",
                &format!("0 to {max}"),
            )),
        }
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Failure> {
        match self.text(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(_) => Err(Failure::wrong(name, "is no flag", "true, false")),
        }
    }

    fn time(&mut self, name: &'static str) -> Result<Option<i64>, Failure> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        // A `+` of an offset arrives as a space when it was not encoded.
        parse_rfc3339(&text.trim().replace(' ', "+"))
            .map(Some)
            .ok_or_else(|| {
                Failure::wrong(
                    name,
                    "is no time",
                    "RFC 3339 with a zone, such as 2026-03-01T10:00:00Z",
                )
            })
    }

    /// `at` and `known`.
    pub(crate) fn moment(&mut self, now_ms: i64) -> Result<Moment, Failure> {
        let at = self.time("at")?;
        let known_ms = self.time("known")?;
        Ok(Moment {
            view: View {
                at_ms: at.unwrap_or(now_ms),
                known_ms,
            },
            present: at.is_none() && known_ms.is_none(),
        })
    }

    /// Nothing else may have been given.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Some(name) = self.pairs.keys().next() else {
            return Ok(());
        };
        let allowed = if self.asked.is_empty() {
            "none".to_owned()
        } else {
            self.asked.join(", ")
        };
        let shown: String = name.chars().take(40).collect();
        Err(Failure::wrong(&shown, "is not known here", &allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Result<Params, Failure> {
        Params::of(&format!("http://x/?{query}").parse().unwrap())
    }

    #[test]
    fn times_are_read_with_and_without_encoded_plus() {
        for query in [
            "at=2026-03-01T11:00:00%2B01:00",
            "at=2026-03-01T11:00:00+01:00",
            "at=2026-03-01T10:00:00Z",
        ] {
            let moment = params(query).unwrap().moment(5).unwrap();
            assert_eq!(moment.view.at_ms, 1_772_359_200_000, "{query}");
            assert!(!moment.present);
        }
        assert_eq!(params("").unwrap().moment(5).unwrap().view.at_ms, 5);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let said = |failure: Failure| format!("{failure:?}");
        let mut p = params("at=yesterday").unwrap();
        assert!(said(p.moment(0).unwrap_err()).contains("`at`"));
        let mut p = params("limit=x").unwrap();
        assert!(said(p.number("limit", 9).unwrap_err()).contains("`limit`"));
        let mut p = params("limit=10").unwrap();
        assert!(p.number("limit", 9).is_err());
        assert!(said(params("a=1&a=2").err().unwrap()).contains("twice"));
        let mut p = params("limt=1").unwrap();
        assert_eq!(p.number("limit", 9).unwrap(), None);
        assert!(said(p.finish().unwrap_err()).contains("limt"));
    }
}
