//! The words of the capacity views: what a bed can be, what class it is of, what a device can be doing.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $type { $(#[serde(rename = $word)] $variant),+ }

        impl $type {
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok($type::$variant),)+
                    _ => Err(UnknownWord { given: word.chars().take(40).collect(), allowed: &[$($word),+] }),
                }
            }
        }
    };
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not one of {}", .allowed.join(", "))]
pub struct UnknownWord {
    pub given: String,
    pub allowed: &'static [&'static str],
}

words!(
    /// What a bed is shown as. `Unknown` is not free: nothing has been said yet.
    BedStatus {
        Occupied = "occupied",
        Available = "available",
        Reserved = "reserved",
        Dirty = "dirty",
        Cleaning = "cleaning",
        Blocked = "blocked",
        Closed = "closed",
        Unknown = "unknown",
    }
);

words!(
    /// What a bed is made for, from the hospital's own list.
    BedClass {
        Ward = "ward",
        Icu = "icu",
        Intermediate = "intermediate",
        Ed = "ed",
        Pacu = "pacu",
        Neonatal = "neonatal",
        Other = "other",
    }
);

words!(
    /// What a device is doing.
    DeviceState {
        InUse = "in-use",
        Ready = "ready",
        Cleaning = "cleaning",
        Repair = "repair",
        Off = "off",
    }
);
