//! What the API said, unchanged but for the department that was asked for.

use serde_json::{Map, Value};

/// Sections by name, in the order given.
pub(crate) fn json(sections: Vec<(&'static str, Value)>, only: Option<&str>) -> String {
    let mut all = Map::new();
    for (name, mut value) in sections {
        if let Some(rows) = value.get_mut(name).and_then(Value::as_array_mut) {
            rows.retain(|row| wanted(row, only));
        }
        all.insert(name.to_owned(), value);
    }
    // Maps with text keys always serialise.
    serde_json::to_string_pretty(&Value::Object(all)).unwrap_or_default() + "\n"
}

/// Rows without a department (sources, stages) concern every department.
fn wanted(row: &Value, only: Option<&str>) -> bool {
    match (only, row.get("department").and_then(Value::as_str)) {
        (Some(only), Some(department)) => department.to_lowercase() == only.to_lowercase(),
        _ => true,
    }
}
