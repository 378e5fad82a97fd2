//! Submitting: the one use-case behind `POST /v1/jobs` and `POST /v1/jobs/{id}/retry`. Validate, store
//! the row, ring the doorbell; nothing is stored of a job that does not fit.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::{
    db::{
        jobs,
        shares::{Quota, Refusal, ShareLimits, Standing},
        submit::{Counted, Idempotency, NewJob, Submitted},
    },
    error::ErrorCode,
    fault,
    id::{JobId, TokenId, UserId},
    job::{Job, Priority},
    telemetry::metrics::RATE_LIMIT,
};
use poem::http::{HeaderValue, header};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    auth::{principal::Principal, share::Share},
    create_job::{CreateJob, MAX_METADATA},
    error::{ApiError, Fault},
    json_body::JsonBody,
    message::{Message, message},
    rate_headers::{self, Policy},
    state::App,
    work::Work,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Who submits.
pub struct Client<'a> {
    /// The owner of the job.
    pub user: UserId,
    /// Whether they have no account.
    pub is_guest: bool,
    /// Whose use it counts as.
    pub share: &'a Share,
    /// The models that may be used; none: all.
    pub models: Option<&'a [String]>,
    /// The token, where one proves who it is.
    pub token: Option<TokenId>,
}

/// What a request asks for.
pub enum Wanted {
    /// A job to be stored.
    New(Box<NewJob>),
    /// The job of an earlier request for the same, with the same idempotency key.
    Earlier(Box<Job>),
}

impl Wanted {
    /// The job it is about.
    pub fn id(&self) -> JobId {
        match self {
            Self::New(job) => job.id,
            Self::Earlier(job) => job.id,
        }
    }

    /// Stores the job, unless it is there.
    ///
    /// # Errors
    /// As [`submit`].
    pub async fn stored(self, app: &Arc<App>) -> Result<Submission, ApiError> {
        match self {
            Self::New(job) => submit(app, *job).await,
            Self::Earlier(job) => Ok(Submission {
                job: *job,
                input: None,
                replayed: true,
            }),
        }
    }
}

/// What came of a submission.
pub struct Submission {
    /// The job; an earlier one where the request was a repetition.
    pub job: Job,
    /// The input that was stored, where this request stored it and it is short enough to be shown.
    pub input: Option<String>,
    /// Whether an earlier request with the same idempotency key made the job.
    pub replayed: bool,
}

/// Checks a body of `POST /v1/jobs`.
///
/// # Errors
/// 422 with pointers where it does not fit the operation, or its input does not fit the model; 413 where only other
/// models take so much; 503 where the model is switched off.
pub async fn validate(
    app: &App,
    client: &Client<'_>,
    whole: &JsonBody<CreateJob>,
) -> Result<NewJob, ApiError> {
    let body = &whole.value;
    let create: CreateJob = app.create_job.read(body)?;
    // It may be large, and stands in the body.
    drop(create.input);
    if create
        .metadata
        .as_ref()
        .is_some_and(|m| m.text().len() > MAX_METADATA)
    {
        let detail = message!("must have at most {limit} bytes", limit = MAX_METADATA);
        return Err(ApiError::invalid(vec![Fault::at(
            "/metadata",
            "too_long",
            detail,
        )]));
    }
    let work = Work::find(app, client, &create.model, create.task.as_deref())?;
    if !work.task.takes_media() {
        whole.must_be_small()?;
    }
    app.switches.check(&work.spec.id).await?;
    work.check(app, &body["input"])?;
    let limits = &app.config.jobs;
    let timeout = create.timeout.unwrap_or_default();
    let priority = create.priority.map_or(Priority::Normal, Priority::from);
    let mut job = new_job(client, work, &body["input"], priority)?;
    job.metadata = body.get("metadata").cloned();
    job.start_timeout = Duration::from_secs(timeout.start_seconds.unwrap_or(limits.start_seconds));
    job.run_timeout = Duration::from_secs(timeout.run_seconds.unwrap_or(limits.run_seconds));
    Ok(job)
}

