"""Curl command lines as requests."""

from pathlib import Path

import pytest

from app.links.curl_line import FORM, NotCurl, Sent, read_curl

URL = "http://localhost:8000/x"


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        (f"curl {URL}", Sent("GET", URL, (), "")),
        ("curl localhost:8000/x", Sent("GET", URL, (), "")),
        (f"curl -sS -X PUT --url {URL} -H 'A: b' -HC:d", Sent("PUT", URL, (("A", "b"), ("C", "d")), "")),
        (f"curl {URL} -d a=1 --data b=2", Sent("POST", URL, (("Content-Type", FORM),), "a=1&b=2")),
        (f"curl {URL} -d a -H 'content-type: text/x'", Sent("POST", URL, (("content-type", "text/x"),), "a")),
        (
            f"curl -G {URL}?z=0 --data-urlencode 'a=b c' --data-urlencode 'd e'",
            Sent("GET", URL + "?z=0&a=b%20c&d+e", (), ""),
        ),
        (
            f"curl {URL} --json '{{}}'",
            Sent("POST", URL, (("Content-Type", "application/json"), ("Accept", "application/json")), "{}"),
        ),
        (f"curl \\\n -I {URL} -o out.txt --max-time=3 -H 'Empty:'", Sent("HEAD", URL, (), "")),
        (
            f"curl -u a:b -A agent -b c=d -e ref {URL} --compressed",
            Sent(
                "GET",
                URL,
                (("Authorization", "Basic YTpi"), ("User-Agent", "agent"), ("Cookie", "c=d"), ("Referer", "ref")),
                "",
            ),
        ),
        (f"curl --data-raw @x {URL}", Sent("POST", URL, (("Content-Type", FORM),), "@x")),
        (f"curl -sGd a=1 {URL}", Sent("GET", URL + "?a=1", (), "")),
    ],
)
def test_read(line: str, sent: Sent) -> None:
    assert read_curl(line) == sent


def test_data_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_text("a=1\nb")
    assert read_curl(f"curl {URL} -d @{file}").body == "a=1b"
    assert read_curl(f"curl {URL} --data-binary @{file}").body == "a=1\nb"
    assert read_curl(f"curl {URL} --data-urlencode n@{file}").body == "n=a%3D1%0Ab"
    assert read_curl(f"curl {URL} --json @{file}").body == "a=1\nb"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("wget x", "begins with curl"),
        ("curl -X POST", "no URL"),
        ("curl 'x", "split into words"),
        (f"curl {URL} -H", "no value"),
        (f"curl {URL} -H nocolon", "no header"),
        (f"curl {URL} --quic-magic 1", "not known"),
        (f"curl {URL} -d @/nowhere/at/all", "cannot be read"),
    ],
)
def test_refused(line: str, told: str) -> None:
    with pytest.raises(NotCurl, match=told):
        read_curl(line)
