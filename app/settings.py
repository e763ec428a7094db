"""Every setting of the service: an environment variable ``SANDKASSE_<NAME>`` each."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once at start and passed in; nothing reads the environment later."""

    model_config = SettingsConfigDict(env_prefix="SANDKASSE_", extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=1, le=65535, description="Port for http.")
    workers: int = Field(1, ge=1, le=64, description="Server processes; they share the database.")
    database_url: str = Field(
        "sqlite:///data/sandkasse.db",
        description="SQLAlchemy URL: `sqlite:///file.db` or `postgresql+psycopg://…`.",
    )
    data_dir: Path = Field(Path("data"), description="Folder for the local CA and other files the service makes.")
    public_url: str | None = Field(
        None, description="Base URL to show in issuer, links and `htu`, when a proxy stands in front."
    )
    trusted_proxies: list[str] = Field(
        default_factory=list, description="JSON list of proxy addresses whose `X-Forwarded-*` headers count."
    )
    admin_key: str | None = Field(
        None, description="Key that the control API demands in `X-Admin-Key`. Required unless bound to loopback."
    )
    seed: str = Field("sandkasse", description="Seed of the default sandbox's ids.")
    scenario_dir: Path | None = Field(None, description="Folder with scenario files (`.yaml`) of your own.")
    seed_on_start: bool = Field(True, description="Load people and results into an empty default sandbox at start.")
    profile: Literal["lenient", "strict"] = Field(
        "lenient",
        description="`lenient` takes what the published clients send and records findings; `strict` refuses it (C1).",
    )
    proof_window: Literal["strict", "relaxed"] = Field(
        "strict", description="How old a DPoP proof to an API may be: `strict` 1 s + 5 s skew, `relaxed` 60 s (R20)."
    )
    attest_schema: Literal["national", "schema"] = Field(
        "national", description="`schema` refuses attest members the national profile drops (R20)."
    )
    attest_binding: Literal["none", "strict"] = Field(
        "none", description="`strict` binds an attest to the first patient it is used for (R16)."
    )
    search_params: Literal["lenient", "strict"] = Field(
        "lenient", description="`strict` answers 400 to search parameters the service does not document (R20)."
    )
    mode: Literal["national", "ehds"] = Field(
        "national", description="`ehds` hides that a restriction exists (R10, personvern spec 7.2)."
    )
    docs_aliases: bool = Field(False, description="Accept the invalid numbers that public documents use (R50).")
    nin_rule: Literal["2032", "1964"] = Field("2032", description="Control digit rule of national identity numbers.")
    v1_metadata_bug: bool = Field(True, description="PPS v1 `/metadata` demands a token, as the real one does.")
    plaintext_errors: bool = Field(False, description="PPS answers 400 as text/plain, as the real one sometimes does.")
    ki_bearer: Literal["on", "off"] = Field(
        "on", description="Whether critical-information takes Bearer tokens; `off` as after the national change (S4)."
    )
    parent_same_address_rule: Literal["any_parent", "only_coresident"] = Field(
        "any_parent", description="Which parents may act for a child when one lives at its address."
    )
    ttt_key: str = Field("sandkasse", description="`X-Auth-Key` of the test-token service (R29).")
    issuer_alg: Literal["RS256"] = Field("RS256", description="Signature algorithm of the issuer.")
    access_token_seconds: int = Field(600, ge=1, le=86400, description="Life of an access token.")
    id_token_seconds: int = Field(300, ge=1, le=86400, description="Life of an ID token.")
    refresh_token_seconds: int = Field(28800, ge=1, description="Life of a refresh token (`rt_expires_in`).")
    rotate_refresh_tokens: bool = Field(False, description="Give a new refresh token at each refresh (R25).")
    code_seconds: int = Field(60, ge=1, description="Life of an authorization code.")
    par_seconds: int = Field(60, ge=1, description="Life of a pushed authorization request.")
    nonce_seconds: int = Field(300, ge=1, description="Life of a DPoP nonce (C4).")
    attest_max_age: int = Field(3600, ge=1, description="Greatest age of an attest in seconds (R15).")
    privacy_timeout: float = Field(5.0, gt=0, description="Seconds before the privacy look-up counts as down (R44).")
    token_cache_size: int = Field(4096, ge=0, description="Verified access tokens kept in memory.")
    key_cache_size: int = Field(4096, ge=0, description="Imported public keys kept in memory.")
    max_body_bytes: int = Field(1_048_576, ge=1024, description="Largest request body.")
    max_message_bytes: int = Field(5_242_880, ge=1024, description="Largest svarrapport.")
    max_header_bytes: int = Field(32_768, ge=1024, description="Largest single header value.")
    max_jwt_bytes: int = Field(16_384, ge=1024, description="Largest JWT read.")
    max_page: int = Field(1000, ge=1, description="Largest `_count`.")
    journal: bool = Field(True, description="Keep the exchanges with their explanations.")
    journal_body_bytes: int = Field(16_384, ge=0, description="Bytes of each body kept in the journal.")
    journal_keep: int = Field(10_000, ge=0, description="Exchanges kept for each sandbox.")
    journal_keep_bytes: int | None = Field(
        268_435_456, ge=0, description="Bytes of exchanges kept for each sandbox; the oldest go first."
    )
    journal_keep_seconds: float | None = Field(
        None, gt=0, description="Seconds of real time an exchange is kept; without it, age does not count."
    )
    journal_listeners: int = Field(
        100, ge=1, description="Open journal streams and waiting journal calls of one process."
    )
    log_format: Literal["text", "json"] = Field("text", description="Form of the log lines.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    shutdown_seconds: float = Field(10.0, ge=0, description="How long running requests may take after SIGTERM.")
    selvbetjening_port: int | None = Field(
        None, ge=1, le=65535, description="Port of its own for the Selvbetjening API, at the root: `/v1/…` (C41)."
    )
    activation_delay: float = Field(
        0.0, ge=0, le=3600, description="Seconds before the issuer knows a new client or key; the real one takes 20."
    )
    key_days: int = Field(
        180, ge=1, le=3650, description="Days a key sent to the Selvbetjening API lives, to the next midnight UTC."
    )
    max_client_keys: int = Field(
        10, ge=1, le=100, description="Live keys of a client; the oldest from the API gives way to one more."
    )
    draft_hours: int = Field(24, ge=1, le=8760, description="Hours a client draft waits to be confirmed.")
    max_open_drafts: int = Field(
        1000, ge=1, description="Drafts of a client template that may wait to be confirmed; then 429."
    )
    confirming_person: Literal["any", "persona"] = Field(
        "any", description="Who may confirm a client draft: `persona` only those a persona places at the organisation."
    )
    tls: bool = Field(False, description="Serve https too, with a local CA.")
    tls_port: int = Field(8443, ge=1, le=65535, description="Port for https.")
    tls_hosts: Literal["local", "real"] = Field(
        "local", description="`real` adds the national test host names to the certificate."
    )

    @property
    def loopback_only(self) -> bool:
        return self.host in ("127.0.0.1", "::1", "localhost")
