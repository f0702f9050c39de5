//! The decision as tables: a history and a wish, and the step that follows.

use super::*;

fn digest(text: &str) -> Digest {
    Digest::of([text])
}

fn wanted() -> Digest {
    digest("wanted")
}

fn recorded(revision: i64, status: Status, inputs: &Digest) -> Recorded {
    Recorded { inputs: Some(inputs.clone()), attempts: 1, ..Recorded::new(revision, status) }
}

fn situation(revisions: Vec<Recorded>) -> Situation {
    Situation {
        inputs: Some(wanted()),
        revisions,
        objects: Objects::AsDeclared,
        suspended: false,
        rollback_to: None,
        on_failure: OnFailure::Retry { retries: None },
        test: false,
        busy_elsewhere: false,
        cluster_changed: false,
    }
}

#[test]
fn a_request_without_a_release_is_installed() {
    assert_eq!(decide(&situation(vec![])), Step::Install { revision: 1 });
}

#[test]
fn the_newest_record_decides_the_step() {
    let (same, other) = (wanted(), digest("other"));
    let table = [
        (Status::Deployed, Some(&same), Objects::AsDeclared, Step::Settled),
        (Status::Deployed, Some(&same), Objects::Unfollowed, Step::Follow),
        (Status::Deployed, Some(&same), Objects::Unproven, Step::Reapply),
        (Status::Deployed, Some(&same), Objects::Deviating(2), Step::Repair),
        (Status::Deployed, Some(&other), Objects::Deviating(2), Step::Upgrade { revision: 5 }),
        (Status::Deployed, None, Objects::AsDeclared, Step::Adopt { revision: 4 }),
        (Status::PendingInstall, Some(&same), Objects::AsDeclared, Step::Resume { revision: 4 }),
        (Status::PendingUpgrade, Some(&same), Objects::AsDeclared, Step::Resume { revision: 4 }),
        (Status::PendingInstall, Some(&other), Objects::AsDeclared, Step::Upgrade { revision: 5 }),
        (Status::Failed, Some(&same), Objects::AsDeclared, Step::Resume { revision: 4 }),
        (Status::Failed, Some(&other), Objects::AsDeclared, Step::Upgrade { revision: 5 }),
        (Status::Uninstalled, None, Objects::AsDeclared, Step::Install { revision: 5 }),
    ];
    for (status, inputs, objects, expected) in table {
        let newest = Recorded { inputs: inputs.cloned(), ..Recorded::new(4, status) };
        let situation = Situation { objects, ..situation(vec![newest]) };
        assert_eq!(decide(&situation), expected, "{situation:?}");
    }
}

#[test]
fn what_another_writer_has_begun_may_end_before_it_is_taken_over() {
    let newest = |status, inputs| Recorded { inputs, ..Recorded::new(4, status) };
    let table = [
        (newest(Status::PendingUpgrade, None), true, Step::GiveWay { revision: 4 }),
        (newest(Status::Uninstalling, None), true, Step::GiveWay { revision: 4 }),
        (newest(Status::PendingUpgrade, None), false, Step::Upgrade { revision: 5 }),
        (newest(Status::Uninstalling, None), false, Step::Install { revision: 5 }),
        (newest(Status::PendingUpgrade, Some(wanted())), true, Step::Resume { revision: 4 }),
        (newest(Status::Deployed, None), true, Step::Adopt { revision: 4 }),
    ];
    for (newest, busy_elsewhere, expected) in table {
        let situation = Situation { busy_elsewhere, ..situation(vec![newest]) };
        assert_eq!(decide(&situation), expected, "{situation:?}");
    }
}

#[test]
fn another_answer_of_the_cluster_is_looked_at_where_a_revision_was_made_from_the_wanted_inputs() {
    let deployed = recorded(4, Status::Deployed, &wanted());
    let put_back = recorded(4, Status::Deployed, &wanted().after_failure());
    let pending = recorded(4, Status::PendingUpgrade, &wanted());
    let table = [
        (deployed.clone(), Objects::AsDeclared, Step::RenderAnew { revision: 4 }),
        (deployed, Objects::Deviating(1), Step::Repair),
        (put_back, Objects::AsDeclared, Step::Settled),
        (pending, Objects::AsDeclared, Step::Resume { revision: 4 }),
    ];
    for (newest, objects, expected) in table {
        let situation = Situation { objects, cluster_changed: true, ..situation(vec![newest]) };
        assert_eq!(decide(&situation), expected, "{situation:?}");
    }
}

#[test]
fn a_suspended_request_is_left_alone_whatever_drifts() {
    let newest = Recorded::new(4, Status::Deployed);
    let situation = Situation { objects: Objects::Deviating(1), suspended: true, ..situation(vec![newest]) };
    assert_eq!(decide(&situation), Step::Suspended);
}

#[test]
fn a_deployed_release_stays_in_repair_while_its_chart_cannot_be_had() {
    let newest = recorded(4, Status::Deployed, &wanted());
    let mut situation = Situation { objects: Objects::Deviating(1), inputs: None, ..situation(vec![newest]) };
    assert_eq!(decide(&situation), Step::Repair);
    situation.objects = Objects::AsDeclared;
    assert_eq!(decide(&situation), Step::Blocked);
}

