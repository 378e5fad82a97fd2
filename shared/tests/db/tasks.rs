//! Tasks: claimed by one, fenced by an epoch, tried again, put off, given up, revived, forgotten. And the
//! reminders of tokens that end.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::{
    config::Config,
    db::{
        api_tokens::{self, NewToken},
        audit::{Action, Origin},
        outbox::{self, MailState, Retry},
        reminders::{self, remind},
        retention::housekeeping,
        task_claims::{LEASE, claim, done, failed, put_off},
        tasks::{NewTask, TaskKind, enqueue},
        users::{self, Role},
    },
    id::{TaskId, TokenId, UserId},
};
use tokio::task::JoinSet;

use crate::world::{START, World, for_each_database};

const DAY: i64 = 86_400_000;
const SECOND: Duration = Duration::from_secs(1);

fn mail(to: &str) -> NewTask {
    NewTask {
        kind: TaskKind::Mail,
        user: None,
        recipient: Some(to.to_owned()),
        payload: "{\"sealed\":\"x\"}".to_owned(),
    }
}

async fn stored(w: &World, count: usize) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for i in 0..count {
        ids.push(
            enqueue(&w.db, &mail(&format!("{i}@example.org")))
                .await
                .expect("enqueue"),
        );
    }
    ids
}

#[tokio::test]
async fn many_processes_share_tasks_and_none_is_claimed_twice() {
    for_each_database(async |w| {
        let mut ids = stored(w, 60).await;
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let db = w.db.clone();
            tasks.spawn(async move {
                let mut mine = Vec::new();
                loop {
                    match claim(&db, TaskKind::Mail, 3).await.expect("claim") {
                        some if some.is_empty() => return mine,
                        some => mine.extend(some.into_iter().map(|task| task.id)),
                    }
                }
            });
        }
        let mut claimed: Vec<TaskId> = tasks.join_all().await.into_iter().flatten().collect();
        claimed.sort();
        ids.sort();
        // A claimer that skips what another one locks may stop early; what it left is still there.
        let left = claim(&w.db, TaskKind::Mail, 100).await.expect("claim");
        let twice = claimed.windows(2).filter(|pair| pair[0] == pair[1]).count();
        println!(
            "{}: {} of 60 claimed by 8, {} left, {twice} twice",
            w.name,
            claimed.len(),
            left.len()
        );
        assert_eq!(twice, 0);
        claimed.extend(left.into_iter().map(|task| task.id));
        claimed.sort();
        assert_eq!(claimed, ids, "{}", w.name);
    })
    .await;
}

#[tokio::test]
async fn a_lost_task_is_due_after_its_lease_and_its_old_holder_is_refused() {
    for_each_database(async |w| {
        let id = stored(w, 1).await[0];
        let first = claim(&w.db, TaskKind::Mail, 9).await.expect("claim").remove(0);
        assert_eq!((first.id, first.attempt, first.epoch), (id, 1, 1));
        assert_eq!(
            claim(&w.db, TaskKind::Mail, 9).await.expect("claim"),
            [],
            "{}",
            w.name
        );
        w.clock.advance(LEASE.as_millis() as i64);
        let second = claim(&w.db, TaskKind::Mail, 9).await.expect("claim").remove(0);
        assert_eq!((second.attempt, second.epoch), (2, 2), "{}", w.name);
        assert!(!done(&w.db, &first, None).await.expect("done"), "{}", w.name);
        assert!(!failed(&w.db, &first, "x", None).await.expect("failed"));
        assert!(!put_off(&w.db, &first, SECOND).await.expect("put off"));
        assert!(done(&w.db, &second, Some("{}".to_owned())).await.expect("done"));
        assert!(
            !done(&w.db, &second, None).await.expect("done"),
            "{}: once",
            w.name
        );
        let sent = outbox::list(&w.db, Some(MailState::Sent), None, 9)
            .await
            .expect("list");
        assert_eq!((sent[0].id, sent[0].payload.as_str()), (id, "{}"));
    })
    .await;
}

