"""An installer and a key-rotation job: registers a client through HelseID Selvbetjening, and renews its key in time.

Install once, by a person with a browser (the API key comes from the vendor's client template):

    python examples/selvbetjening_key_rotation.py install --api-key sbx-epj-dev-key --organisation 315500109

Then let a scheduler run this every night; it does nothing until the key has less than 30 days left:

    python examples/selvbetjening_key_rotation.py rotate

Against a national test environment you name its addresses with --api, --portal and --helseid.

What it shows: client draft, confirmation in the browser with a loopback listener, waiting until the issuer knows the
client, checking that every scope is granted, and a rotation that survives being cut off at any point: the new key is on
disk before it is sent, and the old one is given up after the new one has been used.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.server
import json
import os
import sys
import time
import uuid
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jws
from joserfc.jwk import ECKey

SCOPE = "nhn:selvbetjening/client"
ALGORITHM = "ES256"
PATIENCE = 60.0  # seconds; the real issuer knows a new client or key after 10 to 20


class NotGranted(Exception):
    """The service said no; the text is what it said."""


@dataclass(frozen=True)
class Places:
    """Where the services are."""

    api: str
    portal: str
    helseid: str


@dataclass(frozen=True)
class Client:
    """The installed client: its id and the key it uses now."""

    id: str
    key: ECKey


def main() -> int:
    options = _options()
    places = Places(options.api.rstrip("/"), options.portal.rstrip("/"), options.helseid.rstrip("/"))
    with httpx.Client(timeout=30) as web:
        if options.command == "install":
            client = install(web, places, options)
        else:
            client = rotate(web, places, options.state, timedelta(days=options.days))
        for scope in current(web, places, client)["apiScopes"]:
            print(f"  {scope['scope']}: {scope['status']}")
    return 0


def install(web: httpx.Client, places: Places, options: argparse.Namespace) -> Client:
    """Register a draft, have a person confirm it, and keep what was made."""
    if options.state.exists():
        raise NotGranted(f"{options.state} is there already: this installation has a client")
    key, receiver = _new_key(), http.server.HTTPServer(("127.0.0.1", 0), _Callback)
    draft = {
        "organizationNumber": options.organisation,
        "publicJwk": json.dumps(_public(key)),
        "apiScopes": [SCOPE, *options.scope],
        "redirectUris": ["http://localhost:1337/callback"],
        "postClientConfirmationRedirectUri": f"http://localhost:{receiver.server_port}/callback",
    }
    answer = _checked(web.post(f"{places.api}/v1/client-drafts", json=draft, headers={"api-key": options.api_key}))
    client = Client(answer.json()["clientId"], key)
    page = f"{places.portal}/confirm-client/{client.id}"
    print(f"Confirm the client here: {page}", flush=True)
    if not options.no_browser:
        webbrowser.open(page)
    receiver.handle_request()
    receiver.server_close()
    if _Callback.status != "Success":
        raise NotGranted(f"the client was not confirmed: {_Callback.status or 'no status'}")
    _save(options.state, client)
    _wait_until_known(web, places, client)
    print(f"Installed {client.id}")
    return client


def rotate(web: httpx.Client, places: Places, state: Path, margin: timedelta) -> Client:
    """Give the client a new key when its own ends within ``margin``."""
    client, pending = _load(state)
    if pending is None:
        ends = expiry(web, places, client)
        if ends is None or ends - datetime.now(UTC) > margin:
            print(f"The key is good until {ends or 'further notice'}")
            return client
        pending = _new_key()
        _save(state, client, pending)  # on disk before it is sent: an answer that is lost loses no key
    answer = call(web, places, client, "POST", "/v1/client-secret", json=_public(pending))
    renewed = Client(client.id, pending)
    _wait_until_known(web, places, renewed)
    _save(state, renewed)
    print(f"The new key is good until {answer.json()['expiration']}")
    return renewed


def current(web: httpx.Client, places: Places, client: Client) -> dict[str, Any]:
    """The client as it is registered."""
    registered: dict[str, Any] = call(web, places, client, "GET", "/v1/client").json()
    return registered


def expiry(web: httpx.Client, places: Places, client: Client) -> datetime | None:
    """When the client's own key ends; None when it does not."""
    for entry in call(web, places, client, "GET", "/v1/client-secret").json():
        if entry["kid"] == client.key.kid and entry["expiration"] is not None:
            return datetime.fromisoformat(entry["expiration"])
    return None


def call(web: httpx.Client, places: Places, client: Client, method: str, path: str, **sent: Any) -> httpx.Response:
    """One call to the API: a token of the client, and a proof with a key of its own."""
    proof_key = _new_key()
    token = _token(web, places, client, proof_key)
    if token is None:
        raise NotGranted("the issuer does not know the client")
    url = places.api + path
    headers = {"Authorization": f"DPoP {token}", "DPoP": _proof(proof_key, method, url, token=token)}
    return _checked(web.request(method, url, headers=headers, **sent))


