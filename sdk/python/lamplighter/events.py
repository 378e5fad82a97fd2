"""The events of a job, typed, and the reading of a server-sent event stream. No requests are made here.

The `id` of an event is where to resume after it: ``client.stream(job, after=event.id)``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .generated.models import Job


@dataclass(frozen=True)
class Status:
    """The job as it stands; sent first and whenever its state or its place in the queue changes."""

    job: Job
    id: str | None = None


@dataclass(frozen=True)
class Progress:
    """How far the run has come: `fraction` from 0 to 1."""

    fraction: float
    stage: str | None
    id: str | None = None


@dataclass(frozen=True)
class Output:
    """A piece of the output. `index` counts from 0 in each run."""

    index: int
    chunk: Any
    id: str | None = None


@dataclass(frozen=True)
class Reset:
    """A new run has started: throw away the chunks seen so far."""

    id: str | None = None


@dataclass(frozen=True)
class Gap:
    """Some chunks are no longer kept. The whole result is in the job of `Done`."""

    id: str | None = None


@dataclass(frozen=True)
class Done:
    """The job has ended; nothing follows."""

    job: Job
    id: str | None = None


Event = Status | Progress | Output | Reset | Gap | Done


@dataclass
class RawEvent:
    """One event as the stream carries it. `retry_ms` may stand alone, without data."""

    name: str = "message"
    data: str | None = None
    id: str | None = None
    retry_ms: int | None = None


def typed(raw: RawEvent) -> Event | None:
    """The event in its type; None for names this version does not know, so that servers may add some."""
    if raw.data is None:
        return None
    match raw.name:
        case "status":
            return Status(Job.from_dict(json.loads(raw.data)), raw.id)
        case "progress":
            body = json.loads(raw.data)
            return Progress(body["fraction"], body.get("stage"), raw.id)
        case "output":
            body = json.loads(raw.data)
            return Output(body["index"], body["chunk"], raw.id)
        case "reset":
            return Reset(raw.id)
        case "gap":
            return Gap(raw.id)
        case "done":
            return Done(Job.from_dict(json.loads(raw.data)), raw.id)
    return None


def position(event_id: str | None) -> tuple[int, int]:
    """`<epoch>-<seq>` as numbers that can be compared; (0, 0) stands before every event."""
    epoch, _, seq = (event_id or "").partition("-")
    return (int(epoch), int(seq)) if epoch.isdigit() and seq.isdigit() else (0, 0)


def parse(parts: Iterable[bytes]) -> Iterator[RawEvent]:
    """Reads an event stream (WHATWG) from pieces of its bytes. An event cut off by the end is dropped."""
    event = RawEvent()
    data: list[str] = []
    for line in _lines(parts):
        if not line:
            if data or event.retry_ms is not None:
                event.data = "\n".join(data) if data else None
                yield event
            event, data = RawEvent(), []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event.name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            event.id = value
        elif field == "retry" and value.isdigit():
            event.retry_ms = int(value)


def _lines(parts: Iterable[bytes]) -> Iterator[str]:
    # Only CR, LF and CRLF end a line. str.splitlines would also cut at U+2028, which JSON may contain.
    rest = b""
    after_cr = False
    for part in parts:
        if after_cr and part:
            part, after_cr = part.removeprefix(b"\n"), False
        if not part:
            continue
        after_cr = part.endswith(b"\r")
        *whole, rest = (rest + part).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            yield line.decode("utf-8", errors="replace")
