//! Every configuration key there is, declared once: its type (and with it its grammar), its default, an example, what it
//! is for. One table for all programs, so that one file can describe a whole site and a key of another part is not an
//! unknown key.
//!
//! A key is read by its constant, `settings.get(&keys::AGENT_NAME)`, and comes as its type.

mod agent;
mod aggregator;
mod bridge;
mod site;

use std::fmt;
use std::marker::PhantomData;

pub use agent::*;
pub use aggregator::*;
pub use bridge::*;
pub use site::*;

use crate::value::{Setting, Value};

/// A key whose value is a `T`.
pub struct Key<T> {
    pub name: &'static str,
    /// `None`: not set unless somebody sets it.
    pub default: Option<&'static str>,
    pub example: &'static str,
    doc: &'static [&'static str],
    is: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<T: Setting> Key<T> {
    pub(crate) const fn new(
        name: &'static str,
        default: Option<&'static str>,
        example: &'static str,
        doc: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            default,
            example,
            doc,
            is: PhantomData,
        }
    }

    const fn declared(&self) -> Declared {
        Declared {
            name: self.name,
            default: self.default,
            example: self.example,
            doc: self.doc,
            allowed: T::ALLOWED,
            bare: T::BARE,
            problem: problem::<T>,
        }
    }
}

fn problem<T: Setting>(value: &Value) -> Option<String> {
    T::read(value).err()
}

/// A key as the loader sees it: everything but the type.
pub(crate) struct Declared {
    pub(crate) name: &'static str,
    pub(crate) default: Option<&'static str>,
    pub(crate) example: &'static str,
    doc: &'static [&'static str],
    pub(crate) allowed: &'static str,
    /// Printed without quotation marks.
    pub(crate) bare: bool,
    /// What is wrong with a value.
    pub(crate) problem: fn(&Value) -> Option<String>,
}

impl Declared {
    pub(crate) fn doc(&self) -> String {
        let lines: Vec<&str> = self.doc.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    }
}

pub(crate) fn all() -> impl Iterator<Item = &'static Declared> {
    [site::KEYS, agent::KEYS, bridge::KEYS, aggregator::KEYS]
        .into_iter()
        .flatten()
}

pub(crate) fn find(name: &str) -> Option<&'static Declared> {
    all().find(|key| key.name == name)
}

/// The known name that is nearest to an unknown one, if any is near.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    all()
        .map(|key| (strsim::damerau_levenshtein(name, key.name), key.name))
        .min()
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .map(|(_, known)| known)
}

/// `/// what it is for`, then `NAME: type = "the.key", default "value", example "value";`
macro_rules! keys {
    ($($(#[doc = $doc:expr])* $name:ident: $type:ty = $key:literal $(, default $default:literal)?, example $example:literal;)*) => {
        $($(#[doc = $doc])* pub const $name: crate::keys::Key<$type> =
            crate::keys::Key::new($key, crate::keys::keys!(@default $($default)?), $example, &[$($doc),*]);)*

        pub(super) const KEYS: &[crate::keys::Declared] = &[$($name.declared()),*];
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}
use keys;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_and_example_is_a_valid_value_and_names_are_unique() {
        let mut names = std::collections::BTreeSet::new();
        for key in all() {
            assert!(names.insert(key.name), "{} stands twice", key.name);
            assert!(!key.doc().is_empty(), "{} says nothing", key.name);
            // Tables are written in a file only.
            for text in key.default.into_iter().chain([key.example]) {
                let value = Value::One(text.to_owned());
                let wrong = (key.problem)(&value).filter(|_| !key.example.starts_with('['));
                assert_eq!(wrong, None, "{} = {text}", key.name);
            }
        }
    }
}
