//! Section 1: flags, classes, opcodes, malformed messages, EDNS — bit by bit.

use super::objects::service;
use super::reply::Reply;
use super::wire::{A, AD, ANY, Ask, CD, DO, Opt, RD, Raw, Z, full, wire};
use super::world::World;

fn world() -> World {
    World::served(
        &[service(
            "shop/web",
            "clusterIP: 10.96.0.1, selector: {a: b}, ports: [{name: http, port: 80}]",
        )],
        &[],
    )
}

/// The responses of the library and of the binary, which must be the same.
fn octets(world: &World, message: &[u8]) -> Vec<u8> {
    let ours = world.octets(message, false, 0).expect("a response");
    let server = world.server.as_ref().expect("a server");
    let serial = ours.windows(4).position(|octets| octets == world.view.serial().to_be_bytes());
    for stream in [false, true] {
        let mut theirs = server.exchange(message, stream);
        if let Some(at) = serial {
            // The binary has a clock of its own.
            theirs[at..at + 4].copy_from_slice(&ours[at..at + 4]);
        }
        assert_eq!(theirs, ours, "over a stream: {stream}; {message:02x?}");
    }
    ours
}

/// Asserts that nothing comes back.
fn silent(world: &World, message: &[u8]) {
    assert_eq!(world.octets(message, false, 0), None, "{message:02x?}");
    let next = Ask { id: 0x7777, ..Ask::new("web.shop.svc", A) };
    let answer = world.server.as_ref().expect("a server").silent(message, &next.message());
    assert_eq!(answer[..2], [0x77, 0x77], "{message:02x?} was answered");
}

/// Asserts a response that holds nothing but this code, the question if it could be read, and OPT
/// where `opt` is true.
fn bare(world: &World, message: &[u8], rcode: u16, question: &[u8], opt: bool) {
    let octets = octets(world, message);
    let raw = Raw::read(&octets);
    let context = format!("{message:02x?} -> {octets:02x?}");
    assert_eq!(raw.rcode(), rcode, "{context}");
    assert_eq!(raw.number(0), u16::from_be_bytes([message[0], message[1]]), "{context}");
    // QR; the opcode, RD and CD as they came; nothing else.
    let asked = u16::from_be_bytes([message[2], message[3]]);
    let expected = 0x8000 | (asked & (0x7800 | RD | CD)) | (rcode & 0x0f);
    assert_eq!(raw.number(2), expected, "{context}");
    assert_eq!(raw.question, question, "{context}");
    assert_eq!(raw.number(4), u16::from(!question.is_empty()), "{context}");
    assert_eq!(raw.records.len(), usize::from(opt), "{context}");
    hickory_proto::op::Message::from_vec(&octets).expect("hickory can read it");
}

#[test]
fn rd_and_cd_are_copied_ad_and_z_are_not_and_aa_is_set() {
    let world = world();
    for name in ["web.shop.svc", "nope.shop.svc", "svc", "@"] {
        for bits in 0..16u16 {
            let flag = |bit, value| if bits & bit != 0 { value } else { 0 };
            // AA, TC and RA, and a code, mean nothing in a query.
            let flags = flag(1, RD) | flag(2, CD) | flag(4, AD | Z) | flag(8, 0x0680 | 3);
            let ask = Ask::new(name, A).flags(flags);
            let octets = world.reply(&ask, bits % 2 == 0).octets;
            let found = u16::from_be_bytes([octets[2], octets[3]]);
            let rcode = if name == "nope.shop.svc" { 3 } else { 0 };
            assert_eq!(found, 0x8400 | (flags & (RD | CD)) | rcode, "{flags:04x}");
        }
    }
}

#[test]
fn the_question_is_echoed_octet_for_octet_and_owners_take_its_case() {
    let world = world();
    for name in [
        "wEb.ShOp.SvC.cLuStEr.LoCaL.",
        "WEB.SHOP.SVC.CLUSTER.LOCAL.",
        "web.shop.svc.cluster.local.",
    ] {
        let ask = Ask::new(name, A);
        let octets = world.reply(&ask, false).octets;
        assert_eq!(octets[12..12 + ask.question().len()], ask.question());
        // The owner is a pointer to the question, whose case it takes by that.
        assert_eq!(octets[12 + ask.question().len()..][..2], [0xc0, 12]);
    }
}

#[test]
fn a_response_and_less_than_a_header_meet_silence() {
    let world = world();
    let message = Ask::new("web.shop.svc", A).message();
    for len in 0..12 {
        silent(&world, &message[..len]);
    }
    let mut response = message.clone();
    response[2] |= 0x80;
    silent(&world, &response);
    // Even one of another opcode, or that nobody could decode.
    response[2] |= 0x28;
    silent(&world, &response);
    silent(&world, &response[..12]);
}

