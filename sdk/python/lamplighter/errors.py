"""What a call can raise. Not here: failures of the connection itself, which stay `httpx` exceptions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from .generated.models import Job


class LamplighterError(Exception):
    """Everything this package raises by itself."""


class ApiError(LamplighterError):
    """The server refused a request.

    `code` is stable and meant for programs; `detail` is for people. `errors` points at the fields at fault:
    ``[{"pointer": "/input/texts/3", "detail": "..."}]``.
    """

    def __init__(self, status: int, problem: dict[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.code: str | None = problem.get("code")
        self.title: str | None = problem.get("title")
        self.detail: str | None = problem.get("detail")
        self.errors: list[dict[str, Any]] = problem.get("errors") or []
        self.request_id: str | None = problem.get("request_id")
        self.retry_after = retry_after
        words = self.detail or self.title or "no further detail"
        fields = "".join(f"\n  {error.get('pointer', '')}: {error.get('detail', '')}" for error in self.errors)
        super().__init__(f"{status} {self.code or ''}: {words}{fields}")

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed a little later.

        Not where the model is switched off: whoever did that has to switch it on first.
        """
        if self.code == "model_unavailable":
            return False
        return self.status in (429, 502, 503, 504) or self.code == "idempotency_in_flight"

    @classmethod
    def from_response(cls, response: httpx.Response) -> ApiError:
        """Reads problem+json; a proxy's HTML page becomes an error without a code."""
        try:
            body = json.loads(response.read())
        except ValueError:
            body = {}
        try:
            retry_after = float(response.headers["Retry-After"])
        except (KeyError, ValueError):
            retry_after = None
        return cls(response.status_code, body if isinstance(body, dict) else {}, retry_after)


class JobFailed(LamplighterError):
    """The job ended without a result: `failed`, `canceled` or `expired`. The whole job is in `job`."""

    def __init__(self, job: Job) -> None:
        self.job = job
        error = job.to_dict().get("error") or {}
        reason = f": {error.get('type')}: {error.get('detail')}" if error else ""
        super().__init__(f"job {job.id} {job.status}{reason}")


class WaitTimeout(LamplighterError, TimeoutError):
    """The job had not ended in time. It goes on; `job` is how it was last seen."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"job {job.id} is still {job.status}")


class StreamLost(LamplighterError):
    """The event stream could not be kept up. The job is not affected; `last_event_id` is where to resume."""

    def __init__(self, job_id: str, last_event_id: str | None) -> None:
        self.last_event_id = last_event_id
        super().__init__(f"lost the event stream of job {job_id} after event {last_event_id or 'none'}")
