//! A site's own mapping files, read once at start. What they mean is in `map::mappings`.
//!
//! Every file that cannot be used is told, not only the first, and so is a pattern that names none: a site whose mappings
//! are not there would filter its own devices without a word.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::limits::{MAPPING_FILE_BYTES_MAX, MAPPING_FILES_MAX};
use crate::map::{MappingError, MappingSet};

/// The built-in mappings and the site's own files: `patterns` are paths below `base`, with `*` in the
/// file name. A pattern without `*` names a file that must be there.
///
/// # Errors
/// Every file that cannot be used, not only the first.
pub fn load(base: &Path, patterns: &[String]) -> Result<MappingSet, Vec<MappingError>> {
    let mut errors = Vec::new();
    let mut texts = Vec::new();
    for path in find(base, patterns, &mut errors) {
        let file = path.display().to_string();
        match read(&path) {
            Ok(text) => texts.push((file, text)),
            Err(why) => errors.push(MappingError { file, why }),
        }
    }
    MappingSet::with(texts, errors)
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

/// A pattern that names nothing is misspelt.
fn unused(pattern: &str, errors: &mut Vec<MappingError>) {
    errors.push(MappingError {
        file: pattern.to_owned(),
        why: "no file is called so".to_owned(),
    });
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
        let folder = path.parent().unwrap_or(base);
        let Ok(entries) = std::fs::read_dir(folder) else {
            unused(pattern, errors);
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
        if names.is_empty() {
            unused(pattern, errors);
        }
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

    fn loaded(files: &[(&str, &str)]) -> Result<MappingSet, Vec<MappingError>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("mappings")).unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join("mappings").join(name), text).unwrap();
        }
        load(dir.path(), &["mappings/*.toml".to_owned()])
    }

    fn names(set: &MappingSet) -> Vec<String> {
        set.json.iter().map(|m| m.label().to_owned()).collect()
    }

    #[test]
    fn j1_shipped_mappings_are_there_without_any_file() {
        let set = load(Path::new("/nonexistent"), &[]).unwrap();
        assert_eq!(names(&set), ["devices@1"]);
        assert_eq!(set.hl7.label(), "hl7@1");
    }

    #[test]
    fn j2_a_pattern_that_names_no_file_is_a_problem() {
        let misspelt = load(Path::new("/nonexistent"), &["m/*.toml".to_owned()]);
        assert_eq!(misspelt.unwrap_err()[0].file, "m/*.toml");
        assert_eq!(
            loaded(&[]).unwrap_err().len(),
            1,
            "the folder is there, and empty"
        );
    }

    #[test]
    fn j2_own_mappings_come_first_and_replace_by_name() {
        let beds = OWN.replace("NAME", "beds");
        let set = loaded(&[("a.toml", &beds), ("b.txt", "no mapping")]).unwrap();
        assert_eq!(names(&set), ["beds@2", "devices@1"]);
        let devices = OWN.replace("NAME", "devices");
        assert_eq!(
            names(&loaded(&[("a.toml", &devices)]).unwrap()),
            ["devices@2"]
        );
    }

    #[test]
    fn j3_every_unusable_file_is_named() {
        let beds = OWN.replace("NAME", "beds");
        let errors = loaded(&[
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
        let missing = load(Path::new("/nonexistent"), &["own.toml".to_owned()]);
        assert_eq!(missing.unwrap_err().len(), 1);
    }
}