/// A new job with the input of a finished one.
///
/// # Errors
/// 404 where there is no such job, 409 while it runs, 410 where its input is gone, 422 where the model
/// is not served any more or takes other input now, 503 where it is switched off.
pub async fn repeat(app: &App, client: &Client<'_>, id: JobId) -> Result<NewJob, ApiError> {
    let owner = client.user;
    let job = jobs::get(&app.db, owner, id)
        .await?
        .ok_or_else(ApiError::no_such_job)?;
    if !job.state.is_terminal() {
        let detail = message!("The job has not ended; only a job that has ended can be repeated.");
        return Err(ApiError::new(ErrorCode::JobActive, detail));
    }
    let gone = || {
        ApiError::new(
            ErrorCode::DataRemoved,
            message!("The job's input was removed; it can't be repeated."),
        )
    };
    let stored = jobs::input(&app.db, owner, id).await?;
    let input = stored.filter(|_| !job.data_removed).ok_or_else(gone)?;
    let input: Value = serde_json::from_str(&input).map_err(ApiError::internal)?;
    let work = Work::find(app, client, &job.model, Some(&job.task))?;
    app.switches.check(&work.spec.id).await?;
    work.check(app, &input)?;
    let mut new = new_job(client, work, &input, job.priority)?;
    new.metadata = job.metadata;
    new.start_timeout =
        Duration::from_millis(u64::try_from(job.start_deadline - job.created_at).unwrap_or_default());
    new.run_timeout = job.run_timeout;
    new.retry_of = Some(id);
    Ok(new)
}

/// The job that an earlier request with the same idempotency key made. It is given whatever has become of plans
/// and models since.
///
/// # Errors
/// 422 where the key belongs to a request for something else, which costs as much as a first one; 429 then.
pub(crate) async fn earlier<S>(
    app: &App,
    principal: &Principal<S>,
    asked: Option<&Idempotency>,
) -> Result<Option<Job>, ApiError> {
    let (Some(earlier), Some(asked)) = (&principal.earlier, asked) else {
        return Ok(None);
    };
    let same = earlier.body_hash == asked.body_hash;
    if same && let Some(job) = jobs::get(&app.db, principal.user, earlier.job).await? {
        return Ok(Some(job));
    }
    // Its job was deleted just now: what follows is a first request.
    principal.charge(app).await?;
    if same { Ok(None) } else { Err(key_reused()) }
}

fn key_reused() -> ApiError {
    let detail = message!("This Idempotency-Key was used for a request with another body.");
    ApiError::new(ErrorCode::IdempotencyKeyReused, detail)
}

/// Stores a job and wakes its workers.
///
/// # Errors
/// 422 where the idempotency key belongs to another request, 409 while the first is being stored.
pub async fn submit(app: &Arc<App>, job: NewJob) -> Result<Submission, ApiError> {
    // A large one is not shown, and not kept.
    let input = Some(&job.input).filter(|input| input.len() <= jobs::MAX_SHOWN_INPUT);
    let (input, replay_possible) = (input.cloned(), job.idempotency.is_some());
    let (limits, operation) = (job.limits, app.submitter.submit_counted(job));
    let Counted { submitted, standing } = operation.await?;
    if let Some(standing) = standing {
        tell(&limits, &standing);
    }
    match submitted {
        Submitted::Created(job) => {
            app.queue_room.stored();
            tracing::debug!(job = %job.id, model = job.model, "a job was accepted");
            let (doorbell, model, id) = (app.doorbell.clone(), job.model.clone(), job.id);
            // Off the request path: the row is stored, and idle workers look by themselves.
            tokio::spawn(async move {
                let _ = tokio::time::timeout(Duration::from_millis(50), doorbell.ring(&model, id)).await;
                fault::point("submit.after_push").await;
            });
            fault::point("submit.before_response").await;
            Ok(Submission {
                job,
                input,
                replayed: false,
            })
        }
        Submitted::Replayed(job) if replay_possible => Ok(Submission {
            job,
            input: None,
            replayed: true,
        }),
        Submitted::Replayed(_) => Err(ApiError::internal(
            "a job without a key was taken for a repetition",
        )),
        Submitted::Refused(refusal) => Err(refused(&refusal)),
        Submitted::KeyReused => Err(key_reused()),
        Submitted::InFlight => {
            let detail =
                message!("The first request with this Idempotency-Key is still being stored; ask again.");
            let error = ApiError::new(ErrorCode::IdempotencyInFlight, detail);
            Err(error.header(header::RETRY_AFTER, HeaderValue::from_static("1")))
        }
    }
}

/// The idempotency of a request: its key, and a hash of what it asks for.
pub fn idempotency(key: Option<String>, operation: &str, body: &Value) -> Option<Idempotency> {
    let key = key?;
    let mut hash = Hash(Sha256::new());
    hash.take(operation.as_bytes());
    hash.take(b"\n");
    hash.take_canonical(body);
    Some(Idempotency {
        key,
        body_hash: hash.0.finalize().into(),
    })
}

/// A hash of values, however large: nothing of them is copied.
struct Hash(Sha256);

impl Hash {
    fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes a value in so that equal values give equal hashes: keys in order, no blanks.
    fn take_canonical(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                self.take(b"{");
                for (key, value) in entries {
                    self.take_scalar(key);
                    self.take(b":");
                    self.take_canonical(value);
                    self.take(b",");
                }
                self.take(b"}");
            }
            Value::Array(items) => {
                self.take(b"[");
                for item in items {
                    self.take_canonical(item);
                    self.take(b",");
                }
                self.take(b"]");
            }
            scalar => self.take_scalar(scalar),
        }
    }

    fn take_scalar(&mut self, scalar: &(impl serde::Serialize + ?Sized)) {
        serde_json::to_writer(self, scalar).expect("a hash takes everything, and scalars are JSON");
    }
}

