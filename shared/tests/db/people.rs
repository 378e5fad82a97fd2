//! Accounts as an administrator sees and changes them, and the log of who did it, which only grows.

use std::time::Duration;

use lamplighter_shared::{
    config::Config,
    db::{
        api_tokens::{self, NewToken},
        audit::{self, Action, Filter, Origin},
        challenges::{self, NewChallenge, Purpose},
        people::{self, Change, Changed, NewAccount, Search, Status},
        retention::housekeeping,
        tasks::{NewTask, TaskKind},
        user_tokens::{self, Grant},
        users::{self, Role},
    },
    id::{AuditId, TokenId, UserId},
    plan::PlanChanges,
};

use crate::world::{START, World, for_each_database};

async fn account(w: &World, email: &str, role: Role) -> UserId {
    let new = NewAccount {
        email: email.to_owned(),
        role,
        plan: "basic".to_owned(),
        password_hash: None,
        setup: None,
    };
    people::create(&w.db, &new, &Origin::operator())
        .await
        .expect("create")
        .expect("a new address")
}

async fn found(w: &World, search: Search) -> Vec<String> {
    let search = Search { limit: 10, ..search };
    let users = people::search(&w.db, &search).await.expect("search");
    users.into_iter().map(|user| user.email).collect()
}

async fn change(w: &World, id: UserId, change: Change) -> Changed {
    people::change(&w.db, id, &change, &Origin::operator())
        .await
        .expect("change")
}

#[tokio::test]
async fn accounts_are_found_by_what_they_are() {
    for_each_database(async |w| {
        for (email, column) in [
            ("new@example.com", "verified_at = NULL, approved_at = NULL"),
            ("waits@example.com", "approved_at = NULL"),
            ("leaves@example.com", "delete_at = 1"),
            ("off@example.com", "disabled_at = 1, delete_at = 1"),
            ("guest:1.2.3.4", "is_guest = true"),
            ("100%_real@example.com", "display_name = 'Ada L'"),
        ] {
            account(w, email, Role::User).await;
            w.execute(&format!("UPDATE users SET {column} WHERE email = '{email}'"))
                .await;
        }
        account(w, "boss@example.com", Role::Admin).await;
        let by = async |status| {
            found(
                w,
                Search {
                    status: Some(status),
                    ..Search::default()
                },
            )
            .await
        };
        assert_eq!(by(Status::Unverified).await, ["new@example.com"]);
        assert_eq!(by(Status::Waiting).await, ["waits@example.com"]);
        assert_eq!(by(Status::Deleting).await, ["leaves@example.com"]);
        assert_eq!(by(Status::Disabled).await, ["off@example.com"]);
        assert_eq!(by(Status::Guest).await, ["guest:1.2.3.4"]);
        assert_eq!(
            by(Status::Active).await,
            ["boss@example.com", "100%_real@example.com"]
        );
        let all = Search {
            limit: 10,
            ..Search::default()
        };
        for user in people::search(&w.db, &all).await.expect("search") {
            let alike = by(user.status()).await;
            assert!(
                alike.contains(&user.email),
                "{} is {:?}",
                user.email,
                user.status()
            );
        }
        let text = async |text: &str| {
            found(
                w,
                Search {
                    text: Some(text.to_owned()),
                    ..Search::default()
                },
            )
            .await
        };
        assert_eq!(text("0%_R").await, ["100%_real@example.com"]);
        assert_eq!(text("ada").await, ["100%_real@example.com"]);
        assert_eq!(text("0__").await, Vec::<String>::new());
        let name = "UPDATE users SET display_name = 'Åda Ωß*[Ž]' WHERE email = 'boss@example.com'";
        w.execute(name).await;
        for spelt in ["Åda", "åda", "åDA", "da ω", "ωß*[ž]", "ΩSS*"] {
            let expected: &[&str] = if spelt.contains("SS") {
                &[]
            } else {
                &["boss@example.com"]
            };
            assert_eq!(text(spelt).await, expected, "{}: {spelt}", w.name);
        }
        assert_eq!(text("example").await.len(), 6, "guests do not show");
        assert_eq!(
            found(
                w,
                Search {
                    role: Some(Role::Admin),
                    ..Search::default()
                }
            )
            .await,
            ["boss@example.com"]
        );
        assert_eq!(
            found(
                w,
                Search {
                    plan: Some("pro".to_owned()),
                    ..Search::default()
                }
            )
            .await
            .len(),
            0
        );
    })
    .await;
}

