//! Which lane a connection turns to first: fresh work is never stuck behind the backlog, and the backlog never starves.

use outrigger_ledger::Lane;

/// Of this many turns one belongs to the backlog first: it keeps a quarter of the connections, whatever arrives.
const TURNS: u64 = 4;

/// The lanes in the order in which a connection asks for work at its `turn`.
pub fn order(turn: u64) -> [Lane; 2] {
    if turn % TURNS == TURNS - 1 { [Lane::Backlog, Lane::Fresh] } else { [Lane::Fresh, Lane::Backlog] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_turns_belongs_to_the_backlog() {
        let backlog_first = (0..400).filter(|turn| order(*turn)[0] == Lane::Backlog).count();
        assert_eq!(backlog_first, 100);
        assert_eq!(order(0)[0], Lane::Fresh, "what is fresh goes first after a start");
    }
}
