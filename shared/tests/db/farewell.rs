//! The end of accounts: what is deleted is gone from every table, and nobody else loses anything.

use std::time::Duration;

use lamplighter_shared::{
    config::Retention,
    db::{
        accounts::{Deletion, cancel_jobs, schedule_deletion},
        api_tokens::{self, NewToken},
        audit::Origin,
        challenges::{self, NewChallenge, Purpose},
        finish::Outcome,
        retention::housekeeping,
        sessions::{self, NewSession},
        shares,
        submit::NewJob,
        tasks::{self, NewTask, TaskKind},
        users::{self, Role},
    },
    error::ErrorCode,
    id::{SessionId, TokenId, UserId},
    job::{JobError, JobState},
};
use uuid::Uuid;

use crate::world::{START, World, end, for_each_database, job, jobs, keyed, worker};

const DAY: i64 = 86_400_000;
const EMAIL: &str = "leaver@example.com";

async fn purged(w: &World) -> u64 {
    let for_ever = Retention {
        results_days: 0.0,
        rows_days: 0.0,
    };
    housekeeping(&w.db, &for_ever)
        .await
        .expect("housekeeping")
        .accounts
}

fn mail() -> NewTask {
    NewTask {
        kind: TaskKind::Mail,
        user: None,
        recipient: Some(EMAIL.to_owned()),
        payload: "{}".to_owned(),
    }
}

/// A UUID as a literal of the database.
fn literal(w: &World, id: Uuid) -> String {
    match w.name {
        "sqlite" => format!("X'{}'", id.simple().to_string().to_uppercase()),
        _ => format!("'{id}'"),
    }
}

