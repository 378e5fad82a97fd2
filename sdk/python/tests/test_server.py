"""Against a real server (LAMPLIGHTER_SERVER, LAMPLIGHTER_TOKEN; sdk/test.sh starts one) with the model `echo`."""

import uuid

import pytest

from lamplighter import ApiError, Client, Done, JobFailed, Output, Status, WaitTimeout
from lamplighter.generated.api.models import list_models


@pytest.fixture(scope="module")
def client():
    with Client() as client:
        yield client


def test_submit_and_poll(client):
    job = client.submit("echo", {"hello": "wörld 水"}, metadata={"from": "python"})
    assert job.id
    finished = client.wait(job, timeout=30)
    assert finished.id == job.id
    assert finished.status == "succeeded"
    assert finished.to_dict()["output"] == {"hello": "wörld 水"}
    assert finished.to_dict()["metadata"] == {"from": "python"}


def test_run_gives_the_output_and_a_text_is_an_input_too(client):
    assert client.run("echo", "hello", timeout=30) == {"text": "hello"}


def test_the_event_stream_brings_every_chunk_once_in_order_then_the_whole_job(client):
    job = client.submit("echo", {"chunks": 25, "sleep_ms": 200})
    seen = list(client.stream(job))
    assert [event.index for event in seen if isinstance(event, Output)] == list(range(25))
    assert {event.job.id for event in seen if isinstance(event, Status)} <= {job.id}
    assert isinstance(seen[-1], Done)
    assert (seen[-1].job.id, seen[-1].job.status) == (job.id, "succeeded")


def test_a_stream_can_be_left_and_taken_up_again_after_the_last_event_seen(client):
    job = client.submit("echo", {"chunks": 10, "sleep_ms": 100})
    indexes, after = [], None
    for event in client.stream(job):
        if isinstance(event, Output):
            indexes.append(event.index)
            after = event.id
            if len(indexes) == 4:
                break
    indexes += [event.index for event in client.stream(job, after=after) if isinstance(event, Output)]
    assert indexes == list(range(10))


def test_the_same_idempotency_key_gives_the_same_job(client):
    key = str(uuid.uuid4())
    first = client.submit("echo", {"n": 1}, idempotency_key=key)
    assert client.submit("echo", {"n": 1}, idempotency_key=key).id == first.id
    with pytest.raises(ApiError) as refused:
        client.submit("echo", {"n": 2}, idempotency_key=key)
    assert refused.value.code == "idempotency_key_reused"


def test_a_refusal_carries_its_code_and_points_at_the_field(client):
    with pytest.raises(ApiError) as refused:
        client.submit("echo", {"sleep_ms": "long"})
    assert (refused.value.status, refused.value.code) == (422, "validation_failed")
    assert refused.value.errors[0]["pointer"] == "/input/sleep_ms"
    with Client(token="lmp_wrong") as stranger, pytest.raises(ApiError) as refused:
        stranger.get("x")
    assert refused.value.status == 401


def test_a_job_that_fails_is_canceled_or_takes_too_long_says_so(client):
    with pytest.raises(JobFailed, match="on purpose") as failed:
        client.run("echo", {"fail": "on purpose"})
    assert failed.value.job.status == "failed"
    job = client.submit("echo", {"sleep_ms": 60_000})
    with pytest.raises(WaitTimeout):
        client.wait(job, timeout=0.2)
    client.cancel(job)
    assert client.wait(job, timeout=15).status == "canceled"


def test_generated_operations_work_on_the_same_connection(client):
    models = list_models.sync(client=client.api)
    assert "echo" in [model.id for model in models.data]
