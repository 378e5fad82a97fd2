//! Who somebody is that an issuer vouches for, and which accounts an address alone does not open.

use lamplighter_shared::{
    config::Registration,
    db::{
        accounts::{Unlink, Unlinked, unlink},
        audit::Origin,
        identities::{self, Arrival, Outcome, arrive},
        tasks::{NewTask, TaskKind},
        users::{self, Role, User},
    },
    id::{SessionId, UserId},
};

use crate::world::{START, World, for_each_database};

fn arrival(subject: &str, email: &str) -> Arrival {
    Arrival {
        issuer: "https://issuer.example".to_owned(),
        subject: subject.to_owned(),
        email: (!email.is_empty()).then(|| email.to_owned()),
        display_name: "Ada".to_owned(),
        locale: Some("en".to_owned()),
        link_to: None,
        registration: Registration::Open,
        plan: "basic".to_owned(),
        mail: Some(NewTask {
            kind: TaskKind::Mail,
            user: None,
            recipient: Some(email.to_owned()),
            payload: "{}".to_owned(),
        }),
        origin: Origin::system(),
        provider: "issuer".to_owned(),
    }
}

async fn who(w: &World, arrival: &Arrival) -> Outcome {
    arrive(&w.db, arrival).await.expect("arrives")
}

async fn user(w: &World, id: UserId) -> User {
    users::get(&w.db, id).await.expect("read").expect("a user")
}

/// The account of a first login.
async fn new(w: &World, arrival: &Arrival) -> User {
    match who(w, arrival).await {
        Outcome::Registered(id) => user(w, id).await,
        other => panic!("{}: expected a new account, not {other:?}", w.name),
    }
}

/// An account with this address; verified, with a password or not.
async fn account(w: &World, email: &str, role: Role, (verified, password): (bool, bool)) -> UserId {
    let user = users::create(&w.db, email, role).await.expect("a user");
    let verified = if verified { "1" } else { "NULL" };
    let password = if password { "'$argon2id$x'" } else { "NULL" };
    w.execute(&format!(
        "UPDATE users SET verified_at = {verified}, password_hash = {password} WHERE email = '{email}'"
    ))
    .await;
    user.id
}

#[tokio::test]
async fn a_new_address_gets_an_account_as_registration_allows() {
    for_each_database(async |w| {
        let first = new(w, &arrival("1", "ada@example.org")).await;
        assert_eq!((first.verified_at, first.approved_at), (Some(START), Some(START)));
        assert_eq!(
            (first.role, first.plan.as_str(), first.display_name.as_str()),
            (Role::User, "basic", "Ada")
        );
        assert_eq!(first.password_hash, None);
        w.clock.advance(5);
        // The issuer's name for somebody counts, not the address of today.
        let moved = arrival("1", "ada@elsewhere.example");
        assert_eq!(who(w, &moved).await, Outcome::Known(first.id));
        assert_eq!(who(w, &arrival("1", "")).await, Outcome::Known(first.id));
        let linked = identities::of_user(&w.db, first.id).await.expect("read");
        assert_eq!(linked.len(), 1);
        assert_eq!(linked[0].email.as_deref(), Some("ada@elsewhere.example"));
        assert_eq!(
            (linked[0].created_at, linked[0].last_login_at),
            (START, Some(START + 5))
        );

        let mut waiting = arrival("2", "b@example.org");
        waiting.registration = Registration::Approval;
        assert_eq!(new(w, &waiting).await.approved_at, None);
        assert_eq!(who(w, &arrival("3", "")).await, Outcome::NoAddress);
        for registration in [Registration::Invite, Registration::Closed] {
            let mut stranger = arrival("4", "c@example.org");
            stranger.registration = registration;
            assert_eq!(who(w, &stranger).await, Outcome::Closed);
        }
        assert_eq!(users::by_email(&w.db, "c@example.org").await.expect("read"), None);
        // The same name at another issuer is somebody else.
        let mut other = arrival("1", "");
        other.issuer = "https://other.example".to_owned();
        assert_eq!(who(w, &other).await, Outcome::NoAddress);
        let audit = "SELECT count(*) AS n FROM audit_log WHERE action = 'account.register'";
        assert_eq!(w.number(audit).await, 2, "{}", w.name);
    })
    .await;
}