#[test]
fn what_follows_a_failed_upgrade_is_chosen_by_the_request() {
    let good = recorded(1, Status::Deployed, &digest("before"));
    let again = Step::Resume { revision: 2 };
    let back = Step::Rollback { to: 1, cause: Cause::Failure(2) };
    let table = [
        (OnFailure::Retry { retries: None }, 99, &again),
        (OnFailure::Retry { retries: Some(2) }, 2, &again),
        (OnFailure::Retry { retries: Some(2) }, 3, &Step::GiveUp { revision: 2 }),
        (OnFailure::Rollback { retries: 0 }, 1, &back),
        (OnFailure::Rollback { retries: 1 }, 1, &again),
        (OnFailure::Rollback { retries: 1 }, 2, &back),
        (OnFailure::Uninstall { retries: 0 }, 1, &again),
        (OnFailure::Keep { retries: 0 }, 1, &Step::GiveUp { revision: 2 }),
    ];
    for (on_failure, attempts, expected) in table {
        let failed = Recorded { attempts, ..recorded(2, Status::Failed, &wanted()) };
        let situation = Situation { on_failure, ..situation(vec![good.clone(), failed]) };
        assert_eq!(decide(&situation), *expected, "{on_failure:?} after {attempts}");
    }
}

#[test]
fn a_failed_first_install_has_nothing_to_go_back_to_and_may_be_removed() {
    let failed = vec![recorded(1, Status::Failed, &wanted())];
    let with = |on_failure| decide(&Situation { on_failure, ..situation(failed.clone()) });
    assert_eq!(with(OnFailure::Rollback { retries: 0 }), Step::Resume { revision: 1 });
    assert_eq!(with(OnFailure::Uninstall { retries: 0 }), Step::Uninstall { revision: 1 });
}

#[test]
fn a_rollback_after_a_failure_holds_until_the_inputs_change() {
    let history = |inputs: &Digest, status| vec![recorded(2, Status::Failed, &wanted()), recorded(3, status, inputs)];
    let held = Situation {
        on_failure: OnFailure::Rollback { retries: 0 },
        ..situation(history(&wanted().after_failure(), Status::Deployed))
    };
    assert_eq!(decide(&held), Step::Settled);
    assert!(held.is_rolled_back_after_failure());
    assert_eq!(decide(&Situation { inputs: Some(digest("new")), ..held.clone() }), Step::Upgrade { revision: 4 });
    assert_eq!(decide(&Situation { objects: Objects::Deviating(1), ..held }), Step::Repair);
    let failed = situation(history(&wanted().after_failure(), Status::Failed));
    assert_eq!(decide(&failed), Step::Resume { revision: 3 }, "a rollback is never given up");
}

#[test]
fn a_rollback_by_the_user_is_made_once_and_holds_until_something_changes() {
    let asked = |revisions| Situation { rollback_to: Some(1), ..situation(revisions) };
    let first = recorded(1, Status::Superseded, &digest("first"));
    let second = recorded(2, Status::Deployed, &wanted());
    assert_eq!(decide(&asked(vec![first.clone(), second.clone()])), Step::Rollback { to: 1, cause: Cause::Asked });
    assert_eq!(decide(&asked(vec![second.clone()])), Step::NoSuchRevision { to: 1 });
    assert_eq!(decide(&asked(vec![])), Step::NoSuchRevision { to: 1 });

    let back = |status| Recorded { rollback_to: Some(1), ..recorded(3, status, &wanted().rolled_back(1)) };
    assert_eq!(decide(&asked(vec![second.clone(), back(Status::Deployed)])), Step::Settled, "the target may be pruned");
    assert_eq!(decide(&asked(vec![second.clone(), back(Status::PendingRollback)])), Step::Resume { revision: 3 });
    let changed = Situation { inputs: Some(digest("new")), ..asked(vec![second.clone(), back(Status::Deployed)]) };
    assert_eq!(decide(&changed), Step::Upgrade { revision: 4 });
    let removed = situation(vec![second.clone(), back(Status::Deployed)]);
    assert_eq!(decide(&removed), Step::Upgrade { revision: 4 });
    let another = Situation { rollback_to: Some(2), ..situation(vec![second, back(Status::Deployed)]) };
    assert_eq!(decide(&another), Step::Rollback { to: 2, cause: Cause::Asked });
}

#[test]
fn a_rollback_that_a_change_has_ended_is_not_made_again() {
    let back = Recorded { rollback_to: Some(1), ..recorded(3, Status::Superseded, &digest("old").rolled_back(1)) };
    let upgraded = Recorded { rollback_to: Some(1), ..recorded(4, Status::Deployed, &wanted()) };
    let first = recorded(1, Status::Superseded, &digest("first"));
    let ended = |more: &[Recorded]| Situation {
        rollback_to: Some(1),
        ..situation([&[first.clone(), back.clone()], more].concat())
    };
    assert_eq!(decide(&ended(std::slice::from_ref(&upgraded))), Step::Settled);
    let foreign = Recorded::new(5, Status::Deployed);
    assert_eq!(decide(&ended(&[upgraded, foreign.clone()])), Step::Adopt { revision: 5 });
    let held = Recorded { inputs: Some(wanted().rolled_back(1)), ..back };
    let taken = Situation { rollback_to: Some(1), ..situation(vec![first, held, foreign]) };
    assert_eq!(decide(&taken), Step::Rollback { to: 1, cause: Cause::Asked }, "another writer ended it");
}

#[test]
fn tests_run_once_for_a_healthy_revision() {
    let deployed = recorded(1, Status::Deployed, &wanted());
    let asked =
        |objects, tests| Situation { test: true, objects, ..situation(vec![Recorded { tests, ..deployed.clone() }]) };
    assert_eq!(decide(&asked(Objects::Healthy, None)), Step::Test { revision: 1 });
    assert_eq!(decide(&asked(Objects::AsDeclared, None)), Step::Settled);
    assert_eq!(decide(&asked(Objects::Deviating(1), None)), Step::Repair);
    assert_eq!(decide(&asked(Objects::Healthy, Some(Tested::Failed))), Step::Settled);
}