#[tokio::test]
async fn changes_are_told_once_each_and_end_sessions() {
    for_each_database(async |w| {
        let id = account(w, "ada@example.com", Role::User).await;
        account(w, "boss@example.com", Role::Admin).await;
        let none = match w.name {
            "postgres" => "'\\x01'::bytea",
            _ => "x'01'",
        };
        w.execute(&format!(
            "INSERT INTO sessions (id, user_id, fingerprint, created_at, authenticated_at, seen_at, expires_at)
             SELECT id, id, {none}, 1, 1, 1, {} FROM users WHERE email = 'ada@example.com'",
            START + 1000
        ))
        .await;
        let open = async || w.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await;
        let all = Change {
            role: Some(Role::User),
            plan: Some("pro".to_owned()),
            disabled: Some(false),
            approved: Some(None),
        };
        let Changed::Done(user) = change(w, id, all.clone()).await else {
            panic!("not changed");
        };
        assert_eq!((user.plan.as_str(), open().await), ("pro", 1));
        let promote = Change { role: Some(Role::Admin), ..all.clone() };
        change(w, id, promote).await;
        assert_eq!(open().await, 0, "a new id at the next login");
        change(w, id, Change { disabled: Some(true), ..Change::default() }).await;
        let told = audit::list(&w.db, &Filter { user: Some(id), limit: 10, ..Filter::default() })
            .await
            .expect("list");
        let told: Vec<_> = told.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(told, ["account.disable", "role.change", "plan.assign", "account.create"]);
        let stored = users::get(&w.db, id).await.expect("get").expect("the account");
        assert_eq!((stored.role, stored.status()), (Role::Admin, Status::Disabled));
        assert_eq!(change(w, UserId::generate(), all).await, Changed::NotFound);
    })
    .await;
}

/// Somebody registered the address and nobody verified it: that is not the person an operator means.
#[tokio::test]
async fn operators_never_take_a_strangers_registration_for_the_person() {
    for_each_database(async |w| {
        let squat = async |email: &str| {
            let id = account(w, email, Role::User).await;
            w.execute(&format!(
                "UPDATE users SET verified_at = NULL, password_hash = 'strangers' WHERE email = '{email}'"
            ))
            .await;
            id
        };
        let mut kept = 0;
        let squatted = squat("root@example.com").await;
        let root = account(w, "root@example.com", Role::Admin).await;
        assert_ne!(root, squatted, "another account");
        let squatted = squat("bob@example.com").await;
        let bob = users::create(&w.db, "bob@example.com", Role::User).await;
        assert_ne!(bob.expect("create").id, squatted);
        let ada = squat("ada@example.com").await;
        let challenge = NewChallenge {
            purpose: Purpose::Verify,
            fingerprint: [7; 32],
            code_fingerprint: None,
            email: "ada@example.com".to_owned(),
            lifetime: Duration::from_secs(900),
            code_lifetime: Duration::ZERO,
        };
        challenges::replace(&w.db, ada, &challenge)
            .await
            .expect("a challenge");
        let promote = Change {
            role: Some(Role::Admin),
            ..Change::default()
        };
        change(w, ada, promote).await;
        kept += w.number("SELECT count(*) FROM challenges").await;
        kept += w
            .number("SELECT count(*) FROM users WHERE password_hash = 'strangers'")
            .await;
        println!(
            "{}: passwords and links of strangers that stay good: {kept}",
            w.name
        );
        assert_eq!(kept, 0);
        // One that is verified is the person's.
        let again = users::create(&w.db, "root@example.com", Role::User).await;
        assert_eq!(again.expect("create").id, root);
    })
    .await;
}

