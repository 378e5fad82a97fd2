//! The users that hold the jobs of people without an account: made with the first job that is stored, and not
//! before.

use lamplighter_shared::{
    db::{
        shares::{Quota, ShareLimits},
        submit::{NewJob, Submitted},
        users::{self, Role},
    },
    id::UserId,
};

use tokio::task::JoinSet;

use crate::world::{START, World, for_each_database, job, keyed};

const NETWORK: &str = "guest:198.51.100.7";

/// A job of a guest, in the network where two may wait.
fn of_guest(new: NewJob) -> NewJob {
    NewJob {
        owner_is_guest: true,
        share_key: NETWORK.to_owned(),
        limits: ShareLimits {
            waiting: 2,
            ..ShareLimits::default()
        },
        ..new
    }
}

async fn is_there(w: &World, id: UserId) -> bool {
    users::get(&w.db, id).await.expect("get").is_some()
}

#[tokio::test]
async fn a_guest_is_made_with_their_first_job_and_has_no_address_of_anybody() {
    for_each_database(async |w| {
        let id = UserId::generate();
        w.submit(of_guest(keyed(id, "k", 1))).await;
        let guest = users::get(&w.db, id).await.expect("get").expect("it is there");
        assert!(guest.is_guest && guest.email.ends_with("@guest.invalid"));
        assert_eq!(
            (
                guest.role,
                guest.plan.as_str(),
                guest.verified_at,
                guest.created_at
            ),
            (Role::User, "guest", None, START)
        );
        w.clock.advance(1);
        w.submit(of_guest(job(id))).await;
        let again = users::get(&w.db, id).await.expect("get");
        assert_eq!(again, Some(guest), "unchanged");
    })
    .await;
}

#[tokio::test]
async fn who_is_refused_leaves_no_row() {
    for_each_database(async |w| {
        let (first, both) = (UserId::generate(), UserId::generate());
        w.submit(of_guest(job(first))).await;
        // In whatever groups they are committed: of the one who is let in once, the row stays.
        let (once, twice) = tokio::join!(
            w.submitter.submit(of_guest(job(both))),
            w.submitter.submit(of_guest(keyed(both, "k", 1))),
        );
        let mut strangers = JoinSet::new();
        for _ in 0..30 {
            let (submitter, new) = (w.submitter.clone(), of_guest(keyed(UserId::generate(), "k", 1)));
            strangers.spawn(async move { submitter.submit(new).await });
        }
        let mut results = strangers.join_all().await;
        results.extend([once, twice]);
        let mut stored = 0;
        for result in &results {
            match result.as_ref().expect("decided") {
                Submitted::Created(_) => stored += 1,
                Submitted::Refused(refusal) => assert_eq!(refusal.quota, Quota::Waiting),
                other => panic!("{other:?}"),
            }
        }
        let guests = w.number("SELECT count(*) FROM users WHERE is_guest = true").await;
        let keys = w.number("SELECT count(*) FROM idempotency_keys").await;
        println!(
            "{}: {stored} of {} guests let in, rows of guests {guests}, keys {keys}",
            w.name,
            results.len()
        );
        assert_eq!((stored, guests, keys), (1, 2, 0), "{}", w.name);
        assert!(is_there(w, first).await && is_there(w, both).await, "{}", w.name);
        let again = w.submitter.submit(of_guest(job(first))).await.expect("decided");
        assert!(matches!(again, Submitted::Refused(_)), "{again:?}");
        assert!(is_there(w, first).await, "{}: who is known stays", w.name);
        w.assert_lanes_true().await;
    })
    .await;
}
