//! The tables of the HL7 mapping that differ between hospitals: bed status codes and patient classes.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::map::fhir::location::BedCondition;
use crate::map::json::mapping::check_name;

#[derive(Debug, Clone)]
pub struct Hl7Tables {
    label: String,
    bed_status: BTreeMap<String, BedCondition>,
    patient_class: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mapping: Head,
    bed_status: BTreeMap<String, String>,
    patient_class: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    #[serde(rename = "kind")]
    _kind: String,
    name: String,
    version: u32,
}

impl Hl7Tables {
    /// # Errors
    /// Says what is wrong with the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        check_name(&file.mapping.name)?;
        let mut bed_status = BTreeMap::new();
        for (code, word) in file.bed_status {
            let condition = BedCondition::parse(&word).ok_or_else(|| {
                format!("[bed_status] {code} = {word:?}: allowed are C, H, O, U, K, I and cleaning")
            })?;
            bed_status.insert(code.to_uppercase(), condition);
        }
        for (code, class) in &file.patient_class {
            if class.is_empty() || !class.bytes().all(|b| b.is_ascii_uppercase()) {
                return Err(format!(
                    "[patient_class] {code} = {class:?}: a code of v3-ActCode is needed, e.g. IMP"
                ));
            }
        }
        Ok(Self {
            label: format!("{}@{}", file.mapping.name, file.mapping.version),
            bed_status,
            patient_class: file.patient_class,
        })
    }

    /// `name@version`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// H23: NPU-2, upper and lower case alike.
    pub fn bed_status(&self, code: &str) -> Option<BedCondition> {
        self.bed_status.get(code.to_uppercase().as_str()).copied()
    }

    /// H15: PV1-2.
    pub fn patient_class(&self, code: &str) -> Option<&str> {
        self.patient_class.get(code).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../mappings/hl7.toml");

    #[test]
    fn h23_the_shipped_bed_codes_are_table_0116_and_cleaning() {
        let tables = Hl7Tables::parse(GOOD).unwrap();
        for code in ["C", "H", "O", "U", "K", "I"] {
            assert_eq!(tables.bed_status(code), BedCondition::parse(code), "{code}");
        }
        assert_eq!(tables.bed_status("cleaning"), Some(BedCondition::Cleaning));
        assert_eq!(tables.bed_status("X"), None);
    }

    #[test]
    fn j3_faults_of_the_tables_are_named() {
        for (from, to, word) in [
            ("U = \"U\"", "U = \"free\"", "free"),
            ("I = \"IMP\"", "I = \"imp\"", "imp"),
            ("version = 1", "version = 1\nextra = 2", "extra"),
        ] {
            let why = Hl7Tables::parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }
}
