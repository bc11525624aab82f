//! Topic patterns: levels that must be equal, and levels with a name, as in `devices/{department}/{device}/{metric}`.

const NAMES: [&str; 3] = ["department", "device", "metric"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPattern {
    levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Literal(String),
    Any,
    Department,
    Device,
    Metric,
}

/// What a topic says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicParts<'a> {
    pub department: Option<&'a str>,
    pub device: &'a str,
    pub metric: &'a str,
}

impl TopicPattern {
    /// # Errors
    /// Says what is wrong with the pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        let levels = text.split('/').map(level).collect::<Result<Vec<_>, _>>()?;
        for (name, wanted) in [("device", Level::Device), ("metric", Level::Metric)] {
            if !levels.contains(&wanted) {
                return Err(format!("topic {text:?} has no level {{{name}}}"));
            }
        }
        for named in [Level::Department, Level::Device, Level::Metric] {
            if levels.iter().filter(|level| **level == named).count() > 1 {
                return Err(format!("topic {text:?} names one level twice"));
            }
        }
        Ok(Self { levels })
    }

    /// Named levels must not be empty.
    pub fn matches<'a>(&self, topic: &'a str) -> Option<TopicParts<'a>> {
        let mut parts = TopicParts::default();
        let mut given = topic.split('/');
        for level in &self.levels {
            let text = given.next()?;
            match level {
                Level::Literal(wanted) if wanted != text => return None,
                Level::Literal(_) | Level::Any => continue,
                _ if text.is_empty() => return None,
                Level::Department => parts.department = Some(text),
                Level::Device => parts.device = text,
                Level::Metric => parts.metric = text,
            }
        }
        given.next().is_none().then_some(parts)
    }
}

fn level(text: &str) -> Result<Level, String> {
    let name = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    match (text, name) {
        ("+", _) => Ok(Level::Any),
        (_, Some("department")) => Ok(Level::Department),
        (_, Some("device")) => Ok(Level::Device),
        (_, Some("metric")) => Ok(Level::Metric),
        (_, Some(other)) => Err(format!(
            "{{{other}}} is not known in a topic; allowed are {}",
            NAMES.map(|name| format!("{{{name}}}")).join(", ")
        )),
        (literal, None) if literal.contains(['#', '+', '{', '}']) => Err(format!(
            "topic level {literal:?}: allowed are a plain word, + and {{name}}"
        )),
        (literal, None) => Ok(Level::Literal(literal.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j5_a_topic_matches_level_by_level() {
        let pattern = TopicPattern::parse("devices/{department}/{device}/{metric}").unwrap();
        assert_eq!(
            pattern.matches("devices/icu/pump-7/state"),
            Some(TopicParts {
                department: Some("icu"),
                device: "pump-7",
                metric: "state"
            })
        );
        for other in [
            "",
            "devices/icu/pump-7",
            "devices/icu/pump-7/state/x",
            "Devices/icu/pump-7/state",
            "devices//pump-7/state",
            "devices/icu/pump-7/",
        ] {
            assert_eq!(pattern.matches(other), None, "{other}");
        }
        let any = TopicPattern::parse("v1/+/{device}/{metric}").unwrap();
        assert_eq!(any.matches("v1/x/d/m").unwrap().department, None);
    }

    #[test]
    fn j5_unusable_patterns_are_refused() {
        for bad in [
            "a",
            "a/{device}",
            "a/{metric}",
            "{device}/{device}/{metric}",
            "a/{ward}/{device}/{metric}",
            "#/{device}/{metric}",
        ] {
            assert!(TopicPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