#[tokio::test]
async fn an_invitation_lets_its_address_in_once() {
    for_each_database(async |w| {
        for (id, email, column) in [
            ("1", "invited@example.org", "created_by"),
            ("2", "used@example.org", "used_at"),
            ("3", "revoked@example.org", "revoked_at"),
        ] {
            let set = if column == "created_by" { "NULL" } else { "1" };
            // A row to take an id of a fitting type from.
            users::create(&w.db, &format!("seed{id}@example.org"), Role::User)
                .await
                .expect("a user");
            w.execute(&format!(
                "INSERT INTO invitations (id, fingerprint, email, role, plan, created_at, expires_at, {column})
                 SELECT u.id, {}, '{email}', 'admin', 'pro', 1, {}, {set} FROM users u
                 WHERE u.email = 'seed{id}@example.org'",
                if w.name == "sqlite" { format!("x'0{id}'") } else { format!("'\\x0{id}'::bytea") },
                START + 1000
            ))
            .await;
        }
        let closed = Arrival {
            registration: Registration::Closed,
            ..arrival("1", "invited@example.org")
        };
        assert_eq!(who(w, &closed).await, Outcome::Closed, "as with a password");
        let invite = |subject: &str, email: &str| Arrival {
            registration: Registration::Invite,
            ..arrival(subject, email)
        };
        let invited = new(w, &invite("1", "invited@example.org")).await;
        assert_eq!((invited.role, invited.plan.as_str()), (Role::Admin, "pro"));
        assert!(invited.approved_at.is_some());
        for (subject, email) in [("2", "used@example.org"), ("3", "revoked@example.org")] {
            assert_eq!(who(w, &invite(subject, email)).await, Outcome::Closed, "{email}");
        }
        let used = "SELECT count(*) AS n FROM invitations WHERE used_by IS NOT NULL";
        assert_eq!(w.number(used).await, 1);
    })
    .await;
}

/// Somebody registers with another's address and waits for its owner to come by an issuer.
#[tokio::test]
async fn an_address_alone_opens_no_account_with_another_way_in() {
    for_each_database(async |w| {
        let mut opened = 0;
        let cases = [
            ("with a password", Role::User, true),
            ("an administrator with a password", Role::Admin, true),
            ("an administrator without one", Role::Admin, false),
        ];
        for (i, (what, role, password)) in cases.into_iter().enumerate() {
            let email = format!("owner{i}@example.org");
            let id = account(w, &email, role, (true, password)).await;
            let outcome = who(w, &arrival(&format!("{i}"), &email)).await;
            opened += u32::from(outcome != Outcome::LinkFirst);
            assert_eq!(outcome, Outcome::LinkFirst, "{what}");
            assert!(
                identities::of_user(&w.db, id).await.expect("read").is_empty(),
                "{what}"
            );
        }
        // One that another issuer opened.
        let first = new(w, &arrival("a", "two@example.org")).await;
        let mut second = arrival("b", "two@example.org");
        second.issuer = "https://other.example".to_owned();
        let outcome = who(w, &second).await;
        opened += u32::from(outcome != Outcome::LinkFirst);
        println!(
            "oidc {}: accounts with another way in that an address alone opened: {opened} of {}",
            w.name,
            cases.len() + 1
        );
        assert_eq!(outcome, Outcome::LinkFirst);

        // Their owner links it.
        second.link_to = Some(first.id);
        assert_eq!(who(w, &second).await, Outcome::Linked(first.id));
        assert_eq!(who(w, &second).await, Outcome::Known(first.id));
        let mut stolen = arrival("a", "");
        stolen.link_to = Some(account(w, "thief@example.org", Role::User, (true, true)).await);
        assert_eq!(who(w, &stolen).await, Outcome::LinkedElsewhere);
        assert_eq!(identities::of_user(&w.db, first.id).await.expect("read").len(), 2);
        assert_eq!(
            w.number("SELECT count(*) AS n FROM tasks WHERE kind = 'mail'")
                .await,
            1
        );
    })
    .await;
}

