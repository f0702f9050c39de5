use tokio::time::Instant;

use super::*;
use crate::cluster::health::Verdict;
use crate::cluster::observe::{Change, Expectation, SourceRead, Standing};

/// An index with one kind that is completely told, and one owner that expects one object.
struct Fixture {
    index: Index,
    id: KindId,
}

const OURS: Option<u64> = Some(1);
const OTHER: Option<u64> = Some(2);

impl Fixture {
    fn new() -> Self {
        let mut index = Index::default();
        let id = index.kind("apps", "Deployment");
        let mut fixture = Self { index, id };
        fixture.told(&[]);
        fixture.index.begin_strangers(id);
        fixture.index.end_strangers(id);
        fixture
    }

    /// The watch tells all objects anew.
    fn told(&mut self, objects: &[(&str, u64, Option<u64>)]) {
        self.index.begin(self.id);
        for (name, version, hash) in objects {
            self.seen(name, *version, *hash);
        }
        self.index.end(self.id);
    }

    fn seen(&mut self, name: &str, version: u64, hash: Option<u64>) {
        self.judged(name, version, hash, Verdict::Current);
    }

    fn judged(&mut self, name: &str, version: u64, hash: Option<u64>, verdict: Verdict) {
        let marks = self.index.marks(Some("web".into()), Some("shop".into()));
        let live = Live { uid: "u".into(), version, generation: 1, marks, is_kept: false, hash, verdict };
        self.index.apply_live(self.id, "shop", name, live);
    }

    fn gone(&mut self, name: &str, version: u64) {
        self.index.delete(self.id, "shop", name, version);
    }

    fn wrote(&mut self, name: &str, version: u64) {
        self.index.expect(&owner(), &key(name), Expectation::Written { hash: OURS, version });
    }

    fn triggers(&mut self) -> Vec<(String, Change)> {
        std::iter::from_fn(|| self.index.next_trigger()).map(|t| (t.object.name, t.change)).collect()
    }

    fn deviations(&mut self) -> Vec<(String, bool)> {
        self.index.deviations(&owner()).into_iter().map(|d| (d.object.name, d.gone)).collect()
    }

    fn settled() -> Self {
        let mut fixture = Self::new();
        fixture.wrote("web", 10);
        fixture.seen("web", 10, OURS);
        fixture.triggers();
        fixture
    }
}

fn owner() -> OwnerKey {
    OwnerKey { namespace: "shop".into(), name: "web".into() }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { group: "apps".into(), kind: "Deployment".into(), namespace: "shop".into(), name: name.into() }
}

#[test]
fn a_change_of_our_fields_triggers_once_and_deviates_until_it_is_undone() {
    let mut fixture = Fixture::settled();
    fixture.seen("web", 11, OTHER);
    fixture.seen("web", 12, OTHER);
    assert_eq!(fixture.triggers(), [("web".into(), Change::Modified)]);
    assert_eq!(fixture.deviations(), [("web".into(), false)]);
    fixture.seen("web", 13, OURS);
    assert_eq!(fixture.triggers(), [("web".into(), Change::Modified)], "the owner learns that it is as it was");
    assert_eq!(fixture.deviations(), []);
}

#[test]
fn a_change_keeps_the_time_at_which_it_was_first_seen_until_it_is_undone() {
    let mut fixture = Fixture::settled();
    let before = Instant::now();
    fixture.seen("web", 11, OTHER);
    let seen = Instant::now();
    let since = |fixture: &mut Fixture| fixture.index.deviations(&owner()).first().map(|deviation| deviation.since);
    let first = since(&mut fixture);
    assert!(first.is_some_and(|first| before <= first && first <= seen));
    fixture.seen("web", 12, OTHER);
    assert_eq!(since(&mut fixture), first);
    fixture.seen("web", 13, OURS);
    assert_eq!(since(&mut fixture), None);
    fixture.seen("web", 14, OTHER);
    assert!(since(&mut fixture) > first);
}

#[test]
fn a_deleted_object_triggers_and_is_missing() {
    let mut fixture = Fixture::settled();
    fixture.gone("web", 11);
    assert_eq!(fixture.triggers(), [("web".into(), Change::Deleted)]);
    assert_eq!(fixture.deviations(), [("web".into(), true)]);
    assert_eq!(fixture.index.health(&owner()).unhealthy, [(key("web"), Standing::Missing)]);
}

