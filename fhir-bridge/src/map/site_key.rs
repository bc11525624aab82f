//! The site's secret: 32 random bytes from which patients' and visits' pseudonyms are made. Never printed.

use hmac::Hmac;
use hmac::digest::common::Key;
use sha2::Sha256;

use crate::hex;
use crate::limits::SITE_KEY_BYTES;

#[derive(Clone)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct SiteKey([u8; SITE_KEY_BYTES]);

impl std::fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SiteKey(secret)")
    }
}

impl SiteKey {
    pub fn from_bytes(bytes: [u8; SITE_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key as HMAC takes it: padded with zeros to one block.
    pub(crate) fn block(&self) -> Key<Hmac<Sha256>> {
        let mut block = Key::<Hmac<Sha256>>::default();
        for (to, from) in block.iter_mut().zip(self.0) {
            *to = from;
        }
        block
    }

    /// Reads a key in hexadecimal.
    ///
    /// # Errors
    /// What is wrong with it; never the text itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = SITE_KEY_BYTES * 2;
        if text.len() != digits {
            return Err(format!("{} characters instead of {digits}", text.len()));
        }
        let key = hex::decode(text).ok_or("not hexadecimal")?;
        Ok(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fr3_the_key_is_never_printed() {
        let key = SiteKey::from_bytes([7; SITE_KEY_BYTES]);
        assert_eq!(format!("{key:?}"), "SiteKey(secret)");
    }
}
