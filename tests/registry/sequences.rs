//! Any sequence of changes ends in what a fresh build from the final objects holds, and every view on
//! the way is one of the objects as they were told in full: no list is half there.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use fingerpost::cluster::{Change, Kind, KindSet, Object, ObjectKey};
use fingerpost::zone::{NamespaceFilter, Pods, Selectorless, Spec, View};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::universe::{NAMESPACES, namespace, object};
use crate::whole::{Contents, Hand, table};

/// One step of a sequence.
#[derive(Clone, Debug)]
enum Step {
    Put(Object),
    /// One of the objects that there are is told once more, as a new list does.
    Again(Index),
    /// One of the objects that there are, else one that there are not.
    Remove(Index, Object),
    Begin(Kind),
    End(Kind),
    /// What follows comes in another batch.
    Cut,
    Publish,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = || select(Kind::ALL.to_vec());
    let put = prop_oneof![
        8 => object(),
        1 => select(NAMESPACES.to_vec()).prop_map(namespace),
    ];
    prop_oneof![
        20 => put.prop_map(|object| Step::Put(versioned(object))),
        10 => any::<Index>().prop_map(Step::Again),
        6 => (any::<Index>(), object()).prop_map(|(index, other)| Step::Remove(index, other)),
        2 => kind().prop_map(Step::Begin),
        2 => kind().prop_map(Step::End),
        3 => Just(Step::Cut),
        3 => Just(Step::Publish),
    ]
}

/// The object with a version that tells it from any other state of it.
fn versioned(mut object: Object) -> Object {
    let mut hasher = DefaultHasher::new();
    object.hash(&mut hasher);
    let version = Some(hasher.finish().to_string().into());
    match &mut object {
        Object::Namespace(o) => o.meta.resource_version = version,
        Object::Service(o) => o.meta.resource_version = version,
        Object::EndpointSlice(o) => o.meta.resource_version = version,
        Object::Endpoints(o) => o.meta.resource_version = version,
        Object::Pod(o) => o.meta.resource_version = version,
    }
    object
}

fn spec() -> impl Strategy<Value = Arc<Spec>> {
    let filter = prop_oneof![
        3 => Just(NamespaceFilter::All),
        1 => Just(NamespaceFilter::Named(vec!["shop".into(), "a".into()])),
    ];
    let modes = select(vec![Selectorless::Auto, Selectorless::Endpoints]);
    let rare = || prop::bool::weighted(0.2);
    (filter, modes, any::<bool>(), rare(), rare()).prop_map(
        |(namespaces, selectorless, verified, names, ignore)| {
            Arc::new(Spec {
                namespaces,
                selectorless,
                pods: if verified { Pods::Verified } else { Pods::Disabled },
                endpoint_pod_names: names,
                ignore_empty_service: ignore,
                ..Spec::default()
            })
        },
    )
}

type Objects = BTreeMap<(Kind, ObjectKey), Object>;

/// The objects as the stream tells them, by the plainest reading of what a list is.
#[derive(Default)]
struct Told {
    objects: Objects,
    /// What the list under way of a kind has told.
    lists: BTreeMap<Kind, Objects>,
    /// The kinds of which a list has ended. What a first list tells may show before its end.
    listed: KindSet,
}

impl Told {
    fn tell(&mut self, change: &Change) {
        match change {
            Change::ListBegins(kind) => {
                self.lists.insert(*kind, Objects::new());
            }
            Change::Put(object) => {
                let (kind, key) = (object.kind(), object.meta().key.clone());
                self.each(kind, |objects| _ = objects.insert((kind, key.clone()), object.clone()));
            }
            Change::Remove(kind, key) => {
                self.each(*kind, |objects| _ = objects.remove(&(*kind, key.clone())));
            }
            Change::Triggered(..) => {}
            Change::ListEnds(kind) => {
                if let Some(list) = self.lists.remove(kind) {
                    self.objects.retain(|(of, _), _| of != kind);
                    self.objects.extend(list);
                }
                self.listed.insert(*kind);
            }
            Change::NotServed(kind) => {
                self.lists.remove(kind);
                self.objects.retain(|(of, _), _| of != kind);
                self.listed.insert(*kind);
            }
        }
    }

