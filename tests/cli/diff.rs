//! `diff` and `dump FROM`: servers, snapshots, manifests and dumps, each beside the others.

use std::path::Path;
use std::sync::Arc;

use fingerpost::cluster::manifest::Manifests;
use fingerpost::cluster::snapshot::{Origin, Place, State, pack, store};
use fingerpost::registry::{Publisher, Registry, SystemClock};
use fingerpost::zone::Spec;

use crate::run::{Ended, Room, Served, examples, manifest};

/// A server that hands over what these manifests say.
fn primary(room: &Room, manifests: &str) -> Served {
    let text = format!(
        ".:0 {{\n  bind 127.0.0.1\n  transfer {{\n    to *\n  }}\n  kubernetes cluster.local {{\n    \
         manifests {manifests}\n  }}\n}}\n"
    );
    room.write("Corefile", text);
    room.serve(&["-c", "Corefile"])
}

/// Compares, as a server at 127.0.0.1 would have its zone.
fn diff(room: &Room, sides: [&str; 2], options: &[&str]) -> Ended {
    room.run(&[&["diff", "--listen", "127.0.0.1:53"], options, &sides].concat())
}

/// What a comparison without a fault prints, the notes about serials left out.
fn printed(ended: &Ended) -> Vec<&str> {
    assert_eq!(ended.err, "", "{}", ended.out);
    ended.out.lines().filter(|line| !line.contains(" has serial ")).collect()
}

fn written_down(path: &Path, manifests: &str) {
    let registry = Registry::new(Arc::new(Spec::default()), 1);
    let mut source = Manifests::new(vec![manifests.into()]);
    registry.batch(|sink| drop(source.load_into(sink).expect("readable files")));
    Publisher::new(Arc::clone(&registry), SystemClock).publish();
    let origin = Origin::new("https://192.0.2.1:6443/", &Spec::default());
    let state = |visit: &mut dyn FnMut(fingerpost::cluster::snapshot::Stored<'_>)| {
        registry.objects(visit).map(|kinds| State { serial: 77, kinds })
    };
    let packed = pack(&origin, 0, state).expect("a state");
    store(&Place::new(path).expect("a place"), &packed).expect("stored");
}

#[test]
fn one_cluster_is_the_same_from_wherever_it_is_had() {
    let room = Room::new();
    let served = primary(&room, &examples());
    let plain = served.address.to_string();
    let url = format!("dns://{plain}");
    let dumped = room.run(&["dump", "--listen", "127.0.0.1:53", "--manifests", &examples()]);
    room.write("dump.txt", &dumped.out);
    // As dig writes them.
    let tabbed = dumped.out.replacen(
        "warehouse.shop.svc.cluster.local. 5 IN",
        "Warehouse.SHOP.svc.cluster.local.\t5\tin",
        1,
    );
    room.write("dig.txt", format!("; <<>> DiG\n\n{tabbed};; XFR size: 96 records\n"));
    written_down(&room.path("state"), &examples());
    let manifests = examples();
    let all = [&*plain, &*url, "dump.txt", "dig.txt", "state", &*manifests];
    for first in all {
        for second in all {
            let ended = diff(&room, [first, second], &["--zone", "cluster.local"]);
            let lines = printed(&ended);
            let [summary] = lines[..] else { panic!("{first} {second}: {lines:?}") };
            let expected = format!("; 0 only in {first}, 0 only in {second}, 96 in both");
            assert!(summary.starts_with(&expected), "{summary}");
            assert_eq!(ended.code, 0, "{first} {second}");
        }
    }
    // Reverse zones too, but where a server is asked.
    let ended = diff(&room, ["state", &manifests], &[]);
    let summary = printed(&ended)[0];
    assert!(summary.starts_with("; 0 only in state, ") && !summary.contains(" 96 in both"));
}

#[test]
fn what_differs_is_told_in_order() {
    let room = Room::new();
    room.write("a/db.yaml", manifest("192.0.2.1"));
    room.write("b/db.yaml", manifest("192.0.2.2").replace("port: 5432", "port: 5433"));
    room.write("b/new.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: aa, namespace: shop}\nspec: {type: ExternalName, externalName: db.example.com}\n");
    let a = diff(&room, ["a", "b"], &["--zone", "cluster.local"]);
    assert_eq!(a.code, 1);
    let lines = printed(&a);
    let (summary, records) = lines.split_last().expect("a summary");
    let (went, came) = ("- 192-0-2-1.db.shop.", "+ 192-0-2-2.db.shop.");
    assert!(records[0].starts_with(went) && records.iter().any(|line| line.starts_with(came)));
    assert!(
        records.contains(&"+ aa.shop.svc.cluster.local. 5 IN CNAME db.example.com."),
        "{records:?}"
    );
    assert!(records.contains(&"- db.shop.svc.cluster.local. 5 IN A 192.0.2.1"));
    assert!(records.contains(&"+ db.shop.svc.cluster.local. 5 IN A 192.0.2.2"));
    let owner = |line: &&str| line[2..].split(' ').next().unwrap_or_default().to_owned();
    assert!(records.is_sorted_by_key(owner), "{records:?}");
    let count = |sign: char| records.iter().filter(|line| line.starts_with(sign)).count();
    let expected = format!("; {} only in a, {} only in b, ", count('-'), count('+'));
    assert!(summary.starts_with(&expected), "{summary}");
    // The other way round, signs alone change.
    let b = diff(&room, ["b", "a"], &["--zone", "cluster.local"]);
    let mut other: Vec<String> = printed(&b)
        .iter()
        .filter(|line| !line.starts_with(';'))
        .map(|line| line.replace("- ", "~ ").replace("+ ", "- ").replace("~ ", "+ "))
        .collect();
    let mut these: Vec<&str> = records.to_vec();
    other.sort();
    these.sort_unstable();
    assert_eq!(other, these);
    // Another TTL is another record.
    let ended = diff(&room, ["a", "a"], &["--ttl", "7"]);
    assert_eq!(ended.code, 0);
    room.write("a.txt", &room.run(&["dump", "a", "--listen", "127.0.0.1:53"]).out);
    assert_eq!(diff(&room, ["a.txt", "a"], &["--ttl", "7"]).code, 1);
    assert_eq!(diff(&room, ["a.txt", "a"], &[]).code, 0);
}