#[test]
fn another_opcode_is_not_implemented_whatever_comes_with_it() {
    let world = world();
    let ask = Ask::new("web.shop.svc", A);
    for opcode in [1u16, 2, 3, 4, 5, 6, 15] {
        let flags = RD | opcode << 11;
        bare(&world, &ask.clone().flags(flags).message(), 4, &ask.question(), false);
        let edns = ask.clone().edns(1_232, DO).flags(flags).message();
        bare(&world, &edns, 4, &ask.question(), true);
        // Judged before the number of questions and the version of EDNS.
        let mut none = ask.clone().flags(flags).message();
        none[5] = 0;
        bare(&world, &none[..12], 4, &[], false);
        let mut later = ask.clone().edns(1_232, 0).flags(flags);
        later.opt.as_mut().unwrap().version = 1;
        assert_eq!(Raw::read(&octets(&world, &later.message())).rcode(), 4);
    }
}

#[test]
fn a_number_of_questions_other_than_one_is_malformed() {
    let world = world();
    let ask = Ask::new("web.shop.svc", A);
    let message = ask.message();
    for count in [0, 2, 255] {
        let mut other = message.clone();
        other[5] = count;
        if count == 2 {
            other.extend(ask.question());
        }
        bare(&world, &other, 1, &[], false);
    }
    let mut empty = message[..12].to_vec();
    empty[5] = 0;
    bare(&world, &empty, 1, &[], false);
    // 257 questions are not one.
    let mut many = message;
    many[4] = 1;
    bare(&world, &many, 1, &[], false);
}

#[test]
fn an_undecodable_message_is_malformed() {
    let world = world();
    let ask = Ask::new("web.shop.svc", A);
    let message = ask.message();
    for len in 12..message.len() {
        bare(&world, &message[..len], 1, &[], false);
    }
    let question = |name: &[u8]| {
        let mut message = message[..12].to_vec();
        message.extend(name);
        message.extend([0, 1, 0, 1]);
        message
    };
    // A pointer, labels of the kinds that nobody uses, a label and a name that are too long.
    for name in [
        &b"\xc0\x0c"[..],
        b"\x03web\xc0\x0c",
        b"\x41a\x00",
        b"\x80\x00",
        &[&[64][..], &[b'a'; 64], &[0]].concat(),
        &[&[&[63][..], &[b'a'; 63]].concat().repeat(4)[..], &[0]].concat(),
    ] {
        bare(&world, &question(name), 1, &[], false);
    }
    // The longest name there is can be decoded; it is only not ours.
    let longest =
        [&[&[63][..], &[b'a'; 63]].concat().repeat(3)[..], &[61], &[b'b'; 61], &[0]].concat();
    let asked = question(&longest);
    bare(&world, &asked, 5, &asked[12..], false);
    // More records than there are octets for.
    for count in [7, 9, 11] {
        let mut short = message.clone();
        short[count] = 1;
        bare(&world, &short, 1, &ask.question(), false);
    }
}

#[test]
fn classes_other_than_in_are_refused() {
    let world = world();
    for qclass in [0, 2, 4, 254, 255, 0x8001] {
        for name in ["web.shop.svc", "example.com."] {
            let ask = Ask { qclass, ..Ask::new(name, A) };
            bare(&world, &ask.message(), 5, &ask.question(), false);
        }
    }
}

#[test]
fn transfers_and_mail_types_are_refused() {
    let world = world();
    for qtype in [251, 252, 253, 254] {
        for name in ["@", "web.shop.svc", "nope.shop.svc", "in-addr.arpa.", "example.com."] {
            let ask = Ask::new(name, qtype);
            bare(&world, &ask.message(), 5, &ask.question(), false);
        }
    }
}

#[test]
fn a_later_edns_version_is_told_ours() {
    let world = world();
    for version in [1, 2, 255] {
        for (name, flags) in [("web.shop.svc", 0), ("nope.shop.svc", DO), ("example.com.", 0)] {
            let mut ask = Ask::new(name, A).edns(4_096, flags);
            ask.opt.as_mut().unwrap().version = version;
            bare(&world, &ask.message(), 16, &ask.question(), true);
            let octets = octets(&world, &ask.message());
            let opt = &octets[octets.len() - 11..];
            // Root, OPT, our payload, the high bits of 16, version 0, DO as it came, no options.
            let flags = u8::from(flags != 0) << 7;
            assert_eq!(opt, [0, 0, 41, 0x04, 0xd0, 1, 0, flags, 0, 0, 0]);
        }
    }
}

#[test]
fn opt_octet_for_octet() {
    let world = world();
    for (payload, flags) in [(0, 0), (512, DO), (1_232, 0), (4_096, DO | 0x7fff), (65_535, 0x7fff)]
    {
        for name in ["web.shop.svc", "nope.shop.svc"] {
            let octets = world.reply(&Ask::new(name, A).edns(payload, flags), false).octets;
            let opt = [0, 0, 41, 0x04, 0xd0, 0, 0, (flags >> 8) as u8 & 0x80, 0];
            let at = octets.windows(opt.len()).rposition(|octets| octets == opt);
            assert!(at.is_some_and(|at| at > 12), "{octets:02x?}");
        }
    }
    // Nobody asked for it.
    let plain = world.reply(&Ask::new("web.shop.svc", A), false).octets;
    assert!(Raw::read(&plain).records.iter().all(|record| record.rtype != 41));
}

