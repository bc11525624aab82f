//! The mappings of a site: the shipped ones, and the site's own files before them.
//!
//! A file says what it is (`kind`), what it is called and its version; the header `mapping` of every record names
//! both. A site's file replaces the shipped one of the same name; of several that match a topic, the site's come first,
//! in the order of their file names.

use serde::Deserialize;

use super::hl7::tables::Hl7Tables;
use super::json::mapping::JsonMapping;

const SHIPPED_DEVICES: &str = include_str!("../../mappings/devices.toml");
const SHIPPED_HL7: &str = include_str!("../../mappings/hl7.toml");

/// A mapping file that cannot be used. All are for a person to repair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {why}")]
pub struct MappingError {
    pub file: String,
    pub why: String,
}

#[derive(Debug, Clone)]
pub struct MappingSet {
    pub hl7: Hl7Tables,
    pub json: Vec<JsonMapping>,
}

#[derive(Debug, Deserialize)]
struct Head {
    mapping: HeadTable,
}

#[derive(Debug, Deserialize)]
struct HeadTable {
    kind: String,
}

enum Parsed {
    Hl7(Hl7Tables),
    Json(Box<JsonMapping>),
}

fn parse(text: &str) -> Result<Parsed, String> {
    let head: Head = toml::from_str(text).map_err(|error| error.to_string())?;
    match head.mapping.kind.as_str() {
        "hl7" => Hl7Tables::parse(text).map(Parsed::Hl7),
        "json" => JsonMapping::parse(text).map(|mapping| Parsed::Json(Box::new(mapping))),
        other => Err(format!(
            "[mapping] kind = {other:?} is not known; allowed are \"json\" and \"hl7\""
        )),
    }
}

impl MappingSet {
    /// The built-in mappings alone.
    ///
    /// # Errors
    /// None that a test would not have found: the files are part of the program.
    pub fn shipped() -> Result<Self, MappingError> {
        let error = |file: &str, why| MappingError {
            file: format!("{file} (built in)"),
            why,
        };
        Ok(Self {
            hl7: Hl7Tables::parse(SHIPPED_HL7).map_err(|why| error("hl7.toml", why))?,
            json: vec![
                JsonMapping::parse(SHIPPED_DEVICES).map_err(|why| error("devices.toml", why))?,
            ],
        })
    }

    /// The built-in mappings and the site's own files: name and text, in order; `errors` are those of reading them.
    ///
    /// # Errors
    /// Every file that cannot be used, not only the first.
    pub fn with(
        files: Vec<(String, String)>,
        mut errors: Vec<MappingError>,
    ) -> Result<Self, Vec<MappingError>> {
        let mut set = Self::shipped().map_err(|error| vec![error])?;
        let mut own = Vec::new();
        for (file, text) in files {
            match parse(&text) {
                Ok(Parsed::Hl7(tables)) => set.hl7 = tables,
                Ok(Parsed::Json(mapping)) => own.push((file, *mapping)),
                Err(why) => errors.push(MappingError { file, why }),
            }
        }
        set.add(own, &mut errors);
        if errors.is_empty() {
            Ok(set)
        } else {
            Err(errors)
        }
    }

    fn add(&mut self, own: Vec<(String, JsonMapping)>, errors: &mut Vec<MappingError>) {
        let mut json: Vec<JsonMapping> = Vec::with_capacity(own.len() + self.json.len());
        for (file, mapping) in own {
            if json.iter().any(|have| have.name() == mapping.name()) {
                errors.push(MappingError {
                    file,
                    why: format!("another file is also called {:?}", mapping.name()),
                });
            } else {
                json.push(mapping);
            }
        }
        for shipped in std::mem::take(&mut self.json) {
            if json.iter().all(|have| have.name() != shipped.name()) {
                json.push(shipped);
            }
        }
        self.json = json;
    }
}
