//! `acl`: who is answered what. Judged before anything else, on the query threads, whatever the
//! transport; a block without one reads no address.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use crate::answer::{Asked, is_within};
use crate::config::{Acl, AclAction, AclRule};
use crate::name::Name;

/// The `acl` directives of a block, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard(Vec<Acl>);

impl Guard {
    pub(super) fn new(acls: &[Acl]) -> Self {
        Self(acls.to_vec())
    }

    /// Whether there is nothing to judge.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What becomes of a query: what the first rule that fits says, of the first directive with such
    /// a rule and a zone that holds the name. What none fits is answered.
    pub(super) fn judge(&self, asked: &Asked, qtype: u16, from: IpAddr) -> AclAction {
        // Clients of an IPv6 socket may come as IPv4-mapped addresses.
        let from = from.to_canonical();
        let holds = |zone: &Name| is_within(asked.name(), zone.as_wire());
        let meant = self.0.iter().filter(|acl| acl.zones.iter().any(holds));
        let mut rules = meant.flat_map(|acl| &acl.rules);
        rules.find(|rule| fits(rule, qtype, from)).map_or(AclAction::Allow, |rule| rule.action)
    }
}

fn fits(rule: &AclRule, qtype: u16, from: IpAddr) -> bool {
    (rule.types.is_empty() || rule.types.contains(&qtype))
        && (rule.sources.is_empty() || rule.sources.iter().any(|net| net.contains(from)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Query;
    use crate::config::Cidr;

    const A: u16 = 1;
    const AAAA: u16 = 28;
    const ANY: u16 = 255;

    fn rule(action: AclAction, types: &[u16], sources: &[&str]) -> AclRule {
        let sources = sources.iter().map(|net| Cidr::parse(net).unwrap()).collect();
        AclRule { action, types: types.to_vec(), sources }
    }

    fn acl(zones: &[&str], rules: Vec<AclRule>) -> Acl {
        Acl { zones: zones.iter().map(|zone| Name::parse(zone).unwrap()).collect(), rules }
    }

    fn asked(name: &str) -> Query {
        let name = Name::parse(name).unwrap();
        let head = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let mut query = Query::default();
        query.read(&[&head, name.as_wire(), &[0, 1, 0, 1]].concat()).unwrap();
        query
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        use AclAction::{Allow, Block, Drop, Filter};
        let guard = Guard::new(&[
            acl(&["corp.example"], vec![rule(Drop, &[], &["203.0.113.0/24"])]),
            acl(
                &["."],
                vec![
                    rule(Allow, &[], &["192.0.2.0/24", "2001:db8::/32"]),
                    rule(Filter, &[AAAA], &[]),
                    rule(Block, &[ANY], &["198.51.100.0/24"]),
                ],
            ),
        ]);
        for (name, qtype, from, expected) in [
            ("db.corp.example", A, "203.0.113.9", Drop),
            ("db.example", A, "203.0.113.9", Allow),
            ("db.example", AAAA, "203.0.113.9", Filter),
            ("db.example", AAAA, "192.0.2.1", Allow),
            ("db.corp.example", AAAA, "2001:db8::1", Allow),
            ("db.corp.example", ANY, "198.51.100.1", Block),
            ("db.corp.example", ANY, "::ffff:198.51.100.1", Block),
            ("db.corp.example", A, "198.51.100.1", Allow),
            ("db.corp.example", ANY, "198.51.101.1", Allow),
        ] {
            let found = guard.judge(asked(name).asked(), qtype, from.parse().unwrap());
            assert_eq!(found, expected, "{name} {qtype} {from}");
        }
    }

    #[test]
    fn nothing_to_judge_is_answered() {
        let guard = Guard::new(&[]);
        assert!(guard.is_empty());
        let from = "192.0.2.1".parse().unwrap();
        assert_eq!(guard.judge(asked("a").asked(), A, from), AclAction::Allow);
    }
}