impl std::io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.take(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What an answer tells of the quotas.
fn tell(limits: &ShareLimits, standing: &Standing) {
    let quotas = [
        (
            Quota::Hourly,
            limits.jobs_per_hour,
            HOUR,
            standing.hour_used,
            standing.hour_left,
        ),
        (
            Quota::Daily,
            limits.jobs_per_day,
            24 * HOUR,
            standing.day_used,
            standing.day_left,
        ),
    ];
    for (quota, limit, window, used, left) in quotas.into_iter().filter(|(_, limit, ..)| *limit > 0) {
        rate_headers::note(Policy {
            name: quota.as_str(),
            quota: limit.into(),
            window: Some(window),
            left: Some((u64::from(limit).saturating_sub(used), left)),
        });
    }
}

fn refused(refusal: &Refusal) -> ApiError {
    metrics::counter!(RATE_LIMIT, "policy" => refusal.quota.as_str(), "outcome" => "refused").increment(1);
    if refusal.quota == Quota::Waiting {
        // The others stand in every answer of a submission; of this one there is something to tell only now.
        rate_headers::note(Policy {
            name: refusal.quota.as_str(),
            quota: refusal.limit,
            window: None,
            left: Some((0, refusal.retry_after)),
        });
    }
    let (limit, used) = (refusal.limit, refusal.used);
    let detail = match refusal.quota {
        Quota::Hourly => message!(
            "You may have {limit} jobs an hour, and have {used}.",
            limit = limit,
            used = used
        ),
        Quota::Daily => message!(
            "You may have {limit} jobs a day, and have {used}.",
            limit = limit,
            used = used
        ),
        Quota::Waiting => message!(
            "You may have {limit} jobs waiting at once, and have {used}.",
            limit = limit,
            used = used
        ),
    };
    ApiError::new(ErrorCode::QuotaExceeded, detail)
        .violates(refusal.quota.as_str())
        .retry_after(refusal.retry_after)
}

fn priority_in_words(priority: Priority) -> Message {
    match priority {
        Priority::Low => message!("low"),
        Priority::Normal => message!("normal"),
        Priority::High => message!("high"),
    }
}

fn new_job(
    client: &Client<'_>,
    work: Work<'_>,
    input: &Value,
    priority: Priority,
) -> Result<NewJob, ApiError> {
    let plan = &client.share.plan;
    if !plan.priorities.contains(&priority) {
        let detail = message!(
            "The plan {plan} has no jobs of {priority} priority.",
            plan = &client.share.plan_name,
            priority = priority_in_words(priority)
        );
        return Err(ApiError::new(ErrorCode::PriorityNotAllowed, detail));
    }
    Ok(NewJob {
        id: JobId::generate(),
        owner: client.user,
        owner_is_guest: client.is_guest,
        model: work.spec.id.clone(),
        task: work.task.as_str().to_owned(),
        priority,
        cost: work.task.cost(input),
        share_key: client.share.key.clone(),
        plan_weight: plan.weight.max(1).into(),
        running_cap: plan.running_cap(),
        limits: ShareLimits {
            jobs_per_hour: plan.jobs_per_hour,
            jobs_per_day: plan.jobs_per_day,
            waiting: plan.waiting,
        },
        token: client.token,
        input: input.to_string(),
        metadata: None,
        start_timeout: Duration::ZERO,
        run_timeout: Duration::ZERO,
        retry_of: None,
        idempotency: None,
        trace: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_requests_have_equal_hashes_and_others_do_not() {
        let hash = |operation: &str, text: &str| {
            let body = crate::strict_json::parse(text.as_bytes()).expect("JSON");
            idempotency(Some("k".to_owned()), operation, &body)
                .expect("a key")
                .body_hash
        };
        let one = hash("createJob", r#"{"a":[1,2],"b":{"c":"x","d":null}}"#);
        assert_eq!(
            one,
            hash("createJob", r#" { "b": {"d":null, "c":"\u0078"}, "a": [1, 2] }"#)
        );
        for other in [
            r#"{"a":[2,1],"b":{"c":"x","d":null}}"#,
            r#"{"a":[12],"b":{"c":"x","d":null}}"#,
            "{}",
            "null",
        ] {
            assert_ne!(one, hash("createJob", other), "{other}");
        }
        assert_ne!(hash("createJob", "{}"), hash("retryJob", "{}"));
        assert!(idempotency(None, "createJob", &json!({})).is_none());
    }
}