#[test]
fn what_others_add_is_no_news() {
    let mut fixture = Fixture::settled();
    fixture.seen("web", 11, OURS);
    fixture.seen("web", 12, OURS);
    assert_eq!(fixture.triggers(), []);
}

#[test]
fn events_older_than_our_write_are_no_news() {
    let mut fixture = Fixture::settled();
    fixture.wrote("web", 20);
    fixture.seen("web", 15, OTHER);
    fixture.gone("web", 16);
    assert_eq!((fixture.triggers(), fixture.deviations()), (vec![], vec![]));
    assert_eq!(fixture.index.health(&owner()).unhealthy, [(key("web"), Standing::NotSeen)]);
    fixture.seen("web", 20, OURS);
    assert_eq!(fixture.triggers(), [("web".into(), Change::Health)], "what was written has now been seen");
    assert_eq!(fixture.deviations(), []);
}

#[test]
fn our_own_write_that_is_seen_before_its_reply_is_no_news_for_a_held_owner() {
    let mut fixture = Fixture::settled();
    fixture.index.hold(&owner());
    fixture.seen("web", 20, OTHER);
    fixture.index.expect(&owner(), &key("web"), Expectation::Written { hash: OTHER, version: 20 });
    assert_eq!(fixture.deviations(), []);
    fixture.index.release(&owner());
    assert_eq!(fixture.triggers(), []);
}

#[test]
fn what_went_before_the_reply_to_our_write_came_is_gone() {
    let mut fixture = Fixture::settled();
    fixture.index.hold(&owner());
    fixture.seen("web", 20, OURS);
    fixture.gone("web", 21);
    fixture.wrote("web", 20);
    fixture.index.release(&owner());
    assert_eq!(fixture.triggers(), [("web".into(), Change::Deleted)]);
    assert_eq!(fixture.deviations(), [("web".into(), true)]);
    // What is written in its place is waited for.
    fixture.wrote("web", 25);
    assert_eq!(fixture.deviations(), []);
}

#[test]
fn a_change_that_comes_after_our_write_is_sent_when_the_owner_is_let_go() {
    let mut fixture = Fixture::settled();
    fixture.index.hold(&owner());
    fixture.wrote("web", 20);
    fixture.seen("web", 20, OURS);
    assert_eq!(fixture.deviations(), []);
    fixture.seen("web", 21, OTHER);
    assert_eq!(fixture.triggers(), []);
    fixture.index.release(&owner());
    assert_eq!(fixture.triggers(), [("web".into(), Change::Modified)]);
}

#[test]
fn news_that_no_longer_hold_are_not_sent_as_deviations() {
    let mut fixture = Fixture::settled();
    fixture.index.hold(&owner());
    fixture.seen("web", 20, OTHER);
    fixture.seen("web", 21, OURS);
    fixture.index.release(&owner());
    assert_eq!(fixture.triggers(), [("web".into(), Change::Health)]);
}

#[test]
fn health_changes_trigger_and_steps_on_the_way_are_told_apart() {
    let mut fixture = Fixture::settled();
    fixture.judged("web", 11, OURS, Verdict::InProgress("1 of 2".into()));
    assert_eq!(fixture.triggers(), [("web".into(), Change::Health)]);
    fixture.judged("web", 12, OURS, Verdict::InProgress("0 of 2".into()));
    assert_eq!(fixture.triggers(), [("web".into(), Change::Progress)]);
    let health = fixture.index.health(&owner());
    assert_eq!((health.total, health.ready, health.is_ready()), (1, 0, false));
    fixture.judged("web", 13, OURS, Verdict::Failed("no".into()));
    assert_eq!(fixture.triggers(), [("web".into(), Change::Health)]);
    assert!(fixture.index.health(&owner()).has_failed());
}

#[test]
fn health_that_was_only_looked_at_is_still_sent_when_the_owner_is_let_go() {
    let mut fixture = Fixture::settled();
    fixture.judged("web", 11, OURS, Verdict::InProgress("0 of 1".into()));
    assert_eq!(fixture.triggers(), [("web".into(), Change::Health)]);
    let becomes_healthy = |fixture: &mut Fixture, version| {
        fixture.index.hold(&owner());
        fixture.judged("web", version, OURS, Verdict::InProgress("0 of 1".into()));
        fixture.judged("web", version + 1, OURS, Verdict::Current);
    };
    becomes_healthy(&mut fixture, 12);
    assert!(fixture.index.look_at_health(&owner()).is_ready());
    fixture.index.release(&owner());
    assert_eq!(fixture.triggers(), [("web".into(), Change::Health)]);

    becomes_healthy(&mut fixture, 14);
    assert!(fixture.index.health(&owner()).is_ready());
    fixture.index.release(&owner());
    assert_eq!(fixture.triggers(), [], "what was told is not sent again");
}

