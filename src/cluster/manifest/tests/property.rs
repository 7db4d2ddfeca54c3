//! Whatever is done to the files: following them ends where reading them afresh begins.

use std::fs;

use proptest::prelude::*;

use super::{Bench, World, service};
use crate::cluster::Object;

use super::super::Manifests;

/// One thing done to a folder.
#[derive(Clone, Debug)]
enum Edit {
    Write { file: u8, objects: Vec<(u8, u8)> },
    Break { file: u8 },
    Remove { file: u8 },
    Rename { from: u8, to: u8 },
    Poll,
}

fn edit() -> impl Strategy<Value = Edit> {
    let file = 0..4u8;
    let object = (0..6u8, 0..3u8);
    prop_oneof![
        4 => (file.clone(), prop::collection::vec(object, 0..4))
            .prop_map(|(file, objects)| Edit::Write { file, objects }),
        1 => file.clone().prop_map(|file| Edit::Break { file }),
        1 => file.clone().prop_map(|file| Edit::Remove { file }),
        1 => (file.clone(), file).prop_map(|(from, to)| Edit::Rename { from, to }),
        3 => Just(Edit::Poll),
    ]
}

/// Objects 0 to 3 are Services of two namespaces, 4 and 5 the Namespaces.
fn text(objects: &[(u8, u8)]) -> String {
    let one = |(object, version): &(u8, u8)| match object {
        0..4 => service(
            &format!("n{}", object % 2),
            &format!("s{object}"),
            &format!("10.0.0.{version}"),
        ),
        _ => format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: n{}, labels: {{v: v{version}}}}}}}\n",
            object - 4
        ),
    };
    objects.iter().map(one).collect::<Vec<_>>().join("---\n")
}

fn afresh(bench: &Bench) -> World {
    let mut world = World::default();
    world.take(&Manifests::new(vec![bench.folder.path().into()]).load().unwrap().changes);
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn following_ends_where_reading_afresh_begins(edits in prop::collection::vec(edit(), 1..14)) {
        let (mut bench, _) = Bench::new(&[]);
        let name = |file: u8| if file == 3 { "sub/3.yaml".to_owned() } else { format!("{file}.yaml") };
        for edit in edits {
            match edit {
                Edit::Write { file, objects } => bench.write(&name(file), &text(&objects)),
                Edit::Break { file } => bench.write(&name(file), "kind: ["),
                Edit::Remove { file } => fs::remove_file(bench.path(&name(file))).unwrap_or(()),
                Edit::Rename { from, to } => {
                    fs::rename(bench.path(&name(from)), bench.path(&name(to))).unwrap_or(());
                }
                Edit::Poll => {
                    bench.poll();
                }
            }
        }
        // A broken file keeps what it had, which a fresh reading cannot know: mend them all.
        for file in 0..4 {
            let path = bench.path(&name(file));
            if fs::read_to_string(&path).is_ok_and(|text| text.starts_with("kind: [")) {
                fs::remove_file(path).unwrap();
            }
        }
        bench.poll();
        prop_assert_eq!(&bench.world, &afresh(&bench));
        prop_assert!(bench.poll().is_empty());
        for object in bench.world.0.values() {
            let namespace = &object.meta().key.namespace;
            let is_real = matches!(object, Object::Namespace(_));
            prop_assert!(is_real || bench.world.get(crate::cluster::Kind::Namespace, "", namespace).is_some());
        }
    }
}
