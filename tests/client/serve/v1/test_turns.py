"""The API as the official client sees it: whose turn it is, who goes away, and what nobody logs."""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
from contextlib import closing, suppress

import openai
import pytest

from tests.client.assistant.assistants import Home
from tests.client.serve.served import TOKEN, Served, serving
from tests.client.serve.v1.speaking import BREAD, MARKER, answer_to, fail_with_marker, raw


def test_more_replies_than_may_wait_are_refused_at_once(home: Home) -> None:
    with serving(home, waiting=1) as served:
        served.slow_down(0.02)
        began, results = time.monotonic(), []

        def ask() -> None:
            results.append((served.complete(max_tokens=40)[0], time.monotonic() - began))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(status for status, _ in results) == [200, 200, 429, 429]
        assert max(seconds for status, seconds in results if status == 429) < 0.6
        assert served.complete()[0] == 200
        create = served.client.chat.completions.create
        with (
            create(model="tacit-private", messages=[BREAD], temperature=0, max_tokens=40, stream=True),
            create(model="tacit-private", messages=[BREAD], temperature=0, max_tokens=40, stream=True),
            pytest.raises(openai.RateLimitError) as refused,
        ):
            answer_to(served, [BREAD])
        assert refused.value.response.headers["retry-after"] == "5"
        _wait_until_free(served)


def _wait_until_free(served: Served) -> None:
    deadline = time.monotonic() + 5
    while served.complete()[0] == 429:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("streams", [True, False])
def test_whoever_goes_away_frees_the_model_and_nothing_is_kept(served: Served, home: Home, streams: bool) -> None:
    passes = served.slow_down(0.02)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    body = json.dumps({"model": "tacit", "messages": [BREAD], "stream": streams, "max_tokens": 150, "temperature": 0})
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {TOKEN}"})
    if streams:
        assert connection.getresponse().readline().startswith(b"data: ")
    while len(passes) < 3:
        time.sleep(0.01)
    connection.close()
    time.sleep(0.3)
    stopped = len(passes)
    time.sleep(0.2)
    assert len(passes) == stopped < 40
    assert served.complete(max_tokens=2)[0] == 200
    assert len(home.vault.conversations) == 0


def test_a_reply_that_waits_and_is_not_waited_for_is_not_written(home: Home) -> None:
    with serving(home) as served:
        passes = served.slow_down(0.02)
        with served.client.chat.completions.create(
            model="tacit-private", messages=[BREAD], stream=True, max_tokens=60
        ) as first:
            next(iter(first))
            waits = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
            body = json.dumps({"model": "tacit", "messages": [BREAD], "max_tokens": 100})
            waits.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {TOKEN}"})
            time.sleep(0.1)
            waits.close()
            for _ in first:
                pass
        time.sleep(0.2)
        assert len(passes) <= 61


def test_a_stream_that_fails_ends_with_an_error_that_says_nothing(
    served: Served, home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    passes = []

    def fail(*_: object) -> None:
        passes.append(1)
        if len(passes) > 12:
            raise RuntimeError(MARKER)

    hook = served.assistant._plain.model.register_forward_pre_hook(fail)
    received: list[object] = []

    def read() -> None:
        create = served.client.chat.completions.create
        received.extend(create(model="tacit", messages=[BREAD], temperature=0, stream=True))

    with pytest.raises(openai.APIError, match="the reply failed"):
        read()
    assert len(received) > 1
    with pytest.raises(openai.InternalServerError, match="the reply failed"):
        answer_to(served, [BREAD])
    hook.remove()
    assert MARKER not in caplog.text
    assert "a reply failed (RuntimeError)" in caplog.text
    assert len(home.vault.conversations) == 0
    assert answer_to(served, [BREAD])


def test_stopping_the_server_stops_a_reply(home: Home) -> None:
    received: list[bytes] = []

    def read(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        body = json.dumps({"model": "tacit", "messages": [BREAD], "stream": True, "max_tokens": 200})
        with closing(connection), suppress(http.client.HTTPException, OSError):
            connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {TOKEN}"})
            with connection.getresponse() as answer:
                while line := answer.readline():
                    received.append(line)

    with serving(home) as served:
        served.slow_down(0.2)  # 40 seconds in all
        thread = threading.Thread(target=read, args=(served.port,))
        thread.start()
        while not received:
            time.sleep(0.01)
    thread.join(5)
    assert not thread.is_alive()
    assert b"data: [DONE]\n" not in received
    assert len(home.vault.conversations) == 0


def test_no_text_of_anybody_is_logged(
    home: Home, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    home.believe(f"Likes {MARKER}.")
    said = [{"role": "user", "content": MARKER}]
    with serving(home) as served:
        for model in ("tacit", "tacit-private"):
            for streams in (True, False):
                status, answer = raw(served, model=model, messages=said, stream=streams, max_tokens=8)
                assert status == 200
        for wrong in (
            {"messages": [{"role": MARKER, "content": MARKER}]},
            {"messages": said, MARKER: 1},
            {"messages": said, "stop": [MARKER * 100]},
            {"model": MARKER, "messages": said},
        ):
            status, answer = raw(served, **wrong)
            assert status in (400, 404)
            assert MARKER not in answer
        assert raw(served, body=f'{{"{MARKER}'.encode())[0] == 400
        served.assistant._plain.model.register_forward_pre_hook(fail_with_marker)
        assert raw(served, messages=said, model="tacit")[0] == 500
        served.ask("GET", f"/v1/models/{MARKER}")
        served.ask("GET", f"/{MARKER}", headers={"Origin": f"http://{MARKER}"}, token=MARKER)
    out, err = capfd.readouterr()
    shown = caplog.text + "".join(str(record.__dict__) for record in caplog.records) + out + err
    assert MARKER not in shown
    assert "a reply failed (RuntimeError)" in shown