#[test]
fn after_a_cut_what_is_not_told_again_is_gone() {
    let mut fixture = Fixture::settled();
    fixture.wrote("db", 11);
    fixture.seen("db", 11, OURS);
    fixture.triggers();
    fixture.told(&[("web", 10, OURS)]);
    assert_eq!(fixture.triggers(), [("db".into(), Change::Deleted)]);
    assert_eq!(fixture.index.lookup(&key("db")), Observed::Absent);
    assert!(matches!(fixture.index.lookup(&key("web")), Observed::Managed(_)));
}

#[test]
fn what_was_written_while_the_watch_was_telling_is_waited_for() {
    let mut fixture = Fixture::new();
    fixture.index.begin(fixture.id);
    fixture.wrote("web", 10);
    fixture.index.end(fixture.id);
    assert_eq!((fixture.triggers(), fixture.deviations()), (vec![], vec![]));
    fixture.told(&[]);
    assert_eq!(fixture.triggers(), [("web".into(), Change::Deleted)], "the next telling would have had it");
}

#[test]
fn an_object_that_lost_helms_label_is_changed_and_not_gone() {
    let mut fixture = Fixture::settled();
    fixture.gone("web", 11);
    fixture.index.change_stranger(fixture.id, "shop", "web", 11);
    assert_eq!(fixture.deviations(), [("web".into(), false)]);
    assert_eq!(fixture.index.lookup(&key("web")), Observed::Foreign);
}

#[test]
fn a_lookup_answers_only_when_everything_was_told() {
    let mut index = Index::default();
    assert_eq!(index.lookup(&key("web")), Observed::NotWatched);
    let id = index.kind("apps", "Deployment");
    index.begin(id);
    index.end(id);
    assert_eq!(index.lookup(&key("web")), Observed::NotWatched, "strangers were not told");
    let fixture = Fixture::settled();
    let Observed::Managed(state) = fixture.index.lookup(&key("web")) else { panic!("managed") };
    assert!(state.marks.are_of("web", "shop"));
    assert_eq!((state.hash, state.version), (OURS, 10));
    assert_eq!(fixture.index.lookup(&key("other")), Observed::Absent);
}

#[test]
fn strangers_are_replaced_by_the_next_telling() {
    let mut fixture = Fixture::new();
    fixture.index.change_stranger(fixture.id, "shop", "old", 1);
    assert_eq!(fixture.index.lookup(&key("old")), Observed::Foreign);
    fixture.index.begin_strangers(fixture.id);
    assert_eq!(fixture.index.lookup(&key("old")), Observed::Foreign, "until the telling is complete");
    fixture.index.end_strangers(fixture.id);
    assert_eq!(fixture.index.lookup(&key("old")), Observed::Absent);
}

#[test]
fn after_a_restart_the_digest_tells_whether_all_is_as_it_was() {
    let mut before = Fixture::settled();
    before.wrote("db", 11);
    let expected = before.index.digest(&owner()).expect("a digest");

    let restart = |objects: &[(&str, u64, Option<u64>)]| {
        let mut after = Fixture::new();
        after.told(objects);
        after.index.track(&owner(), ["db", "web"].map(|name| (key(name), Expectation::Live)).into(), &HashSet::new());
        (after.index.digest(&owner()), after.deviations())
    };
    let (digest, deviations) = restart(&[("web", 90, OURS), ("db", 91, OURS)]);
    assert_eq!((digest, deviations), (Some(expected.clone()), vec![]));
    assert_ne!(restart(&[("web", 90, OTHER), ("db", 91, OURS)]).0, Some(expected.clone()));
    let (digest, deviations) = restart(&[("web", 90, OURS)]);
    assert_ne!(digest, Some(expected));
    assert_eq!(deviations, [("db".into(), true)]);
}