/// Leaves a trace of the user wherever there can be one.
async fn leave_traces(w: &World, user: UserId) {
    let token = NewToken {
        id: TokenId::generate(),
        user,
        name: "laptop".to_owned(),
        scopes: vec!["jobs:read".to_owned()],
        fingerprint: [1; 32],
        expires_at: START + 100 * DAY,
        models: None,
        last4: None,
    };
    api_tokens::insert(&w.db, &token).await.expect("a token");
    let challenge = NewChallenge {
        purpose: Purpose::Reset,
        fingerprint: [2; 32],
        code_fingerprint: None,
        email: EMAIL.to_owned(),
        lifetime: Duration::from_secs(900),
        code_lifetime: Duration::ZERO,
    };
    challenges::replace(&w.db, user, &challenge)
        .await
        .expect("a challenge");
    tasks::enqueue(&w.db, &mail()).await.expect("a mail");
    let (id, new, other) = (
        literal(w, user.0),
        literal(w, Uuid::now_v7()),
        literal(w, Uuid::now_v7()),
    );
    let bytes = if w.name == "sqlite" { "X'03'" } else { "'\\x03'" };
    for sql in [
        format!("INSERT INTO sessions (id, user_id, fingerprint, created_at, authenticated_at, seen_at, expires_at)
            VALUES ({new}, {id}, {bytes}, 1, 1, 1, 1)"),
        format!("INSERT INTO identities (issuer, subject, user_id, email, created_at)
            VALUES ('https://issuer.example', 's', {id}, '{EMAIL}', 1)"),
        format!("INSERT INTO invitations (id, fingerprint, email, role, plan, created_by, created_at, expires_at)
            VALUES ({other}, {bytes}, '{EMAIL}', 'user', 'basic', {id}, 1, 1)"),
        format!("INSERT INTO shares (share_key, hour, hour_used, day, day_used) VALUES ('{user}', 1, 1, 1, 1)
            ON CONFLICT (share_key) DO NOTHING"),
    ] {
        w.execute(&sql).await;
    }
}

/// The tables that know the user, by identifier or by address, and how many rows of them; the audit log may.
async fn traces(w: &World, user: UserId) -> Vec<(String, i64)> {
    let tables = match w.name {
        "sqlite" => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        _ => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    };
    let mut found = Vec::new();
    for table in w.query(tables).await {
        let table: String = table.try_get_by_index(0).expect("a name");
        if table == "audit_log" {
            continue;
        }
        let whole = match w.name {
            "sqlite" => {
                let columns = w
                    .query(&format!("SELECT name FROM pragma_table_info('{table}')"))
                    .await;
                let columns = columns.iter().map(|row| {
                    let name: String = row.try_get_by_index(0).expect("a name");
                    format!("quote(\"{name}\")")
                });
                columns.collect::<Vec<_>>().join(" || ")
            }
            _ => format!("\"{table}\"::text"),
        };
        let needles = [
            user.to_string(),
            user.0.to_string(),
            user.0.simple().to_string(),
            EMAIL.to_owned(),
        ];
        let any: Vec<String> = needles
            .iter()
            .map(|needle| format!("lower({whole}) LIKE '%{needle}%'"))
            .collect();
        let count = w
            .number(&format!(
                "SELECT count(*) FROM \"{table}\" WHERE {}",
                any.join(" OR ")
            ))
            .await;
        if count > 0 {
            found.push((table, count));
        }
    }
    found
}

#[tokio::test]
async fn a_deleted_account_is_gone_from_every_table_and_nobody_else_loses_anything() {
    for_each_database(async |w| {
        users::create(&w.db, "admin@example.com", Role::Admin)
            .await
            .expect("an admin");
        let leaver = users::create(&w.db, EMAIL, Role::User).await.expect("a user").id;
        let stays = w.user().await;
        let me = worker("a");
        w.submit_all(jobs(leaver, 3)).await;
        let claimed = w.claim(&me, 2).await;
        let (done, running) = (&claimed[..1], &claimed[1]);
        w.succeed(&me, done).await;
        w.submit(keyed(leaver, "key", 1)).await;
        w.submit_all(jobs(stays, 4)).await;
        leave_traces(w, leaver).await;
        let before = traces(w, leaver).await;
        assert!(
            before.len() >= 10,
            "{}: the search finds something: {before:?}",
            w.name
        );

        let grace = Duration::from_secs(7 * 86_400);
        let scheduled = schedule_deletion(&w.db, leaver, grace, (&mail(), &Origin::system())).await;
        assert_eq!(
            scheduled.expect("scheduled"),
            Deletion::Scheduled(START + 7 * DAY)
        );
        assert_eq!(api_tokens::live(&w.db, &[1; 32]).await.expect("live"), None);
        assert_eq!(cancel_jobs(&w.db, leaver).await.expect("cancelled").len(), 3);
        assert_eq!(cancel_jobs(&w.db, leaver).await.expect("cancelled"), []);
        w.clock.advance(7 * DAY - 1);
        assert_eq!(purged(w).await, 0, "{}: to its last moment", w.name);
        // What a submit leaves behind that was under way.
        w.submit(job(leaver)).await;
        w.clock.advance(1);
        assert_eq!(purged(w).await, 0, "{}: a worker has a job of theirs", w.name);
        w.finish(&me, &[end(running, Outcome::Canceled)]).await;
        assert_eq!(purged(w).await, 1, "{}", w.name);
        assert_eq!(traces(w, leaver).await, [], "{}", w.name);
        assert_eq!(
            w.number("SELECT count(*) FROM jobs").await,
            4,
            "{}: of others",
            w.name
        );
        assert_eq!(
            w.number("SELECT CAST(sum(waiting) AS bigint) FROM lanes").await,
            4,
            "{}",
            w.name
        );
        let purges = "SELECT count(*) FROM audit_log WHERE action = 'account.purge'";
        assert_eq!(w.number(purges).await, 1, "{}", w.name);
        println!("{}: {} tables knew the user, 0 afterwards", w.name, before.len());
    })
    .await;
}

#[tokio::test]
async fn the_jobs_of_who_leaves_are_given_back_as_with_any_cancel() {
    for_each_database(async |w| {
        let leaver = w.user().await;
        let me = worker("a");
        w.submit_all(jobs(leaver, 6)).await;
        let runs = w.claim(&me, 3).await;
        w.succeed(&me, &runs[..1]).await;
        w.finish(
            &me,
            &[end(
                &runs[1],
                Outcome::Crashed(JobError::new(ErrorCode::WorkerCrashed, "no")),
            )],
        )
        .await;
        let glance = async || {
            let glance = shares::glance(&w.db, &leaver.to_string())
                .await
                .expect("a glance");
            (
                glance.standing.hour_used,
                glance.standing.day_used,
                glance.waiting,
                glance.running,
            )
        };
        assert_eq!(glance().await, (6, 6, 4, 1), "{}", w.name);
        let stopped = cancel_jobs(&w.db, leaver).await.expect("cancelled");
        let waited = stopped.iter().filter(|job| job.2 == JobState::Canceled).count();
        assert_eq!((stopped.len(), waited), (5, 4), "{}", w.name);
        // Three never ran.
        assert_eq!(glance().await, (3, 3, 0, 1), "{}", w.name);
        w.assert_lanes_true().await;
        w.assert_counted_true().await;
        w.finish(&me, &[end(&runs[2], Outcome::Canceled)]).await;
        let after = glance().await;
        println!(
            "{}: 6 jobs of who leaves, 3 given back, {} of the quota used, {} run",
            w.name, after.0, after.3
        );
        assert_eq!(after, (3, 3, 0, 0), "{}", w.name);
        w.assert_lanes_true().await;
        w.assert_counted_true().await;
    })
    .await;
}

#[tokio::test]
async fn nobody_who_came_back_is_removed_and_who_never_came_is() {
    for_each_database(async |w| {
        let back = users::create(&w.db, "back@example.com", Role::User)
            .await
            .expect("a user")
            .id;
        users::create(&w.db, "admin@example.com", Role::Admin)
            .await
            .expect("an admin");
        let notice = mail();
        let scheduled = schedule_deletion(&w.db, back, Duration::ZERO, (&notice, &Origin::system())).await;
        assert_eq!(scheduled.expect("scheduled"), Deletion::Scheduled(START));
        w.execute("UPDATE users SET delete_at = NULL").await;
        let never = users::create(&w.db, "never@example.com", Role::User)
            .await
            .expect("a user")
            .id;
        w.execute("UPDATE users SET verified_at = NULL WHERE email = 'never@example.com'")
            .await;
        let (idle, busy) = (UserId::generate(), UserId::generate());
        for guest in [idle, busy] {
            let owner_is_guest = true;
            w.submit(NewJob {
                owner_is_guest,
                ..job(guest)
            })
            .await;
        }
        cancel_jobs(&w.db, idle).await.expect("cancelled");
        w.execute(&format!(
            "DELETE FROM jobs WHERE owner_id = {}",
            literal(w, idle.0)
        ))
        .await;
        w.clock.advance(7 * DAY);
        assert_eq!(purged(w).await, 0, "{}", w.name);
        w.clock.advance(1);
        assert_eq!(purged(w).await, 1, "{}: unverified for 7 days", w.name);
        assert_eq!(users::get(&w.db, never).await.expect("get"), None);
        w.clock.advance(23 * DAY);
        assert_eq!(purged(w).await, 1, "{}: a guest for 30 days", w.name);
        assert_eq!(users::get(&w.db, idle).await.expect("get"), None);
        for stays in [back, busy] {
            assert!(
                users::get(&w.db, stays).await.expect("get").is_some(),
                "{}",
                w.name
            );
        }
    })
    .await;
}

/// An administrator who can't log in governs nothing: the one who can must stay.
#[tokio::test]
async fn only_who_can_log_in_lets_the_other_administrator_leave() {
    for_each_database(async |w| {
        let last = users::create(&w.db, "a@example.com", Role::Admin).await;
        let (last, notice) = (last.expect("an admin").id, mail());
        users::create(&w.db, "b@example.com", Role::Admin)
            .await
            .expect("an admin");
        let leave = async || {
            schedule_deletion(&w.db, last, Duration::ZERO, (&notice, &Origin::system()))
                .await
                .expect("decided")
        };
        let mut refused = 0;
        for state in [
            "verified_at = NULL",
            "verified_at = 1, approved_at = NULL",
            "approved_at = 1, is_guest = true",
            "is_guest = false, disabled_at = 1",
            "disabled_at = NULL, delete_at = 1",
        ] {
            w.execute(&format!("UPDATE users SET {state} WHERE email = 'b@example.com'"))
                .await;
            assert_eq!(leave().await, Deletion::LastAdmin, "{}: {state}", w.name);
            refused += 1;
        }
        println!("{}: the last usable administrator stays: {refused} of 5", w.name);
        w.execute("UPDATE users SET delete_at = NULL").await;
        assert_eq!(leave().await, Deletion::Scheduled(START), "{}", w.name);
    })
    .await;
}

/// Once its jobs are being removed, an account goes: a login that comes meanwhile must not find it without them.
#[tokio::test]
async fn nobody_comes_back_to_an_account_whose_jobs_are_gone() {
    for_each_database(async |w| {
        let leaver = users::create(&w.db, EMAIL, Role::User).await.expect("a user").id;
        let me = worker("a");
        w.submit_all(jobs(leaver, 3)).await;
        let runs = w.claim(&me, 2).await;
        w.succeed(&me, &runs[..1]).await;
        w.execute("UPDATE users SET delete_at = 1").await;
        let login = async |byte: u8| {
            let new = NewSession {
                id: SessionId::generate(),
                user: leaver,
                fingerprint: [byte; 32],
                password_hash: None,
                replaces: None,
                life_ms: DAY,
                address: "127.0.0.1".to_owned(),
                user_agent: None,
                origin: Origin::system(),
            };
            sessions::insert(&w.db, &new).await.expect("decided")
        };
        assert!(login(1).await.is_some_and(|login| login.restored), "in time");
        w.execute("UPDATE users SET delete_at = 1").await;
        assert_eq!(purged(w).await, 0, "{}: a worker has a job of theirs", w.name);
        let left = w.number("SELECT count(*) FROM jobs").await;
        assert_eq!((left, login(2).await), (1, None), "{}", w.name);
        w.finish(&me, &[end(&runs[1], Outcome::Canceled)]).await;
        assert_eq!(purged(w).await, 1, "{}", w.name);
        println!("{}: came back to an account without its jobs: 0 of 1", w.name);
    })
    .await;
}

#[tokio::test]
async fn the_last_administrator_cannot_leave_and_of_two_at_once_one_can() {
    for_each_database(async |w| {
        let mut admins = Vec::new();
        for name in ["a@example.com", "b@example.com"] {
            admins.push(
                users::create(&w.db, name, Role::Admin)
                    .await
                    .expect("an admin")
                    .id,
            );
        }
        let (origin, notice) = (Origin::system(), mail());
        let leave = async |user| {
            schedule_deletion(&w.db, user, Duration::ZERO, (&notice, &origin))
                .await
                .expect("decided")
        };
        let (first, second) = tokio::join!(leave(admins[0]), leave(admins[1]));
        let stay = [first, second]
            .iter()
            .filter(|end| **end == Deletion::LastAdmin)
            .count();
        assert_eq!(stay, 1, "{}", w.name);
    })
    .await;
}
