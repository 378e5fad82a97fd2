//! Tests of the ledger: its rules one by one, then under random histories.

use proptest::prelude::*;

use super::*;

const STAY: Duration = Duration::from_secs(10);

fn demand(since: Instant) -> Wants {
    Wants::Demand { since }
}

fn is_in(ledger: &Ledger, model: usize) -> bool {
    matches!(ledger.place(model), Place::In { .. })
}

#[test]
fn at_the_start_as_many_are_in_as_fit() {
    assert_eq!(
        eager(&[50, 60, 40, 20], 100),
        [true, false, true, false],
        "a later one may use what an earlier one can't"
    );
    assert_eq!(eager(&[], 0), Vec::<bool>::new());
    let now = Instant::now();
    let mut ledger = Ledger::new(100, STAY);
    for need in [50, 60, 40] {
        let model = ledger.add(need, now);
        ledger.want(model, Wants::Wish);
    }
    ledger.settle(now);
    assert_eq!(
        [is_in(&ledger, 0), is_in(&ledger, 1), is_in(&ledger, 2)],
        [true, false, true]
    );
    assert_eq!((ledger.used(), ledger.residents()), (90, 2));
}

#[test]
fn the_least_recently_used_idle_model_makes_room() {
    let t = |seconds| Duration::from_secs(seconds);
    let start = Instant::now();
    let mut ledger = Ledger::new(2, STAY);
    for _ in 0..3 {
        ledger.add(1, start);
    }
    ledger.want(0, Wants::Wish);
    ledger.want(1, Wants::Wish);
    ledger.settle(start);
    ledger.busy(1, true, start + t(1));
    ledger.busy(1, false, start + t(2));
    ledger.busy(0, true, start + t(3));
    ledger.busy(0, false, start + t(4));
    ledger.want(2, demand(start + t(5)));
    ledger.settle(start + t(5));
    assert_eq!(ledger.place(1), Place::Leaving, "used before the other");
    assert_eq!(ledger.place(2), Place::Out, "not before it has left");
    ledger.settle(start + t(6));
    assert!(is_in(&ledger, 0), "one is enough");
    ledger.left(1);
    ledger.settle(start + t(7));
    assert!(is_in(&ledger, 2) && ledger.place(1) == Place::Out);
}

#[test]
fn a_busy_model_stays_its_time_and_no_longer() {
    let start = Instant::now();
    let mut ledger = Ledger::new(1, STAY);
    ledger.add(1, start);
    ledger.add(1, start);
    ledger.want(0, Wants::Wish);
    ledger.settle(start);
    ledger.busy(0, true, start);
    ledger.want(1, demand(start));
    ledger.settle(start + STAY - Duration::from_millis(1));
    assert!(is_in(&ledger, 0));
    ledger.settle(start + STAY);
    assert_eq!(ledger.place(0), Place::Leaving);
    ledger.left(0);
    ledger.want(0, demand(start + STAY));
    ledger.settle(start + STAY);
    assert!(is_in(&ledger, 1), "whoever waited longer");
    // It was let in for a job, so it stays until that was served.
    ledger.settle(start + STAY + STAY / 2);
    assert!(is_in(&ledger, 1));
    ledger.busy(1, false, start + STAY + STAY / 2);
    ledger.settle(start + STAY + STAY / 2);
    assert_eq!(ledger.place(1), Place::Leaving);
}

#[test]
fn what_is_freed_is_not_taken_by_a_smaller_one_that_came_later() {
    let start = Instant::now();
    let mut ledger = Ledger::new(4, STAY);
    for need in [2, 2, 4, 1] {
        ledger.add(need, start);
    }
    ledger.want(0, Wants::Wish);
    ledger.want(1, Wants::Wish);
    ledger.settle(start);
    ledger.want(2, demand(start));
    ledger.want(3, demand(start + Duration::from_millis(1)));
    ledger.settle(start + Duration::from_millis(1));
    assert_eq!(
        (ledger.place(0), ledger.place(1)),
        (Place::Leaving, Place::Leaving)
    );
    ledger.left(0);
    ledger.settle(start + Duration::from_millis(2));
    assert_eq!((ledger.place(2), ledger.place(3)), (Place::Out, Place::Out));
    ledger.left(1);
    ledger.settle(start + Duration::from_millis(3));
    assert!(is_in(&ledger, 2) && ledger.place(3) == Place::Out);
}

