//! The mappings of a site: the shipped ones, and the site's own files before them.
//!
//! A file says what it is (`kind`), what it is called and its version; the header `mapping` of every record names
//! both. A site's file replaces the shipped one of the same name; of several that match a topic, the site's come first,
//! in the order of their file names.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::limits::{MAPPING_FILE_BYTES_MAX, MAPPING_FILES_MAX};
use crate::hl7::tables::Hl7Tables;
use crate::json::mapping::JsonMapping;

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

    /// The built-in mappings and the site's own files: `patterns` are paths below `base`, with `*` in the
    /// file name. A pattern without `*` names a file that must be there.
    ///
    /// # Errors
    /// Every file that cannot be used, not only the first.
    pub fn load(base: &Path, patterns: &[String]) -> Result<Self, Vec<MappingError>> {
        let mut set = Self::shipped().map_err(|error| vec![error])?;
        let mut errors = Vec::new();
        let mut own = Vec::new();
        for path in find(base, patterns, &mut errors) {
            match read(&path).and_then(|text| parse(&text)) {
                Ok(Parsed::Hl7(tables)) => set.hl7 = tables,
                Ok(Parsed::Json(mapping)) => own.push((path, *mapping)),
                Err(why) => errors.push(MappingError {
                    file: path.display().to_string(),
                    why,
                }),
            }
        }
        set.add(own, &mut errors);
        if errors.is_empty() {
            Ok(set)
        } else {
            Err(errors)
        }
    }

    fn add(&mut self, own: Vec<(PathBuf, JsonMapping)>, errors: &mut Vec<MappingError>) {
        let mut json: Vec<JsonMapping> = Vec::with_capacity(own.len() + self.json.len());
        for (path, mapping) in own {
            if json.iter().any(|have| have.name() == mapping.name()) {
                errors.push(MappingError {
                    file: path.display().to_string(),
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

fn read(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let bytes = file
        .take(MAPPING_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if bytes as u64 > MAPPING_FILE_BYTES_MAX {
        return Err(format!("it is larger than {MAPPING_FILE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

fn find(base: &Path, patterns: &[String], errors: &mut Vec<MappingError>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for pattern in patterns {
        let path = base.join(pattern);
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let Some((before, after)) = name.split_once('*') else {
            found.push(path);
            continue;
        };
        // A folder that is not there holds no files: the default pattern names one that most sites do not need.
        let folder = path.parent().unwrap_or(base);
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        let mut names: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| {
                path.file_name().is_some_and(|name| {
                    let name = name.to_string_lossy();
                    name.len() >= before.len() + after.len()
                        && name.starts_with(before)
                        && name.ends_with(after)
                })
            })
            .collect();
        names.sort();
        found.extend(names);
    }
    let mut seen = BTreeSet::new();
    found.retain(|path| seen.insert(path.clone()));
    if found.len() > MAPPING_FILES_MAX {
        errors.push(MappingError {
            file: patterns.join(", "),
            why: format!("{} files; {MAPPING_FILES_MAX} are allowed", found.len()),
        });
        found.truncate(MAPPING_FILES_MAX);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "[mapping]\nkind = \"json\"\nname = \"NAME\"\nversion = 2\ntopic = \"x/{device}/{metric}\"\n[fields]\nts = \"$.t\"\nvalue = \"$.v\"\n[metric.state]\nrecord = \"device-state\"\nwords = { on = \"in-use\" }\n";

    fn load(files: &[(&str, &str)]) -> Result<MappingSet, Vec<MappingError>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("mappings")).unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join("mappings").join(name), text).unwrap();
        }
        MappingSet::load(dir.path(), &["mappings/*.toml".to_owned()])
    }

    fn names(set: &MappingSet) -> Vec<String> {
        set.json.iter().map(|m| m.label().to_owned()).collect()
    }

    #[test]
    fn j1_shipped_mappings_are_there_without_any_file() {
        let set = load(&[]).unwrap();
        assert_eq!(names(&set), ["devices@1"]);
        assert_eq!(set.hl7.label(), "hl7@1");
        let nowhere = MappingSet::load(Path::new("/nonexistent"), &["m/*.toml".to_owned()]);
        assert_eq!(names(&nowhere.unwrap()), ["devices@1"]);
    }

    #[test]
    fn j2_own_mappings_come_first_and_replace_by_name() {
        let beds = OWN.replace("NAME", "beds");
        let set = load(&[("a.toml", &beds), ("b.txt", "no mapping")]).unwrap();
        assert_eq!(names(&set), ["beds@2", "devices@1"]);
        let devices = OWN.replace("NAME", "devices");
        assert_eq!(
            names(&load(&[("a.toml", &devices)]).unwrap()),
            ["devices@2"]
        );
    }

    #[test]
    fn j3_every_unusable_file_is_named() {
        let beds = OWN.replace("NAME", "beds");
        let errors = load(&[
            ("a.toml", &beds),
            ("b.toml", &beds),
            ("c.toml", "nonsense"),
            ("d.toml", "[mapping]\nkind = \"csv\"\n"),
        ])
        .unwrap_err();
        let files: Vec<_> = errors
            .iter()
            .map(|error| error.file.rsplit('/').next().unwrap().to_owned())
            .collect();
        assert_eq!(files, ["c.toml", "d.toml", "b.toml"]);
        let missing = MappingSet::load(Path::new("/nonexistent"), &["own.toml".to_owned()]);
        assert_eq!(missing.unwrap_err().len(), 1);
    }
}
