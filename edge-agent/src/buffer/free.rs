//! What a receipt may free: only numbers of this life of the store that were really given.
//!
//! A receipt is the log's word that events are durable there. One that speaks of another agent or life is about
//! somebody else's events; one that names a number which was never given is wrong about everything, and frees nothing.

use wardline_model::{AgentName, Incarnation, RangeSet, Receipt};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("it is for another agent")]
    Agent,
    #[error("it is for incarnation {0}, an earlier or foreign life of the store")]
    Incarnation(Incarnation),
    #[error("it names event {named}, but the newest one has number {newest}")]
    NeverGiven { named: u64, newest: u64 },
}

/// The numbers that may be freed.
pub fn usable(
    receipt: &Receipt,
    agent: &AgentName,
    incarnation: Incarnation,
    next_seq: u64,
) -> Result<RangeSet, Unusable> {
    if receipt.agent != *agent {
        return Err(Unusable::Agent);
    }
    if receipt.incarnation != incarnation {
        return Err(Unusable::Incarnation(receipt.incarnation));
    }
    let covered = receipt.covered();
    match covered.last() {
        Some(named) if named >= next_seq => Err(Unusable::NeverGiven {
            named,
            newest: next_seq.saturating_sub(1),
        }),
        _ => Ok(covered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(up_to: u64, ranges: &[(u64, u64)]) -> Receipt {
        Receipt {
            v: 1,
            agent: AgentName::new("gw-1").unwrap(),
            incarnation: Incarnation(7),
            up_to,
            ranges: ranges.to_vec(),
        }
    }

    #[test]
    fn p2_only_own_numbers_that_were_given_are_freed() {
        let agent = AgentName::new("gw-1").unwrap();
        let other = AgentName::new("gw-2").unwrap();
        let ok = usable(&receipt(5, &[(8, 9)]), &agent, Incarnation(7), 10).unwrap();
        assert_eq!(ok.iter().collect::<Vec<_>>(), vec![(1, 5), (8, 9)]);
        assert_eq!(
            usable(&receipt(5, &[]), &other, Incarnation(7), 10),
            Err(Unusable::Agent)
        );
        assert_eq!(
            usable(&receipt(5, &[]), &agent, Incarnation(8), 10),
            Err(Unusable::Incarnation(Incarnation(7)))
        );
        assert_eq!(
            usable(&receipt(5, &[(8, 10)]), &agent, Incarnation(7), 10),
            Err(Unusable::NeverGiven {
                named: 10,
                newest: 9
            })
        );
        assert!(
            usable(&receipt(0, &[]), &agent, Incarnation(7), 10)
                .unwrap()
                .is_empty()
        );
    }
}