#[test]
fn two_opt_records_or_one_with_an_owner_are_malformed() {
    let world = world();
    let ask = Ask::new("web.shop.svc", A);
    let opt = Opt { payload: 1_232, version: 0, flags: 0, options: Vec::new() }.record();
    let with = |records: &[&[u8]]| {
        let mut message = ask.message();
        message[11] = u8::try_from(records.len()).unwrap();
        message.extend(records.concat());
        message
    };
    let owned = [&wire("a.")[..], &opt[1..]].concat();
    let pointed = [&[0xc0, 12][..], &opt[1..]].concat();
    for records in
        [&[&opt[..], &opt][..], &[&owned], &[&pointed], &[&opt, &owned], &[&opt, &opt, &opt]]
    {
        bare(&world, &with(records), 1, &ask.question(), false);
    }
    // One behind another record is one.
    let a = [&wire("x.")[..], b"\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0a\x00\x00\x01"].concat();
    for records in [&[&a[..], &opt][..], &[&opt, &a]] {
        let octets = octets(&world, &with(records));
        let raw = Raw::read(&octets);
        assert_eq!((raw.rcode(), raw.records.len()), (0, 2), "{octets:02x?}");
    }
    // In a section where it does not belong.
    for count in [7, 9] {
        let mut elsewhere = with(&[&opt]);
        elsewhere[11] = 0;
        elsewhere[count] = 1;
        bare(&world, &elsewhere, 1, &ask.question(), false);
    }
}

#[test]
fn unknown_options_are_ignored_and_broken_ones_malformed() {
    let world = world();
    let plain = world.reply(&Ask::new("web.shop.svc", A).edns(1_232, 0), false).octets;
    let cookie = [&[0, 10, 0, 8][..], &[7; 8]].concat();
    let with = |options: &[u8]| {
        let mut ask = Ask::new("web.shop.svc", A).edns(1_232, 0);
        ask.opt.as_mut().unwrap().options = options.to_vec();
        ask
    };
    for options in [
        // A client's subnet, a cookie, padding, one that nobody knows, one without content.
        &b"\x00\x08\x00\x07\x00\x01\x18\x00\xc0\x00\x02"[..],
        &cookie,
        b"\x00\x0c\x00\x03\x00\x00\x00",
        b"\xff\x00\x00\x02ab",
        b"\xff\x01\x00\x00",
        &[&cookie[..], b"\xff\x01\x00\x00"].concat(),
    ] {
        let ask = with(options);
        assert_eq!(octets(&world, &ask.message()), plain, "{options:02x?}");
    }
    for options in [&b"\x00"[..], b"\x00\x0a\x00", b"\x00\x0a\x00\x08abc", b"\x00\x0a\x00\x00\x00"]
    {
        let ask = with(options);
        bare(&world, &ask.message(), 1, &ask.question(), false);
    }
}

#[test]
fn names_that_only_look_like_ours_are_not() {
    let world = world();
    // A dot within a label is no dot.
    let odd = |wire: &[u8]| Ask { name: wire.to_vec(), ..Ask::new("@", A) };
    let dotted = odd(b"\x0dcluster.local\x00");
    bare(&world, &dotted.message(), 5, &dotted.question(), false);
    let zero = odd(b"\x04web\x00\x04shop\x03svc\x07cluster\x05local\x00");
    let text = |ask: &Ask| {
        let octets = octets(&world, &ask.message());
        Raw::read(&octets).rcode()
    };
    assert_eq!(text(&zero), 3);
    assert_eq!(text(&odd(b"\x08web.shop\x03svc\x07cluster\x05local\x00")), 3);
    assert_eq!(text(&odd(b"\x03w\xc5b\x04shop\x03svc\x07cluster\x05local\x00")), 3);
    assert_eq!(full("web"), "web.cluster.local.");
}

#[test]
fn any_answer_is_judged_over_tcp_as_over_udp() {
    let world = world();
    for qtype in [A, ANY] {
        for name in ["web.shop.svc", "nope.shop.svc", "_http._tcp.web.shop.svc"] {
            let ask = Ask::new(name, qtype).edns(512, DO).flags(CD);
            let [udp, tcp] = [false, true].map(|stream| -> Reply { world.reply(&ask, stream) });
            assert_eq!(udp.octets, tcp.octets);
        }
    }
}

#[test]
fn nothing_of_an_earlier_query_is_left_in_the_next() {
    use fingerpost::answer::Query;
    let mut query = Query::default();
    let message = Ask::new("web.shop.svc", A).edns(4_096, DO).message();
    for broken in [&message[..5], &message[..12], &message[..20]] {
        assert!(query.read(&message).is_ok());
        assert_eq!(query.asked().labels(), 5);
        // Which server block shapes the response hangs on the name.
        assert!(query.read(broken).is_err());
        assert_eq!((query.asked().labels(), query.asked().name()), (0, &[0][..]), "{broken:02x?}");
    }
}
