//! No API server and no snapshot: what can be answered is, and the rest comes without a restart.

use crate::ask::{Asker, Type};
use crate::fake_api::{FakeApi, Knobs, Store, until};
use crate::run::Room;
use crate::world::{Age, CASES, NOWHERE, REVERSE, all, put, serve_zones};

#[test]
fn names_wait_for_an_api_server_that_comes_late() {
    let room = Room::new();
    let address = FakeApi::start(Knobs::default()).address();
    let mut served = serve_zones(&room, address, "cluster.local in-addr.arpa");
    served.told("names wait for namespaces, services, endpointslices, endpoints: ");
    served.told("cannot be reached");
    let mut asker = Asker::new(served.address);
    let soa = asker.ask("cluster.local.", Type::SOA);
    assert!(soa.serial.is_some() && soa.data.len() == 1, "{soa:?}");
    let version = asker.ask("dns-version.cluster.local.", Type::TXT);
    assert!(version.data.len() == 1 && version.ede.is_none(), "{version:?}");
    for (name, rtype, _) in CASES {
        assert!(asker.ask(name, *rtype).waits(), "{name}");
        // The same without a reason, for whoever cannot read one.
        let plain = asker.plainly(name, *rtype);
        assert!(plain.code == hickory_proto::op::ResponseCode::ServFail && !plain.edns);
    }
    for name in [NOWHERE, REVERSE[0].0] {
        assert!(asker.ask(name, Type::A).waits(), "{name}");
    }
    let api = FakeApi::resume(address, Store::default(), Knobs::default());
    put(&api, Age::Old);
    for (name, rtype, data) in CASES {
        until(name, || asker.ask(name, *rtype).is(data[0]));
    }
    until("all lists", || asker.ask(NOWHERE, Type::A).is_missing());
    all(&mut asker, Age::Old, |name, reply| assert_eq!(reply.ede, None, "{name}"));
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
}