    /// Changes the objects, or the list under way, or both where it is the first.
    fn each(&mut self, kind: Kind, change: impl Fn(&mut Objects)) {
        let list = self.lists.get_mut(&kind);
        if list.is_none() || !self.listed.has(kind) {
            change(&mut self.objects);
        }
        list.into_iter().for_each(change);
    }
}

fn fresh(spec: &Arc<Spec>, objects: &Objects) -> Arc<View> {
    Hand::with(spec, objects.values().cloned()).view()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn every_sequence_ends_in_what_a_fresh_build_holds(
        spec in spec(),
        steps in vec(step(), 5..60),
        listed in any::<bool>(),
    ) {
        let mut hand = Hand::new(&spec);
        let mut told = Told::default();
        if listed {
            // From then on nothing waits, and lists are lists again.
            hand.registry.apply(Kind::ALL.map(Change::ListEnds));
            told.listed = KindSet::ALL;
        }
        let mut batch = Vec::new();
        for step in steps {
            let change = match step {
                Step::Put(object) => Change::Put(object),
                Step::Again(index) => {
                    let known: Vec<_> = told.objects.values().cloned().collect();
                    if known.is_empty() {
                        continue;
                    }
                    Change::Put(index.get(&known).clone())
                }
                Step::Begin(kind) => Change::ListBegins(kind),
                Step::End(kind) => Change::ListEnds(kind),
                Step::Remove(index, other) => {
                    let known: Vec<_> = told.objects.keys().cloned().collect();
                    let (kind, key) = if known.is_empty() {
                        (other.kind(), other.meta().key.clone())
                    } else {
                        index.get(&known).clone()
                    };
                    Change::Remove(kind, key)
                }
                Step::Cut => {
                    hand.registry.apply(batch.drain(..));
                    continue;
                }
                Step::Publish => {
                    hand.registry.apply(batch.drain(..));
                    hand.publisher.publish();
                    if hand.view().waiting().is_empty() {
                        prop_assert_eq!(table(&hand.view()), table(&fresh(&spec, &told.objects)));
                    }
                    continue;
                }
            };
            told.tell(&change);
            batch.push(change);
        }
        let ends = Kind::ALL.map(Change::ListEnds);
        for end in &ends {
            told.tell(end);
        }
        batch.extend(ends);
        hand.registry.apply(batch);
        hand.publisher.publish();
        prop_assert!(hand.view().waiting().is_empty());
        prop_assert_eq!(hand.contents(), Contents::of(&fresh(&spec, &told.objects)));
        prop_assert!(!hand.publisher.publish(), "nothing is left to be published");
    }

}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn threads_end_in_what_a_fresh_build_holds(
        objects in vec(object(), 10..80),
        again in vec(any::<bool>(), 80),
    ) {
        // As the API server's watches do: a thread a kind, and a publisher beside them.
        let spec = Arc::new(Spec { pods: Pods::Verified, ..Spec::default() });
        let hand = Hand::new(&spec);
        let mut told = Told::default();
        let mut streams: BTreeMap<Kind, Vec<Change>> = BTreeMap::new();
        let spaces = NAMESPACES.map(namespace);
        for (object, again) in spaces.into_iter().chain(objects).zip(again) {
            let stream = streams.entry(object.kind()).or_default();
            let key = object.meta().key.clone();
            if again && object.kind() != Kind::Namespace {
                stream.push(Change::Put(object.clone()));
                stream.push(Change::Remove(object.kind(), key));
            }
            stream.push(Change::Put(object));
        }
        for kind in Kind::ALL {
            streams.entry(kind).or_default().push(Change::ListEnds(kind));
        }
        streams.values().flatten().for_each(|change| told.tell(change));
        let Hand { registry, mut publisher } = hand;
        std::thread::scope(|scope| {
            for stream in streams.into_values() {
                let registry = &registry;
                scope.spawn(move || stream.into_iter().for_each(|change| registry.apply([change])));
            }
            for _ in 0..5 {
                publisher.publish();
            }
        });
        publisher.publish();
        let fresh = fresh(&spec, &told.objects);
        prop_assert_eq!(Contents::of(&registry.view().load()), Contents::of(&fresh));
    }
}
