//! What a job is to do: a model, one of its tasks, and an input that fits it.

use lamplighter_shared::{error::ErrorCode, model_spec::ModelSpec, task::Task};
use serde_json::Value;

use crate::{
    error::{ApiError, Fault},
    message::message,
    state::App,
    submit::Client,
};

/// A model and one of its tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work<'a> {
    /// The model.
    pub(crate) spec: &'a ModelSpec,
    /// What it is to do.
    pub(crate) task: Task,
}

impl<'a> Work<'a> {
    /// The model of this name and its task of that name, as far as the client may use it; without a name, its
    /// first task.
    ///
    /// # Errors
    /// 422 where there is no such model or the model has no such task, 403 where the token does not allow it.
    pub(crate) fn find(
        app: &'a App,
        client: &Client<'_>,
        model: &str,
        task: Option<&str>,
    ) -> Result<Self, ApiError> {
        let Some(spec) = app.catalog.get(model) else {
            let detail = message!(
                "The model does not exist or is not served here; GET /v1/models lists those that are."
            );
            let mut error = ApiError::new(ErrorCode::UnknownModel, detail);
            error.errors.push(Fault::at(
                "/model",
                "unknown_model",
                message!("is not a model of this server"),
            ));
            return Err(error);
        };
        if client.models.is_some_and(|models| !models.contains(&spec.id)) {
            let detail = message!("The token does not allow the model {model}.", model = &spec.id);
            return Err(ApiError::new(ErrorCode::ModelNotAllowed, detail));
        }
        let Some(task) = spec.task(task) else {
            let tasks: Vec<&str> = spec.tasks.iter().map(|task| task.as_str()).collect();
            let detail = message!("must be a task of the model: {tasks}", tasks = tasks.join(", "));
            return Err(ApiError::invalid(vec![Fault::at("/task", "not_allowed", detail)]));
        };
        Ok(Self { spec, task })
    }

    /// Checks a job's input.
    ///
    /// # Errors
    /// 422 with pointers where it does not fit the task's schema.
    pub(crate) fn check(self, app: &App, input: &Value) -> Result<(), ApiError> {
        let schema = app
            .input_schema(self.spec, self.task)
            .ok_or_else(|| ApiError::internal("a task of a model has no schema"))?;
        let faults = schema.faults(input, "/input");
        if faults.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid(faults))
        }
    }
}
