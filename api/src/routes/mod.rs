//! The routes, one file a group, and the endpoint that holds them all.

pub mod jobs;
mod submission;
pub mod events;
pub mod models;
mod workers;
mod tokens;
mod queues;
mod session;
mod users;
mod user_tokens;
mod audit;
mod outbox;
mod registration;
mod account;
mod identities;
mod invitations;
mod plans;
pub(crate) mod usage;
mod third_party;
pub mod health;
mod metrics;
pub mod docs;
pub(crate) mod examples;

use std::sync::Arc;

use poem::{Endpoint, EndpointExt, Response, Route};
use poem_openapi::{OpenApiService, Tags};

use crate::{
    admission::Admission,
    edge::Edge,
    observe::Observe,
    openapi::{self, Failures},
    rate_headers::RateHeaders,
    site::Site,
    state::App,
};

/// The groups of operations.
#[derive(Tags)]
pub enum Tag {
    /// Submit work, follow it, take its result.
    #[oai(rename = "jobs")]
    Jobs,
    /// What can be run here.
    #[oai(rename = "models")]
    Models,
    /// The workers and the queues, for administrators.
    #[oai(rename = "fleet")]
    Fleet,
    /// Logging in and out.
    #[oai(rename = "sessions")]
    Sessions,
    /// Your account: from the registration to the deletion.
    #[oai(rename = "accounts")]
    Accounts,
    /// Accounts and what was done, for administrators.
    #[oai(rename = "administration")]
    Administration,
    /// API tokens.
    #[oai(rename = "tokens")]
    Tokens,
    /// Mails that were or will be sent, for administrators.
    #[oai(rename = "outbox")]
    Outbox,
    /// What may be used, and what was.
    #[oai(rename = "usage")]
    Usage,
    /// Whether the server works.
    #[oai(rename = "health")]
    Health,
}

/// The operations on accounts of others.
type Administration = (
    users::UserRoutes,
    user_tokens::UserTokenRoutes,
    audit::AuditRoutes,
    invitations::InvitationRoutes,
);

/// Those on one's own account.
type Accounts = (
    registration::RegistrationRoutes,
    account::AccountRoutes,
    identities::IdentityRoutes,
);

/// What each operation may fail with, beside what follows from the way of a request to it.
pub(crate) const FAILURES: &[&[Failures]] = &[
    jobs::FAILURES,
    events::FAILURES,
    models::FAILURES,
    workers::FAILURES,
    session::FAILURES,
    users::FAILURES,
    user_tokens::FAILURES,
    audit::FAILURES,
    invitations::FAILURES,
    tokens::FAILURES,
    outbox::FAILURES,
    registration::FAILURES,
    account::FAILURES,
    identities::FAILURES,
    plans::FAILURES,
    usage::FAILURES,
    third_party::FAILURES,
];

/// All operations.
pub(crate) type Api = (
    jobs::JobRoutes,
    events::EventRoutes,
    models::ModelRoutes,
    workers::WorkerRoutes,
    queues::QueueRoutes,
    session::SessionRoutes,
    Accounts,
    Administration,
    tokens::TokenRoutes,
    outbox::OutboxRoutes,
    plans::PlanRoutes,
    usage::UsageRoutes,
    third_party::ThirdPartyRoutes,
    health::HealthRoutes,
);

/// The service of all operations. Without an app only its documentation can be asked for.
pub(crate) fn service(app: Option<Arc<App>>) -> OpenApiService<Api, ()> {
    let api = (
        jobs::JobRoutes(app.clone()),
        events::EventRoutes(app.clone()),
        models::ModelRoutes(app.clone()),
        workers::WorkerRoutes(app.clone()),
        queues::QueueRoutes(app.clone()),
        session::SessionRoutes(app.clone()),
        (
            registration::RegistrationRoutes(app.clone()),
            account::AccountRoutes(app.clone()),
            identities::IdentityRoutes(app.clone()),
        ),
        (
            users::UserRoutes(app.clone()),
            user_tokens::UserTokenRoutes(app.clone()),
            audit::AuditRoutes(app.clone()),
            invitations::InvitationRoutes(app.clone()),
        ),
        tokens::TokenRoutes(app.clone()),
        outbox::OutboxRoutes(app.clone()),
        plans::PlanRoutes(app.clone()),
        usage::UsageRoutes(app.clone()),
        third_party::ThirdPartyRoutes(app.clone()),
        health::HealthRoutes(app),
    );
    OpenApiService::new(api, "Lamplighter", env!("CARGO_PKG_VERSION")).description(openapi::DESCRIPTION)
}

/// The whole HTTP side.
pub(crate) fn endpoint(app: Arc<App>) -> impl Endpoint<Output = Response> + 'static {
    let document = openapi::document();
    let methods = openapi::methods(&document);
    let limit = app.config.server.max_in_flight;
    let edge = Edge::new(&app.config.server, methods);
    Route::new()
        .at("/openapi.json", docs::openapi())
        .at("/docs", docs::reference())
        .at("/docs/errors", docs::errors())
        .at("/metrics", metrics::endpoint(app.clone()))
        .nest("/", service(Some(app.clone())))
        .data(app)
        .with(Admission { limit })
        .with(Site)
        .with(edge)
        .with(RateHeaders)
        .with(Observe)
}

/// Whether an address is about people and their logins: it goes by cookie or by what was sent by mail, never
/// by what another site's page brings, and takes little.
pub(crate) fn is_of_people(path: &str) -> bool {
    let first = path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next());
    matches!(first, Some("session" | "sessions" | "account" | "setup"))
}