#[tokio::test]
async fn who_is_let_in_is_told_once() {
    for_each_database(async |w| {
        let id = account(w, "ada@example.com", Role::User).await;
        w.execute("UPDATE users SET approved_at = NULL").await;
        let mail = NewTask {
            kind: TaskKind::Mail,
            user: Some(id),
            recipient: Some("ada@example.com".to_owned()),
            payload: "{}".to_owned(),
        };
        for _ in 0..2 {
            let approve = Change {
                approved: Some(Some(mail.clone())),
                ..Change::default()
            };
            let Changed::Done(user) = change(w, id, approve).await else {
                panic!("not changed");
            };
            assert_eq!(user.status(), Status::Active);
            assert_eq!(w.number("SELECT count(*) FROM tasks").await, 1);
        }
        let told = "SELECT count(*) FROM audit_log WHERE action = 'account.approve'";
        assert_eq!(w.number(told).await, 1);
    })
    .await;
}

#[tokio::test]
async fn of_two_admins_that_demote_each_other_one_stays() {
    for_each_database(async |w| {
        let one = account(w, "one@example.com", Role::Admin).await;
        let two = account(w, "two@example.com", Role::Admin).await;
        let mut refused = 0;
        for round in 0..10 {
            let demote = match round % 2 {
                0 => Change {
                    role: Some(Role::User),
                    ..Change::default()
                },
                _ => Change {
                    disabled: Some(true),
                    ..Change::default()
                },
            };
            let (a, b) = tokio::join!(change(w, one, demote.clone()), change(w, two, demote));
            let last = [&a, &b].into_iter().filter(|c| **c == Changed::LastAdmin).count();
            assert_eq!(last, 1, "{a:?} {b:?}");
            refused += last;
            for id in [one, two] {
                let back = Change {
                    role: Some(Role::Admin),
                    disabled: Some(false),
                    ..Change::default()
                };
                change(w, id, back).await;
            }
        }
        println!("{}: {refused} of 10 rounds kept one admin", w.name);
    })
    .await;
}

#[tokio::test]
async fn an_admin_sees_revokes_and_limits_tokens_of_a_user() {
    for_each_database(async |w| {
        let user = account(w, "ada@example.com", Role::User).await;
        let other = account(w, "bob@example.com", Role::User).await;
        let token = NewToken {
            id: TokenId::generate(),
            user,
            name: "laptop".to_owned(),
            scopes: vec!["jobs:read".to_owned()],
            fingerprint: [1; 32],
            expires_at: START + 1000,
            models: None,
            last4: None,
        };
        api_tokens::insert(&w.db, &token).await.expect("insert");
        let who = Origin::operator();
        let limits = PlanChanges {
            jobs_per_day: Some(5),
            ..PlanChanges::default()
        };
        let give = Grant {
            plan: Some(Some("pro".to_owned())),
            limits: Some(Some(limits.clone())),
        };
        let grant = async |of, give: &Grant| {
            user_tokens::grant(&w.db, (of, token.id), give, &who)
                .await
                .expect("grant")
        };
        assert!(!grant(other, &give).await, "not theirs");
        assert!(grant(user, &give).await);
        assert!(
            grant(
                user,
                &Grant {
                    plan: Some(None),
                    limits: None
                }
            )
            .await
        );
        let live = api_tokens::live(&w.db, &[1; 32])
            .await
            .expect("live")
            .expect("live");
        assert_eq!((live.plan, live.limits), (None, Some(limits)));
        assert!(
            grant(
                user,
                &Grant {
                    plan: None,
                    limits: Some(None)
                }
            )
            .await
        );
        let listed = user_tokens::list(&w.db, user, None, 10).await.expect("list");
        assert_eq!((listed.len(), &listed[0].limits), (1, &None));
        let revoke = async |of| {
            user_tokens::revoke(&w.db, of, token.id, &who)
                .await
                .expect("revoke")
        };
        assert!(!revoke(other).await);
        assert!(api_tokens::live(&w.db, &[1; 32]).await.expect("live").is_some());
        assert!(revoke(user).await && revoke(user).await, "again is no fault");
        assert_eq!(api_tokens::live(&w.db, &[1; 32]).await.expect("live"), None);
        let revoked = Filter {
            action: Some(Action::TokenRevoke),
            limit: 10,
            ..Filter::default()
        };
        assert_eq!(
            audit::list(&w.db, &revoked).await.expect("list").len(),
            1,
            "told once"
        );
    })
    .await;
}