#[tokio::test]
async fn a_task_that_fails_waits_and_is_given_up_and_an_admin_revives_it() {
    for_each_database(async |w| {
        let id = stored(w, 1).await[0];
        let one = async || claim(&w.db, TaskKind::Mail, 1).await.expect("claim").pop();
        let task = one().await.expect("due");
        assert!(failed(&w.db, &task, "busy", Some(SECOND)).await.expect("failed"));
        assert_eq!(one().await, None, "{}: it waits", w.name);
        w.clock.advance(1000);
        let task = one().await.expect("due again");
        assert_eq!(task.attempt, 2);
        assert!(put_off(&w.db, &task, SECOND).await.expect("put off"));
        w.clock.advance(1000);
        let task = one().await.expect("due again");
        assert_eq!(task.attempt, 2, "{}: to be put off is no try", w.name);
        assert!(
            failed(&w.db, &task, &"no ".repeat(500), None)
                .await
                .expect("failed")
        );
        w.clock.advance(DAY);
        assert_eq!(one().await, None, "{}: given up", w.name);
        assert_eq!(outbox::depth(&w.db).await.expect("depth"), (0, 1));
        let dead = outbox::list(&w.db, Some(MailState::Dead), None, 9)
            .await
            .expect("list");
        assert_eq!(dead[0].last_error.as_deref().map(str::len), Some(300));
        let entry = Origin::operator().did(Action::MailRetry).subject(id);
        let retry = async |id| outbox::retry(&w.db, id, &entry).await.expect("retry");
        assert!(matches!(retry(id).await, Retry::Queued(mail) if mail.attempts == 0));
        assert_eq!(retry(id).await, Retry::NotDead);
        assert_eq!(retry(TaskId::generate()).await, Retry::NotFound);
        let written = w
            .number("SELECT count(*) FROM audit_log WHERE action = 'mail.retry'")
            .await;
        assert_eq!(written, 1, "{}: one entry for one retry", w.name);
        assert_eq!(one().await.expect("due").attempt, 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_over_is_forgotten_in_time() {
    for_each_database(async |w| {
        stored(w, 3).await;
        let tasks = claim(&w.db, TaskKind::Mail, 2).await.expect("claim");
        assert!(done(&w.db, &tasks[0], None).await.expect("done"));
        assert!(failed(&w.db, &tasks[1], "x", None).await.expect("failed"));
        let retention = Config::default().retention;
        for (days, left) in [(7, 3), (8, 2), (30, 2), (31, 1), (400, 1)] {
            w.clock
                .advance(START + days * DAY + 1 - w.clock.now() - i64::from(days == 7 || days == 30));
            housekeeping(&w.db, &retention).await.expect("housekeeping");
            assert_eq!(
                w.number("SELECT count(*) FROM tasks").await,
                left,
                "{} day {days}",
                w.name
            );
        }
    })
    .await;
}

async fn token(w: &World, user: UserId, byte: u8, days: i64) -> TokenId {
    let new = NewToken {
        id: TokenId::generate(),
        user,
        name: format!("t{byte}"),
        scopes: Vec::new(),
        fingerprint: [byte; 32],
        expires_at: w.clock.now() + days * DAY,
        models: None,
        last4: None,
    };
    api_tokens::insert(&w.db, &new).await.expect("insert");
    new.id
}

#[tokio::test]
async fn owners_hear_of_the_end_of_a_token_seven_days_and_one_day_before_and_once() {
    for_each_database(async |w| {
        let ada = users::create(&w.db, "ada@example.org", Role::User)
            .await
            .expect("a user")
            .id;
        token(w, ada, 1, 30).await;
        token(w, ada, 2, 7).await;
        token(w, ada, 3, 1).await;
        let revoked = token(w, ada, 4, 30).await;
        api_tokens::revoke(&w.db, &[4; 32], &Origin::operator())
            .await
            .expect("revoke");
        let write: reminders::Write = Arc::new(move |ending| {
            assert_ne!(ending.token, revoked);
            Ok(NewTask {
                payload: format!("{} {}", ending.name, ending.days),
                ..mail(&ending.email)
            })
        });
        let mut told = 0;
        // Every six hours, by two processes at once.
        for _ in 0..31 * 4 {
            let (one, two) = tokio::join!(remind(&w.db, write.clone()), remind(&w.db, write.clone()));
            told += one.expect("remind") + two.expect("remind");
            w.clock.advance(DAY / 4);
        }
        let mails = outbox::list(&w.db, None, None, 99).await.expect("list");
        let mut said: Vec<&str> = mails.iter().map(|mail| mail.payload.as_str()).collect();
        said.sort_unstable();
        println!("{}: {told} reminders: {said:?}", w.name);
        assert_eq!(said, ["t1 1", "t1 7", "t2 1"], "{}", w.name);
    })
    .await;
}
