"""One streamed request of the benchmark `serve`, in a process of its own: `serve_client.py PORT`, the token
and the request in JSON on standard input, a line each.

Prints a JSON list: when the request began, when each piece of text came, when the answer ended (seconds of one clock),
and the pieces. The standard library alone, so that it starts at once.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from contextlib import closing


def main() -> None:
    """See the module."""
    port = int(sys.argv[1])
    token, body = sys.stdin.readline().strip(), sys.stdin.read()
    times: list[float] = []
    pieces: list[str] = []
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.connect()
        began = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        while (line := answer.readline()) != b"data: [DONE]\n":
            if not line:
                raise SystemExit("the server did not write its reply to the end")
            if line.startswith(b"data: {"):
                came = time.perf_counter()
                piece = json.loads(line[6:])["choices"][0]["delta"].get("content")
                if piece:
                    times.append(came)
                    pieces.append(piece)
        ended = time.perf_counter()
    sys.stdout.write(json.dumps([began, times, ended, pieces]))


if __name__ == "__main__":
    main()