#[tokio::test]
async fn tokens_are_forgotten_long_after_their_end_unless_their_use_is_counted() {
    const DAY: i64 = 86_400_000;
    for_each_database(async |w| {
        let user = account(w, "ada@example.com", Role::User).await;
        for byte in 1..=4 {
            let token = NewToken {
                id: TokenId::generate(),
                user,
                name: format!("token {byte}"),
                scopes: Vec::new(),
                fingerprint: [byte; 32],
                // The third and the fourth live longer.
                expires_at: START + if byte < 3 { DAY } else { 200 * DAY },
                models: None,
                last4: None,
            };
            api_tokens::insert(&w.db, &token).await.expect("insert");
        }
        w.execute(&format!("UPDATE api_tokens SET revoked_at = {START} WHERE name = 'token 3'"))
            .await;
        w.execute(&format!(
            "INSERT INTO usage (user_id, token_id, model, grain, starts_at, requests, succeeded, failed, units, tokens, compute_us)
             SELECT user_id, id, 'm', 'day', {START}, 1, 1, 0, 1, 1, 1 FROM api_tokens WHERE name = 'token 2'",
        ))
        .await;
        let mut left = Vec::new();
        for days in [0, 90, 2] {
            w.clock.advance(days * DAY);
            let report = housekeeping(&w.db, &Config::default().retention).await.expect("housekeeping");
            left.push((report.tokens, w.number("SELECT count(*) FROM api_tokens").await));
        }
        // Revoked on the first day; then the one that ran out a day later. What was counted stays.
        assert_eq!(left, [(0, 4), (0, 4), (2, 2)], "{}", w.name);
    })
    .await;
}

#[tokio::test]
async fn the_log_is_listed_by_page_and_filter() {
    for_each_database(async |w| {
        let user = UserId::generate();
        for number in 0..5 {
            w.clock.advance(1);
            let entry = match number % 2 {
                0 => Origin::operator().did(Action::TokenCreate),
                _ => Origin {
                    id: Some("tok_x".to_owned()),
                    ..Origin::system()
                }
                .failed(Action::SessionCreate)
                .user(user)
                .detail(serde_json::json!({"number": number})),
            };
            audit::record(&w.db, &entry).await.expect("record");
        }
        let list = async |filter: Filter| audit::list(&w.db, &filter).await.expect("list");
        let all = list(Filter {
            limit: 10,
            ..Filter::default()
        })
        .await;
        assert_eq!(all.len(), 5);
        assert!(all.is_sorted_by(|a, b| a.id > b.id), "newest first");
        let first = list(Filter {
            limit: 2,
            ..Filter::default()
        })
        .await;
        let rest = list(Filter {
            before: Some(first[1].id),
            limit: 10,
            ..Filter::default()
        })
        .await;
        assert_eq!([first, rest].concat(), all);
        for filter in [
            Filter {
                action: Some(Action::SessionCreate),
                ..Filter::default()
            },
            Filter {
                user: Some(user),
                ..Filter::default()
            },
            Filter {
                actor: Some("tok_x".to_owned()),
                ..Filter::default()
            },
            Filter {
                success: Some(false),
                ..Filter::default()
            },
        ] {
            let found = list(Filter {
                limit: 10,
                ..filter.clone()
            })
            .await;
            assert_eq!(found.len(), 2, "{filter:?}");
            assert_eq!(found[0].detail, Some(serde_json::json!({"number": 3})));
            assert_eq!((found[0].user, found[0].success), (Some(user), false));
        }
        let within = Filter {
            since: Some(START + 2),
            until: Some(START + 4),
            limit: 10,
            ..Filter::default()
        };
        assert_eq!(
            list(within)
                .await
                .iter()
                .map(|e| e.at - START)
                .collect::<Vec<_>>(),
            [3, 2]
        );
    })
    .await;
}

