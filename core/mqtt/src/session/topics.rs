//! Topic names of one connection: validated once, shared afterwards.
//!
//! A device uses a handful of topics. Those seen last are kept, so that a message costs a comparison instead of
//! a check and an allocation; aliases of MQTT 5 point at the same names.

use std::sync::Arc;

use crate::CloseReason;
use crate::limits::RECENT_TOPICS_MAX;
use crate::topic::{self, NameFault};

/// What a PUBLISH means by its topic and alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resolved {
    Known(Arc<str>),
    /// Well-formed, but longer than this listener takes.
    TooLong,
}

#[derive(Debug)]
pub(super) struct Topics {
    bytes_max: usize,
    recent: Vec<Arc<str>>,
    next: usize,
    alias_max: u16,
    aliases: Vec<Option<Arc<str>>>,
}

impl Topics {
    pub(super) fn new(bytes_max: usize, alias_max: u16) -> Self {
        Self {
            bytes_max,
            recent: Vec::new(),
            next: 0,
            alias_max,
            aliases: Vec::new(),
        }
    }

    pub(super) fn resolve(
        &mut self,
        name: &[u8],
        alias: Option<u16>,
    ) -> Result<Resolved, CloseReason> {
        let Some(alias) = alias else {
            return self.name(name);
        };
        if alias == 0 || alias > self.alias_max {
            return Err(CloseReason::TopicAliasInvalid);
        }
        let index = usize::from(alias - 1);
        if name.is_empty() {
            let known = self.aliases.get(index).cloned().flatten();
            return known
                .map(Resolved::Known)
                .ok_or(CloseReason::TopicAliasInvalid);
        }
        let resolved = self.name(name)?;
        if self.aliases.len() <= index {
            self.aliases.resize(index + 1, None);
        }
        if let Some(place) = self.aliases.get_mut(index) {
            // A name that is not taken must not leave the alias at an older one.
            *place = match &resolved {
                Resolved::Known(name) => Some(Arc::clone(name)),
                Resolved::TooLong => None,
            };
        }
        Ok(resolved)
    }

    fn name(&mut self, name: &[u8]) -> Result<Resolved, CloseReason> {
        if let Some(known) = self.recent.iter().find(|known| known.as_bytes() == name) {
            return Ok(Resolved::Known(Arc::clone(known)));
        }
        let text = match topic::name(name, self.bytes_max) {
            Ok(text) => text,
            Err(NameFault::TooLong) => return Ok(Resolved::TooLong),
            Err(NameFault::Utf8) => return Err(CloseReason::MalformedPacket),
            Err(NameFault::Invalid) if name.is_empty() => return Err(CloseReason::ProtocolError),
            Err(NameFault::Invalid) => return Err(CloseReason::TopicNameInvalid),
        };
        let known: Arc<str> = text.into();
        match self.recent.get_mut(self.next) {
            Some(place) => *place = Arc::clone(&known),
            None => self.recent.push(Arc::clone(&known)),
        }
        self.next = (self.next + 1) % RECENT_TOPICS_MAX;
        Ok(Resolved::Known(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Result<Resolved, CloseReason> {
        Ok(Resolved::Known(name.into()))
    }

    #[test]
    fn m17_an_alias_means_the_name_it_was_set_to_last() {
        let mut topics = Topics::new(10, 2);
        assert_eq!(
            topics.resolve(b"", Some(1)),
            Err(CloseReason::TopicAliasInvalid)
        );
        assert_eq!(topics.resolve(b"a", Some(2)), known("a"));
        assert_eq!(topics.resolve(b"", Some(2)), known("a"));
        assert_eq!(topics.resolve(b"b", Some(2)), known("b"));
        assert_eq!(topics.resolve(b"", Some(2)), known("b"));
        assert_eq!(
            topics.resolve(b"", Some(1)),
            Err(CloseReason::TopicAliasInvalid)
        );
        assert_eq!(
            topics.resolve(b"c", Some(3)),
            Err(CloseReason::TopicAliasInvalid)
        );
        assert_eq!(
            topics.resolve(b"c", Some(0)),
            Err(CloseReason::TopicAliasInvalid)
        );
        assert_eq!(topics.resolve(b"", None), Err(CloseReason::ProtocolError));
    }

    #[test]
    fn m17_an_alias_of_a_refused_name_is_unset() {
        let mut topics = Topics::new(3, 1);
        assert_eq!(topics.resolve(b"a", Some(1)), known("a"));
        assert_eq!(topics.resolve(b"too-long", Some(1)), Ok(Resolved::TooLong));
        assert_eq!(
            topics.resolve(b"", Some(1)),
            Err(CloseReason::TopicAliasInvalid)
        );
    }

    #[test]
    fn m24_remembered_names_stay_bounded_and_right() {
        let mut topics = Topics::new(10, 0);
        for round in 0..100u32 {
            let name = format!("t/{}", round % 13);
            assert_eq!(topics.resolve(name.as_bytes(), None), known(&name));
        }
        assert_eq!(topics.recent.len(), RECENT_TOPICS_MAX);
    }
}
