//! Names that stand for people and things: keyed pseudonyms, and deterministic resource ids.
//!
//! A patient or visit leaves the bridge only as HMAC-SHA256 under the site's key, cut to 16 bytes. Beds and devices are
//! no persons: their ids are plain hashes, so that two bridges of one site agree. Every hash says what it is of
//! and how long each part is, so that no two different inputs run together.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use wardline_model::SiteName;

use crate::hex;
use crate::map::site_key::SiteKey;

const HASH_BYTES: usize = 16;

fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_le_bytes()
}

/// The site's key, ready to hash with.
#[derive(Clone)]
pub struct Pseudonyms {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms(secret)")
    }
}

impl Pseudonyms {
    pub fn new(key: &SiteKey) -> Self {
        let mac = <Hmac<Sha256> as KeyInit>::new(&key.block());
        Self { mac }
    }

    fn keyed(&self, what: &str, parts: &[&[u8]]) -> String {
        let mut mac = self.mac.clone();
        mac.update(what.as_bytes());
        for part in parts {
            mac.update(&length(part));
            mac.update(part);
        }
        let hash = mac.finalize().into_bytes();
        hex::encode(hash.get(..HASH_BYTES).unwrap_or(&hash))
    }

    pub fn visit(&self, number: &str, authority: &str) -> String {
        self.keyed("visit", &[number.as_bytes(), authority.as_bytes()])
    }

    pub fn patient(&self, number: &str, authority: &str) -> String {
        self.keyed("patient", &[number.as_bytes(), authority.as_bytes()])
    }

    /// The sender's identity of a message: MSH-3, MSH-4, MSH-10.
    pub fn message_key(&self, application: &str, facility: &str, control_id: &str) -> String {
        let parts = [application, facility, control_id].map(str::as_bytes);
        self.keyed("message-key", &parts)
    }

    /// Of the raw bytes. Keyed, because a plain hash of a short message could be guessed back.
    pub fn message_hash(&self, raw: &[u8]) -> String {
        self.keyed("message-hash", &[raw])
    }
}

/// Deterministic ids of what is no person.
#[derive(Debug, Clone)]
pub struct ResourceIds {
    site: Sha256,
}

impl ResourceIds {
    pub fn new(site: &SiteName) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"wardline/v1");
        hash.update(length(site.as_str().as_bytes()));
        hash.update(site.as_str());
        Self { site: hash }
    }

    fn hash(&self, what: &str, name: &str) -> [u8; 32] {
        let mut hash = self.site.clone();
        hash.update(what);
        hash.update(length(name.as_bytes()));
        hash.update(name);
        hash.finalize().into()
    }

    fn id(&self, what: &str, name: &str) -> String {
        let hash = self.hash(what, name);
        hex::encode(hash.get(..HASH_BYTES).unwrap_or(&hash))
    }

    pub fn location(&self, place: &str) -> String {
        self.id("location", place)
    }

    pub fn device(&self, device: &str) -> String {
        self.id("device", device)
    }

    /// One observation for each event: the event's id is its identity.
    pub fn observation(&self, event_id: &str) -> String {
        self.id("observation", event_id)
    }

    /// W3C trace context of an event: the same for all that one event leads to.
    pub fn traceparent(&self, event_id: &str) -> String {
        let hash = hex::encode(&self.hash("trace", event_id));
        let trace = hash.get(..32).unwrap_or_default();
        let span = hash.get(32..48).unwrap_or_default();
        format!("00-{trace}-{span}-01")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str) -> ResourceIds {
        ResourceIds::new(&SiteName::new(name).unwrap())
    }

    #[test]
    fn fr3_pseudonyms_depend_on_key_kind_and_every_part() {
        let a = Pseudonyms::new(&SiteKey::from_bytes([1; 32]));
        let b = Pseudonyms::new(&SiteKey::from_bytes([2; 32]));
        let all = [
            a.visit("V1", ""),
            b.visit("V1", ""),
            a.visit("V1", "A"),
            a.visit("V", "1"),
            a.visit("", "V1"),
            a.patient("V1", ""),
            a.message_hash(b"V1"),
        ];
        for (i, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 32);
            assert!(all.iter().skip(i + 1).all(|other| other != one), "{one}");
        }
        assert_eq!(a.visit("V1", "A"), a.visit("V1", "A"));
    }

    #[test]
    fn fr4_ids_are_valid_fhir_ids_and_differ_by_site() {
        let id = site("st-mary").location("ICU^1^2");
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(id, site("st-john").location("ICU^1^2"));
        assert_ne!(id, site("st-mary").device("ICU^1^2"));
    }

    #[test]
    fn fr5_traceparent_has_the_w3c_form() {
        let text = site("s").traceparent("gw-1/00000000000000ab/7");
        let lengths: Vec<_> = text.split('-').map(str::len).collect();
        assert_eq!(lengths, [2, 32, 16, 2]);
    }
}
