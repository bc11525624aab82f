//! A receipt: the site's log speaking to one agent. It names events that are durable in the log, and is
//! the only thing that lets an agent free them. Receipts are cumulative: any later one replaces any earlier.

use serde::{Deserialize, Serialize};

use crate::event::Incarnation;
use crate::limits::{CONTROL_BYTES_MAX, RECEIPT_RANGES_MAX};
use crate::names::AgentName;
use crate::ranges::RangeSet;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Format version: 1.
    pub v: u8,
    pub agent: AgentName,
    pub incarnation: Incarnation,
    /// Every number from 1 to this one is durable in the log, or recorded there as a gap.
    pub up_to: u64,
    /// Durable ranges above `up_to`: live events that overtook a backlog.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<(u64, u64)>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    #[error("receipt of {0} bytes; the limit is {CONTROL_BYTES_MAX}")]
    TooLarge(usize),
    #[error("receipt is not valid: {0}")]
    Invalid(#[from] serde_json::Error),
    #[error("receipt version {0} is not known; this program reads version 1")]
    Version(u8),
    #[error("receipt names a range that runs backwards or too many ranges")]
    Ranges,
}

impl Receipt {
    pub fn of(agent: &AgentName, incarnation: Incarnation, covered: &RangeSet) -> Self {
        let up_to = covered.up_to();
        let ranges = covered
            .iter()
            .filter(|(first, _)| *first > up_to)
            .take(RECEIPT_RANGES_MAX)
            .collect();
        Self {
            v: 1,
            agent: agent.clone(),
            incarnation,
            up_to,
            ranges,
        }
    }

    pub fn covered(&self) -> RangeSet {
        let mut set: RangeSet = self.ranges.iter().copied().collect();
        if self.up_to > 0 {
            set.insert(1, self.up_to);
        }
        set
    }

    pub fn encode(&self) -> Vec<u8> {
        // A struct of strings and numbers cannot fail to serialise; an empty message would be ignored by the agent.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > CONTROL_BYTES_MAX {
            return Err(ReceiptError::TooLarge(bytes.len()));
        }
        let receipt: Self = serde_json::from_slice(bytes)?;
        if receipt.v != 1 {
            return Err(ReceiptError::Version(receipt.v));
        }
        if receipt.ranges.len() > RECEIPT_RANGES_MAX
            || receipt.ranges.iter().any(|(a, b)| a > b || *a == 0)
        {
            return Err(ReceiptError::Ranges);
        }
        Ok(receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_round_trip_and_cover_the_same_numbers() {
        let covered: RangeSet = [(1, 10), (20, 30)].into_iter().collect();
        let receipt = Receipt::of(&AgentName::new("gw-1").unwrap(), Incarnation(9), &covered);
        let back = Receipt::decode(&receipt.encode()).unwrap();
        assert_eq!(back, receipt);
        assert_eq!(back.covered(), covered);
    }

    #[test]
    fn bad_receipts_are_typed_errors() {
        assert!(matches!(
            Receipt::decode(b"{"),
            Err(ReceiptError::Invalid(_))
        ));
        let v2 = br#"{"v":2,"agent":"a","incarnation":"0000000000000001","up_to":1}"#;
        assert!(matches!(Receipt::decode(v2), Err(ReceiptError::Version(2))));
        let backwards =
            br#"{"v":1,"agent":"a","incarnation":"0000000000000001","up_to":1,"ranges":[[9,3]]}"#;
        assert!(matches!(
            Receipt::decode(backwards),
            Err(ReceiptError::Ranges)
        ));
        assert!(matches!(
            Receipt::decode(&vec![b' '; CONTROL_BYTES_MAX + 1]),
            Err(ReceiptError::TooLarge(_))
        ));
    }
}
