//! Large files: one object at a time, and the same objects whether kept or decoded again.

use std::fmt::Write;

use super::super::Manifests;
use super::{counts, write};
use crate::cluster::{Change, Object};

fn list(slices: usize, endpoints: usize, is_json: bool) -> String {
    let mut text = String::from(if is_json {
        "{\"apiVersion\": \"v1\", \"items\": ["
    } else {
        "apiVersion: v1\nitems:\n"
    });
    for slice in 0..slices {
        let start = if is_json { if slice == 0 { "" } else { "," } } else { "- " };
        write!(
            text,
            "{start}{{\"apiVersion\": \"discovery.k8s.io/v1\", \"kind\": \"EndpointSlice\", \
             \"metadata\": {{\"name\": \"s{slice}\", \"namespace\": \"n{}\"}}, \
             \"addressType\": \"IPv4\", \"endpoints\": [",
            slice % 7
        )
        .unwrap();
        for endpoint in 0..endpoints {
            let comma = if endpoint == 0 { "" } else { "," };
            let (high, low) = (endpoint / 250, endpoint % 250);
            write!(text, "{comma}{{\"addresses\": [\"10.1.{high}.{low}\"]}}").unwrap();
        }
        text += if is_json { "]}" } else { "]}\n" };
    }
    text + if is_json { "], \"kind\": \"List\"}" } else { "kind: List\n" }
}

fn load(name: &str, text: &str) -> Vec<Change> {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join(name), text);
    let loaded = Manifests::new(vec![folder.path().into()]).load().unwrap();
    assert_eq!(loaded.faults, []);
    loaded.changes
}

#[test]
fn a_list_too_heavy_to_keep_is_told_object_by_object() {
    let json = load("a.json", &list(60, 100, true));
    assert_eq!(counts(&json), (67, 0));
    assert_eq!(json, load("a.yaml", &list(60, 100, false)));
}

#[test]
fn one_slice_of_ten_thousand_endpoints_is_read() {
    for (name, is_json) in [("a.json", true), ("a.yaml", false)] {
        let changes = load(name, &list(1, 10_000, is_json));
        let endpoints = changes.iter().find_map(|change| match change {
            Change::Put(Object::EndpointSlice(slice)) => Some(slice.endpoints.len()),
            _ => None,
        });
        assert_eq!(endpoints, Some(10_000));
    }
}