#[test]
fn serials_count_only_where_that_is_asked_for() {
    let room = Room::new();
    let soa = |serial| {
        format!(
            "cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. {serial} 7200 1800 86400 5\n"
        )
    };
    room.write("a.txt", soa(7));
    room.write("b.txt", soa(9));
    let ended = diff(&room, ["a.txt", "b.txt"], &[]);
    let expected = "; cluster.local. has serial 7 and 9\n; 0 only in a.txt, 0 only in b.txt, 1 in both, but for serials\n";
    assert_eq!((ended.out.as_str(), ended.code), (expected, 0));
    let ended = diff(&room, ["a.txt", "b.txt"], &["--serial"]);
    assert_eq!(printed(&ended).len(), 3, "{}", ended.out);
    assert_eq!(ended.code, 1);
}

#[test]
fn what_cannot_be_had_is_named_with_its_cure() {
    let room = Room::new();
    room.write("m/db.yaml", manifest("192.0.2.1"));
    room.write("nothing.txt", "");
    room.write("broken.txt", "a.cluster.local. 5 IN A 192.0.2.1\n\nno record\n");
    room.write("state", "FPSTATE\nand then nothing");
    let refusing = room.serve(&["--manifests", "m", "--listen", "127.0.0.1:0"]);
    let refusing = refusing.address.to_string();
    // A port at which nobody listens.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let nobody = socket.local_addr().expect("an address").to_string();
    drop(socket);
    for (side, parts) in [
        ("nowhere.yaml", &["'nowhere.yaml'", "ADDR[:PORT]"][..]),
        ("dns://nowhere", &["'dns://nowhere' names no address", "dns://ADDR[:PORT]"]),
        ("nothing.txt", &["nothing.txt holds no record"]),
        ("broken.txt", &["broken.txt:3: this is no record"]),
        ("state", &["snapshot state cannot be used", "take another one"]),
        (
            &refusing,
            &[&*refusing, "answers REFUSED (no 'transfer' hands over this zone)", "'transfer to'"],
        ),
        (&nobody, &[&*nobody, "cannot be reached over TCP"]),
    ] {
        for ended in [
            diff(&room, ["m", side], &[]),
            diff(&room, [side, "m"], &[]),
            room.run(&["dump", side]),
        ] {
            assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{side}");
            assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
            for part in parts {
                assert!(ended.err.contains(part), "{part} in {}", ended.err);
            }
        }
    }
    assert!(room.path("state").exists(), "it stays where it is");
    let ended = room.run(&["diff", "m"]);
    assert_eq!(ended.code, 2);
    let ended = room.run(&["dump", "state", "--manifests", "m"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("cannot stand together"), "{}", ended.err);
}

#[test]
fn a_dump_of_a_server_and_of_a_snapshot_is_that_of_the_manifests() {
    let room = Room::new();
    let served = primary(&room, &examples());
    written_down(&room.path("state"), &examples());
    let lines = |args: &[&str]| -> Vec<String> {
        let ended = room.run(
            &[&["dump", "--listen", "127.0.0.1:53", "--zone", "cluster.local"], args].concat(),
        );
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
        ended.out.lines().filter(|line| !line.contains(" SOA ")).map(str::to_owned).collect()
    };
    let manifests = lines(&["--manifests", &examples()]);
    assert_eq!(lines(&["state"]), manifests);
    // A server hands them over as they lie.
    let mut handed = lines(&[&served.address.to_string()]);
    let mut sorted = manifests;
    handed.sort();
    sorted.sort();
    assert_eq!(handed, sorted);
    let state = room.run(&["dump", "state", "--zone", "cluster.local"]);
    assert!(
        state.out.lines().next().is_some_and(|line| line.contains(" 77 7200 ")),
        "{}",
        state.out
    );
}

#[test]
fn empty_strings_are_written_and_read() {
    let room = Room::new();
    let text = "a.cluster.local. 5 IN TXT \"\"\nb.cluster.local. 5 IN TXT \"\" \"x y\"\n";
    room.write("texts.txt", text);
    let ended = room.run(&["dump", "texts.txt"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, text), "{}", ended.err);
}
