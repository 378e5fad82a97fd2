//! S18: every kind of entry that the audit log knows is written by something that people or the server do, with
//! its actor, address, time and outcome. A new kind without a row here fails.

#[path = "../oidc/browser.rs"]
#[expect(dead_code, reason = "these tests use a part of it")]
mod browser;
mod deeds;
#[path = "../oidc/issuer.rs"]
#[expect(dead_code, reason = "these tests use a part of it")]
mod issuer;
#[path = "../support/mod.rs"]
mod support;

use lamplighter_shared::db::audit::{self, Action, Filter, Record};

use deeds::Place;

/// What brings each kind about: see [`deeds`].
const KINDS: [(Action, &str); 33] = [
    (Action::AccountRegister, "POST /v1/account/register"),
    (Action::AccountVerify, "POST /v1/account/verify"),
    (Action::AccountApprove, "PATCH /v1/users/{id}"),
    (Action::AccountRecover, "POST /v1/account/recover"),
    (Action::AccountReset, "POST /v1/account/reset"),
    (Action::PasswordChange, "POST /v1/account/password"),
    (Action::EmailChange, "PATCH /v1/account"),
    (Action::ProfileChange, "PATCH /v1/account"),
    (Action::AccountDelete, "DELETE /v1/account"),
    (Action::AccountRestore, "POST /v1/session"),
    (Action::AccountPurge, "housekeeping"),
    (Action::AccountCreate, "POST /v1/setup"),
    (Action::RoleChange, "PATCH /v1/users/{id}"),
    (Action::PlanAssign, "PATCH /v1/users/{id}"),
    (Action::AccountDisable, "PATCH /v1/users/{id}"),
    (Action::AccountEnable, "PATCH /v1/users/{id}"),
    (Action::SessionCreate, "POST /v1/session"),
    (Action::SessionEnd, "DELETE /v1/session"),
    (Action::SessionEndAll, "DELETE /v1/sessions"),
    (Action::IdentityLink, "GET /v1/session/oidc/{issuer}?link=true"),
    (Action::IdentityUnlink, "DELETE /v1/account/identities/{id}"),
    (Action::TokenCreate, "POST /v1/tokens"),
    (Action::TokenRotate, "POST /v1/tokens/{id}/rotate"),
    (Action::TokenRevoke, "POST /v1/tokens/{id}/revoke"),
    (Action::TokenDelete, "DELETE /v1/tokens/{id}"),
    (Action::TokenLimit, "PATCH /v1/users/{id}/tokens/{token}"),
    (Action::PlanChange, "PATCH /v1/plans/{name}"),
    (Action::InvitationCreate, "POST /v1/invitations"),
    (Action::InvitationRevoke, "DELETE /v1/invitations/{id}"),
    (Action::MailRetry, "POST /v1/outbox/{id}/retry"),
    (Action::WorkerOrder, "POST /v1/workers/{id}/drain"),
    (Action::ModelDisable, "PATCH /v1/models/{id}"),
    (Action::ModelEnable, "PATCH /v1/models/{id}"),
];

/// What is missing in an entry.
fn faults(entry: &Record) -> Vec<&'static str> {
    let from_outside = !["system", "operator"].contains(&entry.actor_kind.as_str());
    let known = ["user", "token", "guest"].contains(&entry.actor_kind.as_str());
    [
        ("actor", known && entry.actor_id.is_none()),
        ("address", from_outside && entry.address.is_none()),
        ("request", from_outside && entry.request_id.is_none()),
        ("time", entry.at <= 0),
        (
            "account or subject",
            entry.success && entry.user.is_none() && entry.subject.is_none(),
        ),
    ]
    .into_iter()
    .filter_map(|(what, missing)| missing.then_some(what))
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_entry_is_written_with_all_that_it_needs() {
    let known: Vec<Action> = KINDS.iter().map(|(action, _)| *action).collect();
    for action in Action::ALL {
        assert!(known.contains(action), "{action:?} has no row here");
    }
    let place = Place::new().await;
    place.live().await;
    let all = Filter {
        limit: 1000,
        ..Filter::default()
    };
    let entries = audit::list(&place.world.state.db, &all).await.expect("the log");
    let mut written = 0;
    for (action, by) in KINDS {
        let of_kind: Vec<&Record> = entries.iter().filter(|e| e.action == action.as_str()).collect();
        assert!(
            of_kind.iter().any(|entry| entry.success),
            "{by} wrote no {}",
            action.as_str()
        );
        for entry in of_kind {
            assert_eq!(faults(entry), Vec::<&str>::new(), "{entry:?}");
        }
        written += 1;
    }
    for action in [
        "session.create",
        "account.reset",
        "account.verify",
        "account.create",
        "password.change",
    ] {
        let refused = entries
            .iter()
            .any(|entry| entry.action == action && !entry.success);
        assert!(refused, "a refused {action} is written, too");
    }
    let told = |action: &str, field: &str, value: &str| {
        let of_kind = entries.iter().filter(|entry| entry.action == action);
        let detail = |entry: &&Record| entry.detail.as_ref().is_some_and(|detail| detail[field] == value);
        of_kind.filter(detail).count()
    };
    for (action, field, value, times) in [
        ("password.change", "reason", "wrong_credentials", 1),
        ("session.create", "reason", "wrong_credentials", 4),
        // Of three that were refused.
        ("session.create", "reason", "too_many_attempts", 1),
        ("session.create", "reason", "proof_invalid", 1),
        ("session.create", "provider", "one", 1),
        ("invitation.create", "role", "admin", 1),
        ("email.change", "step", "asked", 1),
    ] {
        assert_eq!(told(action, field, value), times, "{action} {field} {value}");
    }
    println!(
        "S18 audit: audited {written} of {} kinds, {} entries with actor, address, time and outcome",
        Action::ALL.len(),
        entries.len()
    );
}
