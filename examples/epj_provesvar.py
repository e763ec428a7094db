"""A small EPJ: logs a health worker in through HelseID and reads a patient's prøvesvar.

It knows nothing of the sandbox but its addresses. Against the sandbox, with ready persons and no login page:

    python examples/epj_provesvar.py --key epj.jwk.json --login-hint H01

Against a national test environment you name its addresses, your own client and key, and log in in a browser:

    python examples/epj_provesvar.py --helseid https://… --pps https://… --client-id … --key my.jwk.json

What it shows: pushed authorization request, PKCE, client assertion, DPoP with nonce, attest (tillitsrammeverk) in the
client assertion, search, paging, a patient who has blocked access, and opening the block with an elevated basis.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.server
import json
import secrets
import sys
import time
import uuid
import webbrowser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey, import_key

SCOPES = "openid helseid://scopes/identity/pid helseid://scopes/hpr/hpr_number helseid://scopes/identity/security_level"
PPS_SCOPE, PPS_AUDIENCE = "nhn:pps/provesvar-read", "nhn:pps"
ORGANISATION = "urn:oid:2.16.578.1.12.4.1.4.101"
ELEVATED = "FORHOYET_AKUTT"
Key = ECKey | RSAKey


class NotGranted(Exception):
    """HelseID or the service said no; the text is what it said."""


@dataclass(frozen=True)
class Epj:
    """The system: who it is at HelseID, and where it works."""

    client_id: str
    key: Key
    algorithm: str
    helseid: str
    legal_entity: str
    point_of_care: str


@dataclass(frozen=True)
class Session:
    """A logged-in health worker: an access token and the key it is bound to."""

    token: str
    proof_key: ECKey


def main() -> int:
    options = _options()
    epj = _epj(options)
    with httpx.Client(timeout=30) as web:
        session = log_in(web, epj, options.login_hint)
        for patient in options.patient:
            show(web, session, options.pps, patient)
    return 0


def show(web: httpx.Client, session: Session, pps: str, patient: str) -> None:
    """Read one patient's reports; when the patient has blocked access, open the block and read again."""
    print(f"\nPatient {patient[:6]}*****")
    bundles = list(search(web, session, pps, patient))
    why = blocked(bundles[0])
    if why == "General":
        print(f"  blocked by the patient ({why}); opening it with {ELEVATED}, which the patient will see")
        bundles = list(search(web, session, pps, patient, basis=ELEVATED))
        why = blocked(bundles[0])
    if why is not None:
        print(f"  nothing is shown: {why}")
        return
    reports = [entry["resource"] for bundle in bundles for entry in bundle.get("entry", []) if _is_match(entry)]
    print(f"  {bundles[0]['total']} reports on {len(bundles)} pages")
    for report in reports[:3]:
        print(f"  {report['effectiveDateTime'][:10]}  {report['status']:<10} {_code(report)}")