#[test]
fn a_model_that_takes_more_than_was_thought_makes_others_leave_or_leaves() {
    let start = Instant::now();
    let mut ledger = Ledger::new(4, STAY);
    for _ in 0..2 {
        let model = ledger.add(2, start);
        ledger.want(model, Wants::Wish);
    }
    ledger.settle(start);
    ledger.busy(1, true, start);
    ledger.set_need(1, 3);
    ledger.settle(start);
    assert_eq!(ledger.place(0), Place::Leaving);
    assert!(is_in(&ledger, 1));
    ledger.left(0);
    ledger.set_need(1, 5);
    ledger.settle(start);
    assert_eq!(ledger.place(1), Place::Leaving, "it can never be in");
    ledger.left(1);
    ledger.want(1, demand(start));
    ledger.settle(start);
    assert_eq!(ledger.place(1), Place::Out);
}

/// What happens in a random history.
#[derive(Debug, Clone)]
enum Event {
    Demand(usize),
    GiveUp(usize),
    Busy(usize),
    Idle(usize),
    Fails(usize),
    Time(u64),
    Leave,
}

fn event(models: usize) -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..models).prop_map(Event::Demand),
        1 => (0..models).prop_map(Event::GiveUp),
        2 => (0..models).prop_map(Event::Busy),
        2 => (0..models).prop_map(Event::Idle),
        1 => (0..models).prop_map(Event::Fails),
        2 => (1_u64..4000).prop_map(Event::Time),
        3 => Just(Event::Leave),
    ]
}

proptest! {
    #[test]
    fn the_budget_holds_and_nobody_waits_for_ever(
        needs in prop::collection::vec(1_u64..70, 2..6),
        events in prop::collection::vec(event(6), 1..200),
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut ledger = Ledger::new(100, STAY);
        for need in &needs {
            ledger.add(*need, now);
        }
        let leave = |ledger: &mut Ledger| {
            let leaving = (0..needs.len()).find(|i| ledger.place(*i) == Place::Leaving);
            leaving.map(|i| ledger.left(i)).is_some()
        };
        for event in events {
            match event {
                Event::Demand(i) if i < needs.len() => ledger.want(i, demand(now)),
                Event::GiveUp(i) if i < needs.len() => ledger.want(i, Wants::Nothing),
                Event::Busy(i) if i < needs.len() && is_in(&ledger, i) => ledger.busy(i, true, now),
                Event::Idle(i) if i < needs.len() && is_in(&ledger, i) => ledger.busy(i, false, now),
                Event::Fails(i) if i < needs.len() => ledger.left(i),
                Event::Time(ms) => now += Duration::from_millis(ms),
                Event::Leave => { leave(&mut ledger); }
                _ => {}
            }
            ledger.settle(now);
            prop_assert!(ledger.used() <= 100, "{ledger:?}");
        }
        // From here on everybody has steady work: each gets in again and again, in turns.
        let mut entered = vec![0_u32; needs.len()];
        for _ in 0..needs.len() * 4 {
            for _ in 0..=needs.len() {
                let before: Vec<bool> = (0..needs.len()).map(|i| is_in(&ledger, i)).collect();
                for i in 0..needs.len() {
                    match ledger.place(i) {
                        Place::Out => ledger.want(i, demand(now)),
                        Place::In { .. } => ledger.busy(i, true, now),
                        Place::Leaving => {}
                    }
                }
                ledger.settle(now);
                prop_assert!(ledger.used() <= 100);
                for i in 0..needs.len() {
                    entered[i] += u32::from(is_in(&ledger, i));
                    prop_assert!(!before[i] || ledger.place(i) != Place::Out, "nobody is thrown out");
                }
                if !leave(&mut ledger) {
                    break;
                }
            }
            now += STAY;
        }
        prop_assert!(entered.iter().all(|times| *times > 0), "{needs:?}: {entered:?}");
    }
}
