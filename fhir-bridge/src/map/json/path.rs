//! A small part of JSON path: `$`, `.member` and `[index]`. Enough to say where a value stands, and nothing that could
//! match twice.

use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(usize),
}

impl JsonPath {
    /// # Errors
    /// Says what is wrong with the path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a path such as $.data.values[0]");
        let mut rest = text.strip_prefix('$').ok_or_else(wrong)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, tail) = step(rest).ok_or_else(wrong)?;
            steps.push(step);
            rest = tail;
        }
        if steps.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            text: text.to_owned(),
            steps,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands there; `null` counts as nothing.
    pub fn find<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        let mut at = root;
        for step in &self.steps {
            at = match step {
                Step::Member(name) => at.get(name)?,
                Step::Index(index) => at.get(index)?,
            };
        }
        (!at.is_null()).then_some(at)
    }
}

fn step(rest: &str) -> Option<(Step, &str)> {
    if let Some(rest) = rest.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at_checked(end)?;
        let usable = !name.is_empty() && !name.contains(']');
        return usable.then(|| (Step::Member(name.to_owned()), tail));
    }
    let (index, tail) = rest.strip_prefix('[')?.split_once(']')?;
    Some((Step::Index(index.parse().ok()?), tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn j4_paths_find_one_value_or_none() {
        let root = json!({"a": {"b": [1, {"c": "x"}]}, "n": null});
        for (path, found) in [
            ("$.a.b[0]", Some(json!(1))),
            ("$.a.b[1].c", Some(json!("x"))),
            ("$.a.b[2]", None),
            ("$.a.x", None),
            ("$.n", None),
        ] {
            let path = JsonPath::parse(path).unwrap();
            assert_eq!(path.find(&root), found.as_ref(), "{}", path.as_str());
        }
    }

    #[test]
    fn j4_anything_else_is_no_path() {
        for bad in [
            "", "$", "a", ".a", "$a", "$.", "$..a", "$.a[", "$.a[x]", "$.a]",
        ] {
            assert!(JsonPath::parse(bad).is_err(), "{bad}");
        }
    }
}