#[tokio::test]
async fn the_log_is_in_the_order_of_the_databases_clock_whoever_wrote() {
    for_each_database(async |w| {
        // Processes whose clocks are hours apart: their identifiers go by those.
        for (number, hours) in [0, 3, -2, 1, -1].into_iter().enumerate() {
            w.clock.advance(1);
            let id = uuid_of(START + hours * 3_600_000);
            let id = match w.name {
                "postgres" => format!("'{id}'"),
                _ => format!("x'{}'", id.simple()),
            };
            w.execute(&format!(
                "INSERT INTO audit_log (id, at, action, outcome, actor_kind)
                 VALUES ({id}, {}, 'token.create', 'success', 'operator')",
                START + i64::try_from(number).expect("small")
            ))
            .await;
        }
        let mut seen = Vec::new();
        let mut page = Filter {
            limit: 2,
            ..Filter::default()
        };
        loop {
            let entries = audit::list(&w.db, &page).await.expect("list");
            seen.extend(entries.iter().map(|entry| entry.at - START));
            match entries.last() {
                Some(last) => page.before = Some(last.id),
                None => break,
            }
        }
        assert_eq!(seen, [4, 3, 2, 1, 0], "{}", w.name);
        page.before = Some(AuditId::generate());
        let none = audit::list(&w.db, &page).await.expect("list");
        assert_eq!(none, [], "{}: nobody wrote such an entry", w.name);
    })
    .await;
}

/// An identifier that was made at this time.
fn uuid_of(at: i64) -> uuid::Uuid {
    let at = u64::try_from(at).expect("after 1970");
    uuid::Builder::from_unix_timestamp_millis(at, &[7; 10]).into_uuid()
}

#[tokio::test]
async fn no_entry_of_the_log_is_changed_or_removed() {
    for_each_database(async |w| {
        let entry = Origin::operator().did(Action::TokenCreate);
        audit::record(&w.db, &entry).await.expect("record");
        let replacing: [String; 2];
        let mut tries = vec![
            "UPDATE audit_log SET outcome = 'failure'",
            "DELETE FROM audit_log",
        ];
        if w.name == "postgres" {
            tries.extend([
                "TRUNCATE audit_log",
                "INSERT INTO audit_log SELECT * FROM audit_log ON CONFLICT (id) DO UPDATE SET outcome = 'failure'",
            ]);
        } else {
            let replaced = "id, at, action, 'failure', actor_kind, actor_id, user_id, subject, address, request_id, detail
                FROM audit_log";
            let columns = "id, at, action, outcome, actor_kind, actor_id, user_id, subject, address, request_id, detail";
            replacing = [
                format!("INSERT OR REPLACE INTO audit_log ({columns}) SELECT {replaced}"),
                format!(
                    "INSERT OR REPLACE INTO audit_log (rowid, {columns}) SELECT rowid, {}",
                    replaced.replacen("id", "randomblob(16)", 1)
                ),
            ];
            tries.extend(replacing.iter().map(String::as_str));
            tries.push("UPDATE OR REPLACE audit_log SET outcome = 'failure'");
        }
        for sql in &tries {
            let refused = w.try_execute(sql).await.expect_err(sql);
            assert!(refused.contains("the audit log only grows"), "{sql}: {refused}");
        }
        assert_eq!(
            w.number("SELECT count(*) FROM audit_log WHERE outcome = 'success'")
                .await,
            1
        );
        println!(
            "{}: {} of {} changes of the log refused",
            w.name,
            tries.len(),
            tries.len()
        );
    })
    .await;
}
