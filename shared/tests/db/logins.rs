//! Logins: how often they may be tried, and sessions from the first to the last moment.

use std::time::Duration;

use lamplighter_shared::{
    config::Config,
    db::{
        attempts,
        audit::{Action, ActorKind, Origin},
        retention::housekeeping,
        sessions::{self, NewSession},
    },
    id::{SessionId, UserId},
};
use tokio::task::JoinSet;

use crate::world::{START, World, for_each_database};

const MINUTE: i64 = 60_000;
const IDLE: i64 = 10 * MINUTE;

fn new_session(user: UserId, byte: u8) -> NewSession {
    NewSession {
        id: SessionId::generate(),
        user,
        password_hash: None,
        fingerprint: [byte; 32],
        replaces: None,
        life_ms: 60 * MINUTE,
        address: "203.0.113.7".to_owned(),
        user_agent: Some("browser".to_owned()),
        origin: origin(),
    }
}

fn origin() -> Origin {
    Origin {
        kind: ActorKind::User,
        id: None,
        address: None,
        request_id: None,
    }
}

/// How many of so many tries were let through, 20 of them at a time.
async fn at_once<F>(tries: usize, one: impl Fn() -> F + Clone + Send + 'static) -> usize
where
    F: Future<Output = bool> + Send,
{
    const HANDS: usize = 20;
    let mut hands = JoinSet::new();
    for _ in 0..HANDS {
        let one = one.clone();
        hands.spawn(async move {
            let mut passed = 0;
            for _ in 0..tries / HANDS {
                passed += usize::from(one().await);
            }
            passed
        });
    }
    hands.join_all().await.into_iter().sum()
}

async fn live(w: &World, byte: u8) -> bool {
    sessions::live(&w.db, &[byte; 32], IDLE)
        .await
        .expect("live")
        .is_some()
}

#[tokio::test]
async fn of_many_tries_at_once_exactly_the_burst_gets_through() {
    for_each_database(async |w| {
        let db = w.db.clone();
        let allowed = at_once(200, move || {
            let db = db.clone();
            async move { attempts::admit(&db, "k", 0.05, 50).await.expect("admit").allowed }
        })
        .await;
        println!("{}: {allowed} of 200 at once at a burst of 50", w.name);
        assert_eq!(allowed, 50);
        let refused = attempts::admit(&w.db, "k", 0.05, 50).await.expect("admit");
        assert_eq!((refused.allowed, refused.remaining), (false, 0));
        assert_eq!(refused.retry_after, Duration::from_secs(20));
        w.clock.advance(19_999);
        assert!(
            !attempts::admit(&w.db, "k", 0.05, 50)
                .await
                .expect("admit")
                .allowed
        );
        w.clock.advance(1);
        assert!(
            attempts::admit(&w.db, "k", 0.05, 50)
                .await
                .expect("admit")
                .allowed
        );
        assert!(
            !attempts::admit(&w.db, "k", 0.05, 50)
                .await
                .expect("admit")
                .allowed
        );
        assert!(
            attempts::admit(&w.db, "other", 0.05, 1)
                .await
                .expect("admit")
                .allowed
        );
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_locks_nobody_out() {
    for_each_database(async |w| {
        for _ in 0..5 {
            attempts::admit(&w.db, "k", 1.0, 5).await.expect("admit");
        }
        w.clock.advance(-86_400_000);
        let refused = attempts::admit(&w.db, "k", 1.0, 5).await.expect("admit");
        assert!(!refused.allowed);
        assert!(refused.retry_after <= Duration::from_secs(5), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn failures_in_a_row_are_free_up_to_a_point_and_then_wait_longer_and_longer() {
    const FREE: u32 = 100;
    for_each_database(async |w| {
        let db = w.db.clone();
        let begun = at_once(300, move || {
            let db = db.clone();
            async move { attempts::begin(&db, "k", FREE).await.expect("begin").is_none() }
        })
        .await;
        assert_eq!(begun, 100, "{}", w.name);
        let mut total = Duration::ZERO;
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let wait = attempts::begin(&w.db, "k", FREE).await.expect("begin");
            assert_eq!(wait, Some(Duration::from_secs(expected)), "{}", w.name);
            w.clock.advance(expected as i64 * 1000 - 1);
            assert!(attempts::begin(&w.db, "k", FREE).await.expect("begin").is_some());
            w.clock.advance(1);
            assert_eq!(attempts::begin(&w.db, "k", FREE).await.expect("begin"), None);
            total += Duration::from_secs(expected);
        }
        println!(
            "{}: {begun} of 300 free, 12 more took {} s",
            w.name,
            total.as_secs()
        );
        attempts::succeeded(&w.db, "k", None).await.expect("succeeded");
        for _ in 0..FREE {
            assert_eq!(attempts::begin(&w.db, "k", FREE).await.expect("begin"), None);
        }
        assert!(attempts::begin(&w.db, "k", FREE).await.expect("begin").is_some());
        attempts::not_made(&w.db, "k").await.expect("not made");
        assert_eq!(attempts::begin(&w.db, "k", FREE).await.expect("begin"), None);
    })
    .await;
}

#[tokio::test]
async fn what_says_nothing_any_more_is_forgotten() {
    for_each_database(async |w| {
        let retention = Config::default().retention;
        attempts::admit(&w.db, "rate", 1.0, 5).await.expect("admit");
        attempts::begin(&w.db, "failures", 1).await.expect("begin");
        let user = w.user().await;
        sessions::insert(&w.db, &new_session(user, 1))
            .await
            .expect("insert");
        let count = async |table: &str| w.number(&format!("SELECT count(*) FROM {table}")).await;
        w.clock.advance(2000);
        let report = housekeeping(&w.db, &retention).await.expect("kept");
        assert_eq!((report.attempts, report.sessions), (1, 0), "{}", w.name);
        w.clock.advance(30 * 86_400_000);
        housekeeping(&w.db, &retention).await.expect("kept");
        assert_eq!((count("attempts").await, count("sessions").await), (0, 1));
        w.clock.advance(86_400_000);
        housekeeping(&w.db, &retention).await.expect("kept");
        assert_eq!(count("sessions").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_when_it_is_over_and_when_it_is_ended() {
    for_each_database(async |w| {
        let (user, other) = (w.user().await, w.user().await);
        let first = new_session(user, 1);
        let started = sessions::insert(&w.db, &first)
            .await
            .expect("insert")
            .expect("begun");
        assert_eq!(
            (started.expires_at, started.restored),
            (START + 60 * MINUTE, false)
        );
        w.clock.advance(IDLE - 1);
        assert!(live(w, 1).await);
        w.clock.advance(1);
        assert!(!live(w, 1).await, "{}: not used", w.name);
        // A minute's grain.
        sessions::insert(&w.db, &new_session(user, 2))
            .await
            .expect("insert");
        for _ in 0..59 {
            w.clock.advance(MINUTE);
            sessions::touch(&w.db, first.id, MINUTE).await.expect("touch");
            let second = sessions::list(&w.db, user, IDLE).await.expect("list");
            sessions::touch(&w.db, second[0].id, MINUTE).await.expect("touch");
            assert!(live(w, 2).await);
        }
        w.clock.advance(MINUTE - 1);
        assert!(live(w, 2).await);
        w.clock.advance(1);
        assert!(!live(w, 2).await, "{}: over, however much it was used", w.name);
        assert_eq!(sessions::list(&w.db, user, IDLE).await.expect("list"), []);

        let third = NewSession {
            replaces: None,
            ..new_session(user, 3)
        };
        sessions::insert(&w.db, &third).await.expect("insert");
        let fourth = NewSession {
            replaces: Some([3; 32]),
            ..new_session(user, 4)
        };
        sessions::insert(&w.db, &fourth).await.expect("insert");
        assert!(!live(w, 3).await && live(w, 4).await, "replaced");
        let entry = origin().did(Action::SessionEnd).user(user);
        let end = async |whose, id| sessions::end(&w.db, whose, id, &entry).await.expect("end");
        assert_eq!(end(other, fourth.id).await, None, "not theirs");
        assert_eq!(end(user, fourth.id).await, Some([4; 32]));
        assert_eq!(end(user, fourth.id).await, None, "once");
        assert!(!live(w, 4).await);

        let all: Vec<NewSession> = (5..8).map(|byte| new_session(user, byte)).collect();
        for new in &all {
            sessions::insert(&w.db, new).await.expect("insert");
        }
        sessions::insert(&w.db, &new_session(other, 9))
            .await
            .expect("insert");
        let mut ended = sessions::end_all(&w.db, user, Some(all[1].id), &entry)
            .await
            .expect("end all");
        // Those that ran out by themselves are ended, too.
        ended.sort_unstable();
        assert_eq!(ended, [[1; 32], [2; 32], [5; 32], [7; 32]]);
        assert!(live(w, 6).await && live(w, 9).await && !live(w, 5).await);
        let entries = w
            .number("SELECT count(*) FROM audit_log WHERE action = 'session.end'")
            .await;
        assert_eq!(entries, 2, "nothing is written down that was not done");
    })
    .await;
}

#[tokio::test]
async fn a_login_counts_only_for_an_account_that_may_and_takes_a_deletion_back() {
    for_each_database(async |w| {
        let user = w.user().await;
        w.execute("UPDATE users SET password_hash = 'new', delete_at = 1")
            .await;
        let with = |byte, hash: Option<&str>| NewSession {
            password_hash: hash.map(str::to_owned),
            ..new_session(user, byte)
        };
        let begin = async |new| sessions::insert(&w.db, &new).await.expect("insert");
        assert_eq!(
            begin(with(1, Some("old"))).await,
            None,
            "{}: changed meanwhile",
            w.name
        );
        assert!(begin(with(2, Some("new"))).await.expect("begun").restored);
        assert!(!begin(with(3, None)).await.expect("begun").restored, "once");
        assert!(live(w, 2).await && live(w, 3).await && !live(w, 1).await);
        let row = &w
            .query("SELECT last_login_at, last_login_address FROM users")
            .await[0];
        let at: i64 = row.try_get("", "last_login_at").expect("a time");
        let address: String = row.try_get("", "last_login_address").expect("an address");
        assert_eq!((at, address.as_str()), (START, "203.0.113.7"));
        w.execute("UPDATE users SET disabled_at = 1").await;
        assert_eq!(begin(with(4, None)).await, None);
        assert!(!live(w, 2).await);
        let restored = w
            .number("SELECT count(*) FROM audit_log WHERE action = 'account.restore'")
            .await;
        assert_eq!(restored, 1);
    })
    .await;
}