def log_in(web: httpx.Client, epj: Epj, login_hint: str | None) -> Session:
    """Log a health worker in and get an access token for prøvesvar."""
    metadata = _answer(web.get(f"{epj.helseid}/.well-known/openid-configuration"))
    verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe(12)
    receiver = None if login_hint else http.server.HTTPServer(("127.0.0.1", 0), _Callback)
    redirect_uri = f"http://localhost:{receiver.server_port if receiver else 8080}/callback"
    request = {
        **_authentication(epj),
        "response_type": "code",
        "scope": f"{SCOPES} {PPS_SCOPE}",
        "resource": PPS_AUDIENCE,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": _base64url(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    if login_hint:
        request["login_hint"] = login_hint
    pushed = _answer(web.post(metadata["pushed_authorization_request_endpoint"], data=request))
    query = urlencode({"client_id": epj.client_id, "request_uri": pushed["request_uri"]})
    came_back = _authorize(web, f"{metadata['authorization_endpoint']}?{query}", receiver)
    if came_back.get("state") != state or "code" not in came_back:
        raise NotGranted(f"{came_back.get('error')}: {came_back.get('error_description')}")
    proof_key = ECKey.generate_key("P-256")
    form = {
        "grant_type": "authorization_code",
        "code": came_back["code"],
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
        "resource": PPS_AUDIENCE,
    }
    answer = _redeem(web, epj, metadata["token_endpoint"], form, proof_key)
    print(f"Logged in; the token lives {answer['expires_in']} s")
    return Session(answer["access_token"], proof_key)


def search(
    web: httpx.Client, session: Session, pps: str, patient: str, *, basis: str = "UNNTAK", count: int = 25
) -> Iterator[dict[str, Any]]:
    """The pages of a search for all of a patient's reports. Each call has a fresh proof."""
    url, form = f"{pps}/DiagnosticReport/_search", {"_count": str(count)}
    while True:
        headers = {
            "Authorization": f"DPoP {session.token}",
            "DPoP": _proof(session.proof_key, "POST", url, token=session.token),
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


def attest(epj: Epj) -> dict[str, Any]:
    """What the system vouches for: the health worker treats patients here, by a decision it can find again."""
    return {
        "type": "nhn:tillitsrammeverk:parameters",
        "practitioner": {
            "legal_entity": {"id": epj.legal_entity, "system": ORGANISATION},
            "point_of_care": {"id": epj.point_of_care, "system": ORGANISATION},
        },
        "care_relationship": {
            "healthcare_service": {"code": "S03", "system": "urn:oid:2.16.578.1.12.4.1.1.8655"},
            "purpose_of_use": {"code": "TREAT", "system": "urn:oid:2.16.840.1.113883.1.11.20448"},
            "decision_ref": {"id": str(uuid.uuid4()), "user_selected": False},
        },
        "patients": [],
    }


def _redeem(web: httpx.Client, epj: Epj, url: str, form: Mapping[str, str], proof_key: ECKey) -> dict[str, Any]:
    """Exchange the code. The first answer asks for a nonce in the proof; the second call has it."""
    nonce: str | None = None
    for _ in range(2):
        headers = {"DPoP": _proof(proof_key, "POST", url, nonce=nonce)}
        answer = web.post(url, data={**form, **_authentication(epj, attest(epj))}, headers=headers)
        nonce = answer.headers.get("DPoP-Nonce")
        if answer.status_code == 200 or nonce is None:
            break
    return _answer(answer)


def _authorize(web: httpx.Client, url: str, receiver: http.server.HTTPServer | None) -> dict[str, str]:
    """Send the user to HelseID and take what comes back. With ``login_hint`` the sandbox asks nobody."""
    if receiver is None:
        location = web.get(url, follow_redirects=False).headers.get("Location", "")
    else:
        print(f"Log in here: {url}")
        webbrowser.open(url)
        receiver.handle_request()
        location = _Callback.came_back
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def _authentication(epj: Epj, *details: Mapping[str, Any]) -> dict[str, str]:
    """The client assertion: proves the system, and carries the attest."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": epj.client_id,
        "sub": epj.client_id,
        "aud": epj.helseid,
        "iat": now,
        "nbf": now,
        "exp": now + 30,
        "jti": str(uuid.uuid4()),
    }
    if details:
        claims["assertion_details"] = list(details)
    header = {"typ": "client-authentication+jwt", "alg": epj.algorithm}
    if epj.key.kid:
        header["kid"] = epj.key.kid
    return {
        "client_id": epj.client_id,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jws.serialize_compact(header, json.dumps(claims), epj.key, [epj.algorithm]),
    }


def _proof(key: ECKey, method: str, url: str, *, token: str | None = None, nonce: str | None = None) -> str:
    """A DPoP proof for one request (RFC 9449)."""
    claims: dict[str, Any] = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": int(time.time())}
    if token is not None:
        claims["ath"] = _base64url(hashlib.sha256(token.encode()).digest())
    if nonce is not None:
        claims["nonce"] = nonce
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    return jws.serialize_compact(header, json.dumps(claims), key, ["ES256"])


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


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


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


def _epj(options: argparse.Namespace) -> Epj:
    jwk = json.loads(options.key.read_text())
    key = import_key(jwk)
    assert isinstance(key, ECKey | RSAKey)
    algorithm = jwk.get("alg") or ("ES256" if isinstance(key, ECKey) else "RS256")
    return Epj(options.client_id, key, algorithm, options.helseid, options.legal_entity, options.point_of_care)


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
    parser.add_argument("--login-hint", help="person to log in without a page (sandbox only): H01")
    parser.add_argument("patient", nargs="*", default=["14838449698", "02917149979"], help="patients' numbers")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotGranted as refusal:
        sys.exit(f"Not granted. {refusal}")
