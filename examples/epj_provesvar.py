"""A small EPJ: logs a health worker in through HelseID and reads a patient's prøvesvar.

It knows nothing of the sandbox but its addresses. Against the sandbox, with ready persons and no login page:

    python examples/epj_provesvar.py --key epj.jwk.json --login-hint H01

Against a national test environment you name its addresses, your own client and key, and log in in a browser:

    python examples/epj_provesvar.py --helseid https://… --pps https://… --client-id … --key my.jwk.json

What it shows: login (pushed authorization request, PKCE, client assertion and DPoP with nonce are the kit's), attest
(tillitsrammeverk) in the client assertion, search, paging, a patient who has blocked access, and opening the block with
an elevated basis.
"""

from __future__ import annotations

import argparse
import http.server
import json
import sys
import time
import uuid
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from sandkasse import EpjClient, LoginFailed, Tokens, attest

PPS_SCOPE, PPS_AUDIENCE = "nhn:pps/provesvar-read", "nhn:pps"
ELEVATED = "FORHOYET_AKUTT"


class NotGranted(Exception):
    """The service said no; the text is what it said."""


def main() -> int:
    options = _options()
    receiver = None if options.login_hint else http.server.HTTPServer(("127.0.0.1", 0), _Callback)
    redirect_uri = f"http://localhost:{receiver.server_port if receiver else 8080}/callback"
    key = json.loads(options.key.read_text())
    with EpjClient(options.helseid, options.client_id, key, redirect_uri=redirect_uri) as epj:
        tokens = log_in(epj, options, receiver)
        print(f"Logged in; the token lives {tokens.expires_in} s")
        for number, patient in enumerate(options.patient):
            if number > 0:  # the ground for access is attested anew for each patient, the login is not
                tokens = epj.refresh(tokens, resource=PPS_AUDIENCE, details=vouched(options))
            with httpx.Client(timeout=30, auth=tokens.auth()) as web:  # proves the token anew in every call
                show(web, options.pps, patient, options.think)
    return 0


def log_in(epj: EpjClient, options: argparse.Namespace, receiver: http.server.HTTPServer | None) -> Tokens:
    """Log a health worker in and get an access token for prøvesvar, and one to renew it with."""
    scope = f"{PPS_SCOPE} offline_access"
    if receiver is None:
        return epj.login(scope, hint=options.login_hint, resource=PPS_AUDIENCE, details=vouched(options))
    started = epj.begin(scope, resource=PPS_AUDIENCE)
    print(f"Log in here: {started.url}")
    webbrowser.open(started.url)
    receiver.handle_request()
    return epj.finish(started, _Callback.came_back, details=vouched(options))


def vouched(options: argparse.Namespace) -> list[Mapping[str, Any]]:
    """What the system vouches for: the health worker treats this patient here, by a decision it can find again."""
    role = options.authorization
    return [attest.attest(options.legal_entity, options.point_of_care, str(uuid.uuid4()), authorization=role)]


def show(web: httpx.Client, pps: str, patient: str, think: float) -> None:
    """Read one patient's reports; when the patient has blocked access, open the block and read again.

    Whether to open it is for a person to decide, which takes ``think`` seconds here.
    """
    print(f"\nPatient {patient[:6]}*****")
    bundles = list(search(web, pps, patient))
    why = blocked(bundles[0])
    if why == "General":
        print(f"  blocked by the patient ({why}); opening it with {ELEVATED}, which the patient will see")
        time.sleep(think)
        bundles = list(search(web, pps, patient, basis=ELEVATED))
        why = blocked(bundles[0])
    if why is not None:
        print(f"  nothing is shown: {why}")
        return
    reports = [entry["resource"] for bundle in bundles for entry in bundle.get("entry", []) if _is_match(entry)]
    print(f"  {bundles[0]['total']} reports on {len(bundles)} pages")
    for report in reports[:3]:
        print(f"  {report['effectiveDateTime'][:10]}  {report['status']:<10} {_code(report)}")


def search(
    web: httpx.Client, pps: str, patient: str, *, basis: str = "UNNTAK", count: int = 25
) -> Iterator[dict[str, Any]]:
    """The pages of a search for all of a patient's reports."""
    url, form = f"{pps}/DiagnosticReport/_search", {"_count": str(count)}
    while True:
        headers = {
            "person-id": patient,
            "access-basis": basis,
            "X-Correlation-Id": str(uuid.uuid4()),
        }
        bundle = _answer(web.post(url, data=form, headers=headers))
        yield bundle
        following = next((link["url"] for link in bundle.get("link", []) if link["relation"] == "next"), None)
        if following is None:
            return
        # The next page is asked for as the first was, by POST, with the parameters of the link.
        form = {name: values[0] for name, values in parse_qs(urlsplit(following).query).items()}


def blocked(bundle: Mapping[str, Any]) -> str | None:
    """The code of the restriction that emptied the answer: ``General``, ``Specific`` or ``Reservation``."""
    for entry in bundle.get("entry", []):
        if entry.get("search", {}).get("mode") == "outcome":
            for issue in entry["resource"]["issue"]:
                for coding in issue.get("details", {}).get("coding", []):
                    return str(coding["code"])
    return None


def _answer(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code >= 400:
        said = answer.headers.get("Sandbox-Exchange")
        raise NotGranted(f"{answer.request.url}: {answer.status_code} {answer.text}" + (f" [{said}]" if said else ""))
    body: dict[str, Any] = answer.json()
    return body


def _is_match(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("search", {}).get("mode") == "match")


def _code(report: Mapping[str, Any]) -> str:
    coding = report["code"].get("coding", [{}])[0]
    return str(coding.get("display") or coding.get("code") or report["code"].get("text", ""))


class _Callback(http.server.BaseHTTPRequestHandler):
    """Takes the one redirect of a login in a browser."""

    came_back = ""

    def do_GET(self) -> None:
        type(self).came_back = self.path
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"Logged in. You may close this window.")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the path holds a code."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--helseid", default="http://localhost:8000/helseid", help="issuer")
    parser.add_argument("--pps", default="http://localhost:8000/pps/v2", help="base URL of prøvesvar v2")
    parser.add_argument("--client-id", default="sandkasse-epj")
    parser.add_argument(
        "--key", type=Path, required=True, help="the client's private JWK; `sandkasse client key` has it"
    )
    parser.add_argument("--legal-entity", default="315500109", help="organisation number of the legal entity")
    parser.add_argument("--point-of-care", default="315500303", help="organisation number of the sub-unit")
    parser.add_argument("--authorization", default="LE", help="code of list 9060 the health worker acts by")
    parser.add_argument("--login-hint", help="person to log in without a page (sandbox only): H01")
    parser.add_argument("--think", type=float, default=3.0, help="seconds before a block is opened")
    parser.add_argument("patient", nargs="*", default=["14838449698", "02917149979"], help="patients' numbers")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LoginFailed, NotGranted) as refusal:
        sys.exit(f"Not granted. {refusal}")
