"""The reading of event streams and the resuming of broken ones, without a real server."""

import json
from pathlib import Path

import pytest
from double import body, double, events, hang_up, problem

from lamplighter import ApiError, Client, Done, Output, StreamLost
from lamplighter.events import RawEvent, parse, position

JOB = json.loads(Path(__file__).with_name("job.json").read_text())
DONE = f"event: done\nid: 1-3\ndata: {json.dumps(JOB)}\n\n"


def output(event_id: str, index: int) -> str:
    return f'event: output\nid: {event_id}\ndata: {{"index":{index},"chunk":"c{index}"}}\n\n'


def test_a_stream_reads_the_same_in_pieces_of_every_size():
    text = (
        ': hello\r\nretry: 2000\r\n\r\nevent: output\nid: 1-1\ndata: {"chunk":\ndata: "é\u2028水"}\n\n'
        "id: 1-2\rdata:x\r\rdata: cut off"
    ).encode()
    expected = [
        RawEvent(retry_ms=2000),
        RawEvent("output", '{"chunk":\n"é\u2028水"}', "1-1"),
        RawEvent(data="x", id="1-2"),
    ]
    for size in range(1, len(text) + 1):
        assert list(parse(text[at : at + size] for at in range(0, len(text), size))) == expected, size


def test_event_ids_are_compared_as_numbers_epoch_first():
    assert position("1-10") > position("1-9")
    assert position("2-1") > position("1-99")
    assert position("0-0") == position(None) == position("nonsense")


def test_a_broken_stream_resumes_after_the_last_event_and_repeats_none():
    script = (
        events(f"retry: 10\n\n{output('1-1', 0)}event: output\nid: 1-2\nda", cut=True),
        problem(503, "unavailable"),
        events(f"{output('1-1', 0)}{output('1-2', 1)}event: later\ndata: {{}}\n\n{DONE}"),
    )
    with double(*script) as server, Client(server.url, "t") as client:
        seen = list(client.stream(JOB["id"]))
    assert seen[:-1] == [Output(0, "c0", "1-1"), Output(1, "c1", "1-2")]
    assert isinstance(seen[-1], Done) and seen[-1].job.id == JOB["id"]
    assert [request.get("last-event-id") for request in server.requests] == [None, "1-1", "1-1"]
    assert server.requests[0]["authorization"] == "Bearer t"


def test_a_stream_that_never_comes_back_says_where_to_resume():
    script = events(f"retry: 1\n\n{output('1-1', 0)}"), problem(502, "bad_gateway")
    with double(*script) as server, Client(server.url, "t", attempts=3) as client:
        with pytest.raises(StreamLost) as lost:
            list(client.stream("job_1"))
    assert lost.value.last_event_id == "1-1"
    assert len(server.requests) == 3


def test_a_refusal_ends_a_stream_at_once():
    with double(problem(404, "not_found")) as server, Client(server.url, "t") as client:
        with pytest.raises(ApiError) as refused:
            list(client.stream("job_1"))
    assert refused.value.code == "not_found"
    assert len(server.requests) == 1


def test_a_model_that_is_switched_off_is_told_at_once():
    with double(problem(503, "model_unavailable")) as server, Client(server.url, "t") as client:
        with pytest.raises(ApiError) as refused:
            client.submit("echo", "hi")
    assert refused.value.code == "model_unavailable" and not refused.value.temporary
    assert len(server.requests) == 1


def test_submit_is_sent_again_with_the_same_idempotency_key():
    script = hang_up, problem(503, "unavailable", Retry_After="0"), body(202, JOB)
    with double(*script) as server, Client(server.url, "t") as client:
        assert client.submit("echo", "hi").id == JOB["id"]
    keys = [request["idempotency-key"] for request in server.requests]
    assert len(keys) == 3
    assert len(set(keys)) == 1