#[test]
fn the_objects_of_a_release_are_those_that_name_it() {
    let mut fixture = Fixture::settled();
    fixture.seen("db", 11, OURS);
    let marks = fixture.index.marks(Some("other".into()), Some("shop".into()));
    let verdict = Verdict::Current;
    let live = Live { uid: "u".into(), version: 12, generation: 1, marks, is_kept: false, hash: OURS, verdict };
    fixture.index.apply_live(fixture.id, "shop", "cache", live.clone());
    assert_eq!(fixture.index.objects_of("web", "shop"), [key("db"), key("web")]);
    assert_eq!(fixture.index.objects_of("other", "shop"), [key("cache")]);

    fixture.index.apply_live(fixture.id, "shop", "db", live);
    fixture.gone("web", 13);
    assert_eq!(fixture.index.objects_of("web", "shop"), []);
    assert_eq!(fixture.index.objects_of("other", "shop"), [key("cache"), key("db")]);
    fixture.told(&[]);
    assert_eq!(fixture.index.objects_of("other", "shop"), []);
    assert!(fixture.index.marks.is_empty(), "a release without objects is forgotten");
}

#[test]
fn what_is_no_longer_tracked_is_no_longer_told() {
    let mut fixture = Fixture::settled();
    fixture.index.track(&owner(), vec![(key("db"), Expectation::Live)], &HashSet::new());
    fixture.seen("web", 11, OTHER);
    assert_eq!(fixture.triggers(), []);
    fixture.index.forget(&owner());
    assert_eq!(fixture.index.digest(&owner()), None);
    assert_eq!(fixture.index.lookup(&key("db")), Observed::Absent);
}

#[test]
fn an_object_that_another_owner_took_over_is_told_to_that_one() {
    let mut fixture = Fixture::settled();
    let other = OwnerKey { namespace: "shop".into(), name: "other".into() };
    fixture.index.expect(&other, &key("web"), Expectation::Live);
    fixture.index.forget(&owner());
    fixture.gone("web", 11);
    let trigger = fixture.index.next_trigger().expect("a trigger");
    assert_eq!(trigger.owner, other);
}

fn read(version: u64) -> Vec<SourceRead> {
    let (group, kind) = (String::new(), "Secret".to_owned());
    let object = ObjectKey { group, kind, namespace: "shop".into(), name: "values".into() };
    vec![SourceRead { object, version }]
}

#[test]
fn sources_trigger_when_they_are_created_changed_and_deleted() {
    let mut index = Index::default();
    let id = index.kind("", "Secret");
    index.read_sources(&owner(), read(0));
    let next = |index: &mut Index| index.next_trigger().map(|trigger| trigger.change);
    index.change_stranger(id, "shop", "values", 5);
    assert_eq!(next(&mut index), Some(Change::Source), "created");
    index.read_sources(&owner(), read(5));
    assert_eq!(next(&mut index), None, "already read");
    index.change_stranger(id, "shop", "values", 4);
    assert_eq!(next(&mut index), None, "older than what was read");
    index.change_stranger(id, "shop", "values", 6);
    assert_eq!(next(&mut index), Some(Change::Source), "changed");
    index.delete_stranger(id, "shop", "values", 7);
    assert_eq!(next(&mut index), Some(Change::Source), "deleted");
}

#[test]
fn a_source_that_is_newer_than_what_was_read_triggers_at_once() {
    let mut index = Index::default();
    let id = index.kind("", "Secret");
    index.change_stranger(id, "shop", "values", 6);
    index.read_sources(&owner(), read(5));
    assert_eq!(index.next_trigger().map(|trigger| trigger.change), Some(Change::Source));
    index.read_sources(&owner(), Vec::new());
    index.change_stranger(id, "shop", "values", 8);
    assert_eq!(index.next_trigger(), None, "it is no longer read");
}

#[test]
fn sources_that_changed_while_the_watch_was_cut_trigger() {
    let mut index = Index::default();
    let id = index.kind("", "Secret");
    index.begin(id);
    index.end(id);
    index.read_sources(&owner(), read(5));
    index.begin_strangers(id);
    index.tell_stranger(
        id,
        &serde_json::from_value(serde_json::json!({
            "metadata": {"namespace": "shop", "name": "values", "resourceVersion": "9"},
        }))
        .expect("a stranger"),
    );
    index.end_strangers(id);
    assert_eq!(index.next_trigger().map(|trigger| trigger.change), Some(Change::Source));
    index.begin_strangers(id);
    index.end_strangers(id);
    assert_eq!(index.next_trigger().map(|trigger| trigger.change), Some(Change::Source), "now it is gone");
}