#[tokio::test]
async fn who_never_showed_an_address_to_be_theirs_loses_it_to_its_owner() {
    for_each_database(async |w| {
        let id = account(w, "victim@example.org", Role::User, (false, true)).await;
        assert_eq!(
            who(w, &arrival("9", "victim@example.org")).await,
            Outcome::TakenOver(id)
        );
        let taken = user(w, id).await;
        assert_eq!((taken.password_hash, taken.verified_at), (None, Some(START)));
        assert_eq!(taken.display_name, "Ada");
        assert_eq!(
            who(w, &arrival("9", "victim@example.org")).await,
            Outcome::Known(id)
        );
        // One that an operator made, and nobody opened yet.
        let made = account(w, "made@example.org", Role::User, (true, false)).await;
        assert_eq!(
            who(w, &arrival("8", "made@example.org")).await,
            Outcome::Linked(made)
        );
    })
    .await;
}

#[tokio::test]
async fn two_callbacks_at_once_make_one_account() {
    for_each_database(async |w| {
        for round in 0..10 {
            let arrival = arrival(&format!("r{round}"), &format!("r{round}@example.org"));
            let one = || arrive(&w.db, &arrival);
            let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
            let ids: std::collections::BTreeSet<String> = [a, b, c, d]
                .into_iter()
                .map(|outcome| match outcome.expect("arrives") {
                    Outcome::Registered(id) | Outcome::Known(id) => id.to_string(),
                    other => panic!("{}: {other:?}", w.name),
                })
                .collect();
            assert_eq!(ids.len(), 1, "{}", w.name);
        }
        println!(
            "oidc {}: accounts of 10 people who each came 4 times at once: 10",
            w.name
        );
        assert_eq!(w.number("SELECT count(*) AS n FROM users").await, 10);
    })
    .await;
}

/// An identity of `arrival`, to be taken from a user; one can log in at the issuers of all arrivals.
fn unlinking(user: UserId, arrival: &Arrival) -> Unlink {
    Unlink {
        user,
        issuer: arrival.issuer.clone(),
        subject: arrival.subject.clone(),
        issuers: vec![
            "https://issuer.example".to_owned(),
            "https://other.example".to_owned(),
        ],
        keep: SessionId::generate(),
        notice: arrival.mail.clone().expect("a mail"),
        origin: Origin::system(),
    }
}

#[tokio::test]
async fn the_last_way_into_an_account_stays_and_of_two_at_once_one_does() {
    for_each_database(async |w| {
        let first = arrival("1", "ada@example.org");
        let ada = new(w, &first).await.id;
        let take = async |unlinking: Unlink| unlink(&w.db, unlinking).await.expect("decided");
        assert_eq!(
            take(unlinking(ada, &first)).await,
            Unlinked::OnlyWay,
            "{}",
            w.name
        );
        let mut second = arrival("2", "ada@example.org");
        (second.issuer, second.link_to) = ("https://other.example".to_owned(), Some(ada));
        assert_eq!(who(w, &second).await, Outcome::Linked(ada));
        let stranger = new(w, &arrival("3", "b@example.org")).await.id;
        assert_eq!(
            take(unlinking(stranger, &first)).await,
            Unlinked::NotFound,
            "of somebody else"
        );
        // An issuer that is in the settings no more opens nothing.
        let mut alone = unlinking(ada, &first);
        alone.issuers.retain(|issuer| *issuer == first.issuer);
        assert_eq!(take(alone).await, Unlinked::OnlyWay);

        let both = tokio::join!(take(unlinking(ada, &first)), take(unlinking(ada, &second)));
        let mut both = [both.0, both.1];
        both.sort_by_key(|end| *end == Unlinked::OnlyWay);
        assert_eq!(both, [Unlinked::Done, Unlinked::OnlyWay], "{}", w.name);
        let left = identities::of_user(&w.db, ada).await.expect("read");
        assert_eq!(left.len(), 1, "{}: {left:?}", w.name);
        w.execute("UPDATE users SET password_hash = 'x' WHERE email = 'ada@example.org'")
            .await;
        let last = if left[0].issuer == first.issuer {
            &first
        } else {
            &second
        };
        assert_eq!(
            take(unlinking(ada, last)).await,
            Unlinked::Done,
            "{}: a password is left",
            w.name
        );
        assert_eq!(take(unlinking(ada, last)).await, Unlinked::NotFound);
        let told = "SELECT count(*) FROM audit_log WHERE action = 'identity.unlink'";
        assert_eq!(
            w.number(told).await,
            5,
            "{}: two that worked, three that did not",
            w.name
        );
    })
    .await;
}
