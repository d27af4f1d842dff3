use super::users::{next_change, whole};
use super::*;

fn changes(start: f64, stages: &[(f64, f64)]) -> Vec<f64> {
    let profile = Profile {
        start,
        stages: stages.to_vec(),
    };
    let mut at = 0.0;
    let mut out = Vec::new();
    while let Some(next) = next_change(&profile, at) {
        // As the calendar has it: in whole nanoseconds, and later than before.
        at = f64::max(nanos(next) as f64 * 1e-9, at + 1e-9);
        out.push((at * 1e6).round() / 1e6);
        assert!(out.len() < 100, "{out:?}");
    }
    out
}

#[test]
fn the_number_of_users_changes_when_the_profile_passes_a_whole_number() {
    assert_eq!(changes(5.0, &[]), Vec::<f64>::new());
    assert_eq!(changes(0.0, &[(4.0, 2.0)]), [2.0, 4.0]);
    assert_eq!(
        changes(1.0, &[(10.0, 3.0), (5.0, 3.0), (2.0, 1.0)]),
        [5.0, 10.0, 15.0, 16.0, 17.0]
    );
    assert_eq!(changes(3.0, &[(3.0, 0.0)]), [1.0, 2.0, 3.0]);
    // A step at once, then nothing more until the end of the stage.
    assert_eq!(changes(0.0, &[(0.0, 4.0), (10.0, 4.0)]), [10.0]);
    // Half a user is none: the next change is the stage's end.
    assert_eq!(changes(0.0, &[(4.0, 0.5), (1.0, 1.0)]), [4.0, 5.0]);
    assert_eq!(changes(2.5, &[(3.0, 1.0)]), [1.0, 3.0]);
}

#[test]
fn a_fraction_of_a_user_is_none() {
    for (users, n) in [
        (0.0, 0),
        (0.9, 0),
        (0.9995, 1),
        (1.0, 1),
        (1.5, 1),
        (2.0, 2),
        (1e18, u32::MAX),
    ] {
        assert_eq!(whole(users), n, "{users}");
    }
}

#[test]
fn after_a_profile_that_ends_at_zero_nothing_arrives() {
    let of = |stages: &[(f64, f64)], area: f64| {
        let profile = Profile {
            start: 2.0,
            stages: stages.to_vec(),
        };
        reach(&profile, area)
    };
    assert_eq!(of(&[], 10.0), Some(5.0));
    assert_eq!(of(&[(4.0, 2.0)], 10.0), Some(5.0));
    assert_eq!(of(&[(4.0, 0.0)], 4.0), Some(4.0));
    assert_eq!(of(&[(4.0, 0.0)], 4.1), None);
}
