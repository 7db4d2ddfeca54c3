//! What a table promises: what is put in is found, and what a change does not touch stays shared.

use super::*;

fn with(table: &Table, updates: &Updates) -> Table {
    let mut next = table.clone();
    next.update(updates);
    next
}

fn number(n: usize) -> Box<[u8]> {
    format!("key-{n}").into_bytes().into_boxed_slice()
}

#[test]
fn what_is_put_in_is_found_until_it_is_taken_out() {
    let mut table = Table::new(7);
    assert!(table.get(b"key-1").is_none());
    let all: Updates = (0..20_000)
        .map(|n| (number(n), Some(vec![u8::try_from(n % 251).unwrap(); n % 2_000])))
        .collect();
    table.update(&all);
    assert_eq!((table.len(), table.iter().count()), (20_000, 20_000));
    for (key, body) in &all {
        assert_eq!(table.get(key), body.as_deref());
    }
    assert!(table.get(b"key-20000").is_none());
    let gone: Updates = (100..20_000).map(|n| (number(n), None)).collect();
    let small = with(&table, &gone);
    assert_eq!(small.len(), 100);
    assert_eq!(small.iter().count(), 100);
    assert!(small.count() < table.count());
    assert!(small.get(b"key-100").is_none());
    assert_eq!(small.get(b"key-99"), Some(&[99u8; 99][..]));
    assert_eq!(table.len(), 20_000, "the older table is as it was");
}

#[test]
fn keys_of_every_length_are_told_apart_by_every_octet() {
    let key = |len: usize, changed: Option<usize>| {
        let mut key = vec![b'k'; len];
        if let Some(at) = changed {
            key[at] = b'x';
        }
        key.into_boxed_slice()
    };
    let all: Updates = (0..=80).map(|len| (key(len, None), Some(vec![1]))).collect();
    let table = with(&Table::new(7), &all);
    for len in 0..=80 {
        assert_eq!(table.get(&key(len, None)), Some(&[1u8][..]), "{len}");
        // With the hash of the right key, so that the keys themselves are compared.
        let hash = table.hash(&key(len, None));
        for at in 0..len {
            assert_eq!(table.find(hash, &key(len, Some(at))), None, "{len} {at}");
        }
    }
}

#[test]
fn a_change_leaves_the_other_shards_shared() {
    let all: Updates = (0..20_000).map(|n| (number(n), Some(vec![1]))).collect();
    let table = with(&Table::new(7), &all);
    let next = with(&table, &Updates::from([(number(5), Some(vec![2]))]));
    let shared = table.groups.iter().zip(&next.groups).filter(|(a, b)| Arc::ptr_eq(a, b));
    assert_eq!(shared.count(), table.groups.len() - 1);
    let shared = table.shards().zip(next.shards()).filter(|(a, b)| a.is_shared_with(b));
    assert_eq!(shared.count(), table.count() - 1);
    assert_eq!(next.get(b"key-5"), Some(&[2u8][..]));
}

#[test]
fn the_list_of_a_group_that_nobody_else_has_is_changed_in_place() {
    let all: Updates = (0..20_000).map(|n| (number(n), Some(vec![1]))).collect();
    let mut table = with(&Table::new(7), &all);
    let places = |table: &Table| table.groups.iter().map(Arc::as_ptr).collect::<Vec<_>>();
    let before = places(&table);
    table.update(&Updates::from([(number(5), Some(vec![2]))]));
    assert_eq!(places(&table), before);
    assert_eq!(table.get(b"key-5"), Some(&[2u8][..]));
}

/// From few groups to many and back, in steps that share groups with a table before, and that make
/// changes while they lay out anew.
#[test]
fn every_layout_holds_what_was_put_in() {
    let mut table = Table::new(7);
    let mut counts = std::collections::BTreeSet::new();
    let mut check = |table: &Table, len: usize, body: u8| {
        assert_eq!((table.len(), table.iter().count()), (len, len));
        for n in 0..len {
            assert_eq!(table.get(&number(n)), Some(&[body][..]), "{n} of {len}");
        }
        counts.insert(table.count());
    };
    let lens = [0, 1, 60, 130, 1_000, 8_000, 20_000, 70_000];
    for (lens, body) in lens.windows(2).zip(1..) {
        let next = with(&table, &(0..lens[1]).map(|n| (number(n), Some(vec![body]))).collect());
        check(&next, lens[1], body);
        if lens[0] > 0 {
            check(&table, lens[0], body - 1);
        }
        table = next;
    }
    for lens in lens.windows(2).rev() {
        table.update(&(lens[0]..lens[1]).map(|n| (number(n), None)).collect());
        check(&table, lens[0], 7);
    }
    assert!(counts.len() > 5 && counts.contains(&1) && counts.last() > Some(&(4 * GROUP)));
}

#[test]
fn full_buckets_run_over_into_the_next() {
    let keys: Vec<[u8; 1]> = (b'a'..=b'z').map(|key| [key]).collect();
    let entries: Vec<Entry<'_>> =
        keys.iter().map(|key| Entry { hash: 0, key, body: Body::Plain(b"x") }).collect();
    let shard = Shard::build(&entries);
    for entry in &entries {
        assert_eq!(shard.find(0, entry.key), Some(&b"x"[..]));
    }
    assert!(shard.find(0, b"!").is_none());
}

#[test]
fn a_shard_takes_half_a_cache_line() {
    assert!(size_of::<Shard>() <= 32, "{}", size_of::<Shard>());
}