def _token(web: httpx.Client, places: Places, client: Client, proof_key: ECKey) -> str | None:
    """An access token for Selvbetjening; None when the issuer does not know the client or its key (yet)."""
    url, nonce = f"{places.helseid}/connect/token", None
    for _ in range(2):  # the first answer asks for a nonce in the proof
        form = {"grant_type": "client_credentials", "scope": SCOPE, **_authentication(places, client)}
        answer = web.post(url, data=form, headers={"DPoP": _proof(proof_key, "POST", url, nonce=nonce)})
        nonce = answer.headers.get("DPoP-Nonce")
        if nonce is None:
            break
    if answer.status_code == 400 and answer.json()["error"] == "invalid_client":
        return None
    return str(_checked(answer).json()["access_token"])


def _wait_until_known(web: httpx.Client, places: Places, client: Client) -> None:
    """The issuer learns of a new client or key a little later than Selvbetjening does."""
    deadline = time.monotonic() + PATIENCE
    while _token(web, places, client, _new_key()) is None:
        if time.monotonic() > deadline:
            raise NotGranted("the issuer does not know the client")
        time.sleep(1)


def _authentication(places: Places, client: Client) -> dict[str, str]:
    now = int(time.time())
    claims = {
        "iss": client.id,
        "sub": client.id,
        "aud": places.helseid,
        "iat": now,
        "nbf": now,
        "exp": now + 30,
        "jti": str(uuid.uuid4()),
    }
    header = {"typ": "client-authentication+jwt", "alg": ALGORITHM, "kid": client.key.kid}
    return {
        "client_id": client.id,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jws.serialize_compact(header, json.dumps(claims), client.key, [ALGORITHM]),
    }


def _proof(key: ECKey, method: str, url: str, *, token: str | None = None, nonce: str | None = None) -> str:
    """A DPoP proof for one request (RFC 9449)."""
    claims: dict[str, Any] = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": int(time.time())}
    if token is not None:
        claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    if nonce is not None:
        claims["nonce"] = nonce
    header = {"typ": "dpop+jwt", "alg": ALGORITHM, "jwk": key.as_dict(private=False)}
    return jws.serialize_compact(header, json.dumps(claims), key, [ALGORITHM])


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.status_code >= 400:
        raise NotGranted(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    return answer


def _new_key() -> ECKey:
    key = ECKey.generate_key("P-256")
    return ECKey.import_key({**key.as_dict(private=True), "kid": key.thumbprint()})


def _public(key: ECKey) -> dict[str, Any]:
    return {**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM}


def _load(state: Path) -> tuple[Client, ECKey | None]:
    """The client, and a key that was made for it and may have been sent."""
    held: Mapping[str, Any] = json.loads(state.read_text())
    pending = held.get("pendingJwk")
    return Client(held["clientId"], ECKey.import_key(held["jwk"])), pending and ECKey.import_key(pending)


def _save(state: Path, client: Client, pending: ECKey | None = None) -> None:
    """Written beside the old file, on disk, and put in its place in one step; only the owner may read it."""
    held = {"clientId": client.id, "jwk": client.key.as_dict(private=True)}
    if pending is not None:
        held["pendingJwk"] = pending.as_dict(private=True)
    beside = state.with_suffix(".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(held, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(state)


class _Callback(http.server.BaseHTTPRequestHandler):
    """Takes the one redirect after the confirmation."""

    status = ""

    def do_GET(self) -> None:
        type(self).status = parse_qs(urlsplit(self.path).query).get("status", [""])[0]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"You may close this window.")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--api", default="http://localhost:8000/selvbetjening-api", help="the Selvbetjening API")
    parser.add_argument("--portal", default="http://localhost:8000/selvbetjening", help="the portal")
    parser.add_argument("--helseid", default="http://localhost:8000/helseid", help="issuer")
    parser.add_argument("--state", type=Path, default=Path("client.json"), help="where the client and its key are kept")
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("install", help="register the client of this installation")
    first.add_argument("--api-key", required=True, help="of the client template")
    first.add_argument("--organisation", required=True, help="organisation number of the main unit")
    first.add_argument("--scope", action="append", default=[], help="an API scope; may be repeated")
    first.add_argument("--no-browser", action="store_true", help="only print the address to confirm at")
    second = commands.add_parser("rotate", help="renew the key when it ends soon")
    second.add_argument("--days", type=int, default=30, help="how long before its end a key is renewed")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotGranted as refusal:
        sys.exit(f"Not granted. {refusal}")
