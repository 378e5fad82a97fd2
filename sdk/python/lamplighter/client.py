"""The hand-written layer: run, submit, wait, stream. Everything else is in `lamplighter.generated`."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx

from .errors import ApiError, JobFailed, StreamLost, WaitTimeout
from .events import Done, Event, Output, Progress, parse, position, typed
from .generated import AuthenticatedClient
from .generated.api.jobs import cancel_job, create_job, get_job
from .generated.models import CreateJob, Job

TERMINAL = frozenset({"succeeded", "failed", "canceled", "expired"})
"""The states in which a job has ended and never changes again."""

# The server sends a comment every 15 s into a quiet stream: three missing ones mean the connection is dead.
_QUIET_SECONDS = 45.0
_LONGEST_PAUSE = 5.0

T = TypeVar("T")


class Client:
    """A connection to one server with one token. Safe to share between threads; close it or use it in `with`.

    `server` and `token` come from ``LAMPLIGHTER_SERVER`` (else ``http://127.0.0.1:8080``) and ``LAMPLIGHTER_TOKEN``
    when left out. Requests that can safely be repeated are, at most `attempts` times, when the connection fails
    or the server asks to come back later.
    """

    def __init__(self, server: str | None = None, token: str | None = None, *, attempts: int = 6) -> None:
        server = server or os.environ.get("LAMPLIGHTER_SERVER") or "http://127.0.0.1:8080"
        token = token or os.environ.get("LAMPLIGHTER_TOKEN")
        if not token:
            raise ValueError("a token is needed: pass token=... or set LAMPLIGHTER_TOKEN")
        self._attempts = max(1, attempts)
        self.api = AuthenticatedClient(
            base_url=server.rstrip("/"),
            token=token,
            timeout=httpx.Timeout(90.0, connect=10.0),
            httpx_args={"event_hooks": {"response": [_raise_problem]}},
        )
        """For the generated operations, as in ``list_models.sync(client=client.api)``; they raise `ApiError` too."""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self.api.get_httpx_client().close()

    def run(self, model: str, input: str | Mapping[str, Any], *, timeout: float | None = None, **options: Any) -> Any:
        """Submits a job, waits for it and gives its output.

        Raises `JobFailed` when it ends otherwise and `WaitTimeout` after `timeout` seconds. `options` as in `submit`.
        """
        started = time.monotonic()
        hold = 30 if timeout is None else min(30, max(1, int(timeout)))
        job = self.submit(model, input, hold=hold, **options)
        left = None if timeout is None else max(0.0, timeout - (time.monotonic() - started))
        job = self.wait(job, timeout=left)
        if job.status != "succeeded":
            raise JobFailed(job)
        return job.to_dict().get("output")

    def submit(
        self,
        model: str,
        input: str | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        hold: int | None = None,
        **fields: Any,
    ) -> Job:
        """Submits a job and gives it as accepted. A text stands for ``{"text": input}``.

        A key of its own makes the request safe to repeat; pass one to make it safe across your own restarts too.
        `hold` asks the server to keep the answer back for that many seconds (1 to 60) if the job ends by then.
        `fields` are the other members of the request: `task`, `priority`, `timeout`, `metadata`.
        """
        body = {"model": model, "input": {"text": input} if isinstance(input, str) else dict(input), **fields}
        headers = {"idempotency_key": idempotency_key or str(uuid.uuid4())}
        if hold is not None:
            headers["prefer"] = f"wait={hold}"
        request = CreateJob.from_dict(body)
        return self._job(lambda: create_job.sync(client=self.api, body=request, **headers))

    def get(self, job: Job | str) -> Job:
        """The job as it stands now."""
        job_id = _id(job)
        return self._job(lambda: get_job.sync(job_id, client=self.api))

    def cancel(self, job: Job | str) -> Job:
        """Asks to cancel. A running job ends within about two seconds; see `wait`."""
        job_id = _id(job)
        return self._job(lambda: cancel_job.sync(job_id, client=self.api))

    def wait(self, job: Job | str, *, timeout: float | None = None) -> Job:
        """Polls until the job has ended, whatever way, and gives it. Raises `WaitTimeout` after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        job = self.get(job)
        pause = 0.05
        while job.status not in TERMINAL:
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeout(job)
            time.sleep(pause if deadline is None else max(0.0, min(pause, deadline - time.monotonic())))
            pause = min(pause * 1.5, 1.0)
            job = self.get(job)
        return job

    def stream(self, job: Job | str, *, after: str | None = None) -> Iterator[Event]:
        """The job's events until `Done`, each once and in order, over as many connections as it takes.

        `after` is the `id` of the last event seen earlier. Raises `StreamLost` when
        no connection brings anything for `attempts` tries, `ApiError` when the server refuses.
        """
        job_id, last, failures = _id(job), after, 0
        retry = 1.0
        while True:
            try:
                for raw in self._connect(job_id, last):
                    failures = 0
                    if raw.retry_ms is not None:
                        retry = raw.retry_ms / 1000
                    event = typed(raw)
                    if event is None:
                        continue
                    if isinstance(event, Output | Progress) and position(raw.id) <= position(last):
                        continue
                    last = raw.id or last
                    yield event
                    if isinstance(event, Done):
                        return
            except ApiError as error:
                if not error.temporary:
                    raise
            except httpx.TransportError:
                pass
            failures += 1
            if failures >= self._attempts:
                raise StreamLost(job_id, last)
            time.sleep(random.uniform(0.5, 1.0) * min(retry * failures, _LONGEST_PAUSE))

    def _connect(self, job_id: str, last: str | None) -> Iterator[Any]:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        timeout = httpx.Timeout(10.0, read=_QUIET_SECONDS)
        http = self.api.get_httpx_client()
        with http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers, timeout=timeout) as response:
            yield from parse(response.iter_bytes())

    def _job(self, send: Callable[[], Any]) -> Job:
        answer = self._again(send)
        if not isinstance(answer, Job):
            raise TypeError(f"the server answered something else than a job: {answer!r}")
        return answer

    def _again(self, send: Callable[[], T]) -> T:
        """Sends, and sends again after a pause where that can help. Only for requests that may be repeated."""
        for attempt in range(1, self._attempts + 1):
            pause = random.uniform(0.5, 1.0) * min(0.2 * 2**attempt, _LONGEST_PAUSE)
            try:
                return send()
            except ApiError as error:
                if not error.temporary or attempt == self._attempts:
                    raise
                pause = max(pause, min(error.retry_after or 0.0, 30.0))
            except httpx.TransportError:
                if attempt == self._attempts:
                    raise
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


def _id(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id


def _raise_problem(response: httpx.Response) -> None:
    if response.status_code >= 400:
        raise ApiError.from_response(response)
