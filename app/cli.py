"""The command ``sandkasse``: run the sandbox, keep its database, and talk to a running one."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from app import tls as certificates
from app.commands.check import check
from app.commands.common import (
    CLOCK,
    HOME,
    IDS,
    AdminKey,
    Sandbox,
    Url,
    open_store,
    own_key,
    pretty,
    public_keys,
    read_header,
    read_settings,
    remote,
    stop,
    told_plainly,
)
from app.commands.draft import app as draft_commands
from app.commands.explain import explain, one_argument
from app.commands.journal import journal
from app.commands.sandbox import app as sandbox_commands
from app.commands.scenario import app as scenario_commands
from app.core import Core
from app.ids import new_uuid
from app.links.remote import Remote, read_file, usual_headers
from app.sandboxes import manager
from app.sandboxes.state import DEFAULT
from app.settings import Settings
from app.store import audit as chains
from app.store import migrate
from app.trust import audit, issuer_keys
from app.trust.sts.presets import PRESETS
from app.version import VERSION

_CORRELATION_HEADER: Final = "X-Correlation-Id"
_EXCHANGE_HEADER: Final = "Sandbox-Exchange"

app: Final = typer.Typer(
    name="sandkasse",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    help="A sandbox of the Norwegian health-information services: HelseID, tillitsrammeverk, prøvesvar.\n\n"
    "Start it with `sandkasse serve`; every setting is also an environment variable SANDKASSE_<NAME>.",
)
database: Final = typer.Typer(no_args_is_help=True, help="The database: bring it up to date.")
client: Final = typer.Typer(no_args_is_help=True, help="Clients of the issuer, in a running sandbox.")
auditing: Final = typer.Typer(no_args_is_help=True, help="The audit chains.")
authority: Final = typer.Typer(no_args_is_help=True, help="The local certificate authority of `serve --tls`.")
app.add_typer(database, name="db")
app.add_typer(client, name="client")
app.add_typer(auditing, name="audit")
app.add_typer(authority, name="ca")
app.add_typer(sandbox_commands, name="sandbox")
app.add_typer(draft_commands, name="draft")
app.add_typer(scenario_commands, name="scenario")


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        typer.echo(f"sandkasse {VERSION}")
        raise typer.Exit


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port for http.")] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes; they share the database.")] = None,
    database_url: Annotated[str | None, typer.Option(help="`sqlite:///file.db` or `postgresql+psycopg://…`.")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Folder for the local CA.")] = None,
    profile: Annotated[str | None, typer.Option(help="`lenient` or `strict`.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Serve https too, with a local CA.")] = False,
    tls_port: Annotated[int | None, typer.Option(help="Port for https.")] = None,
    tls_hosts: Annotated[str | None, typer.Option(help="`real`: the national test host names too.")] = None,
    selvbetjening_port: Annotated[
        int | None, typer.Option(help="A port where the Selvbetjening API is at the root, for clients that need that.")
    ] = None,
) -> None:
    """Run the sandbox until Ctrl-C or SIGTERM; running requests are finished first.

    \b
    sandkasse serve
    sandkasse serve --port 9000 --workers 2
    sandkasse serve --tls --tls-hosts real --tls-port 443
    """
    chosen = {
        "host": host,
        "port": port,
        "workers": workers,
        "database_url": database_url,
        "data_dir": data_dir,
        "profile": profile,
        "tls": "true" if tls else None,
        "tls_port": tls_port,
        "tls_hosts": tls_hosts,
        "selvbetjening_port": selvbetjening_port,
    }
    for name, value in chosen.items():
        if value is not None:
            os.environ[f"SANDKASSE_{name.upper()}"] = str(value)  # worker processes read it there
    settings = read_settings()
    if not settings.loopback_only and not settings.admin_key:
        stop(
            f"Listening on {settings.host} makes the control API reachable from elsewhere: set SANDKASSE_ADMIN_KEY, "
            "or listen on 127.0.0.1."
        )
    from app import server  # the whole web application: the other commands start faster without it

    with told_plainly():
        with open_store(settings) as store:
            migrate.prepare(store)
        if settings.tls:
            certificates.material(settings, CLOCK, IDS)
        typer.echo(_banner(settings), err=True)
        try:
            status = server.run(settings)
        except server.CannotServe as error:
            stop(str(error))
    raise typer.Exit(status)


@app.command()
def health(url: Url = HOME) -> None:
    """Exit status 0 when the sandbox answers; for container health checks."""
    try:
        answer = httpx.get(f"{url}/healthz", timeout=3.0)
    except httpx.HTTPError as error:
        stop(f"{url} does not answer: {error}")
    if answer.status_code != 200:
        stop(f"{url} answered {answer.status_code}")


@database.command()
def upgrade() -> None:
    """Bring the database to the form this version needs. Needed before `serve` on PostgreSQL; safe to repeat.

    \b
    SANDKASSE_DATABASE_URL=postgresql+psycopg://user:secret@host/name sandkasse db upgrade
    """
    with told_plainly(), open_store(read_settings()) as store:
        before = migrate.upgrade(store)
    if before.pending:
        typer.echo(f"upgraded from {before.current or 'empty'} to {before.head}")
    else:
        typer.echo(f"already at {before.head}")


@app.command(name="seed")
def fill(reset: Annotated[bool, typer.Option("--reset", help="Empty the default sandbox first.")] = False) -> None:
    """Make the default sandbox with its people, clients and results. `serve` does this at its first start.

    \b
    sandkasse seed --reset
    """
    from app.synthetic import seed  # the seed's messages are mapped to FHIR: the other commands start faster without it

    settings = read_settings()

    async def work() -> None:
        core = Core(settings, store, CLOCK, IDS)
        store.start()
        await issuer_keys.ensure(core)
        if reset:
            await manager.reset(core, DEFAULT, seeder=seed.fill)
        else:
            await manager.ensure(core, seeder=seed.fill)

    with told_plainly(), open_store(settings) as store:
        migrate.prepare(store)
        asyncio.run(work())
    typer.echo("the default sandbox is filled")


@client.command("list")
def list_clients(url: Url = HOME, admin_key: AdminKey = None, sandbox: Sandbox = "default") -> None:
    """Every client with its organisation and grants."""
    with told_plainly(), remote(url, sandbox, admin_key) as running:
        found = running.control("GET", "/clients")["clients"]
    for entry in found:
        organisation = entry["orgnr_parent"] or entry["orgnr_supplier"] or "-"
        typer.echo(f"{entry['id']:<58} {entry['tenancy']:<14} {organisation:<10} {' '.join(entry['grants'])}")


@client.command("key")
def show_key(client_id: str, url: Url = HOME, admin_key: AdminKey = None, sandbox: Sandbox = "default") -> None:
    """Print the private key (JWK) of a seeded client, made at the first start.

    \b
    sandkasse client key sandkasse-epj > epj.jwk.json
    """
    with told_plainly(), remote(url, sandbox, admin_key) as running:
        key = running.control("GET", f"/clients/{client_id}/key")
    typer.echo(json.dumps(key, indent=2))


@client.command("add")
def add_client(
    client_id: str,
    jwk: Annotated[Path, typer.Option(help="File with a JWK or JWKS; of a private key only the public part is sent.")],
    like: Annotated[str, typer.Option(help="Client whose scopes and organisations it gets.")] = "sandkasse-epj",
    redirect_uri: Annotated[list[str] | None, typer.Option(help="May be given several times.")] = None,
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
) -> None:
    """Register your own client with your own key.

    \b
    sandkasse client add my-epj --jwk my-key.json --redirect-uri http://localhost:5000/callback
    """
    with told_plainly(), remote(url, sandbox, admin_key) as running:
        entry = dict(running.control("GET", f"/clients/{like}"))
        entry |= {"id": client_id, "name": client_id, "jwks": public_keys(jwk)}
        entry["redirect_uris"] = redirect_uri or entry["redirect_uris"]
        running.control("POST", "/clients", entry)
    typer.echo(f"{client_id} is registered, with the scopes and organisations of {like}")


@client.command("import")
def import_clients(
    preset: Annotated[str, typer.Argument(help="One of: " + ", ".join(PRESETS) + ".")],
    jwk: Annotated[Path | None, typer.Option(help="File with the JWK or JWKS that the clients sign with.")] = None,
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
) -> None:
    """Register the clients that published sample programs use, so that they run unchanged.

    \b
    sandkasse client import nhn-samples --jwk their-key.json
    """
    if preset not in PRESETS:
        stop(f"There is no preset {preset}; there are {', '.join(PRESETS)}.")
    with told_plainly(), remote(url, sandbox, admin_key) as running:
        keys = public_keys(jwk) if jwk is not None else []
        for each in PRESETS[preset]:
            running.control("POST", "/clients", {**each.dump(), "jwks": keys})
            typer.echo(each.id)


@app.command()
def token(
    target: Annotated[str, typer.Argument(metavar="URL", help="The request the headers are for.")],
    method: Annotated[str, typer.Option("--method", "-X", help="Method of that request.")] = "POST",
    persona: Annotated[str, typer.Option("--as", help="Who logs in: H01, a number, hpr:…, or `machine`.")] = "H01",
    attest: Annotated[bool, typer.Option("--attest", help="Send an attest even where none is required.")] = False,
    client_id: Annotated[str, typer.Option("--client", help="Client that logs in.")] = "sandkasse-epj",
    jwk: Annotated[Path | None, typer.Option(help="Its private key; not needed for the seeded clients.")] = None,
    admin_key: AdminKey = None,
) -> None:
    """Log in and print the `Authorization` and `DPoP` headers for one request. A proof is good once, and for seconds.

    \b
    sandkasse token http://localhost:8000/pps/v2/DiagnosticReport/_search
    """
    with told_plainly(), Remote.behind(target, admin_key, CLOCK, IDS) as running:
        headers = running.credentials(target, method.upper(), persona, client_id, own_key(jwk), attest=attest)
    for name, value in headers.items():
        typer.echo(f"{name}: {value}")


@app.command()
def curl(
    target: Annotated[str, typer.Argument(metavar="URL")],
    method: Annotated[str, typer.Option("--method", "-X")] = "POST",
    patient: Annotated[str | None, typer.Option(help="P01 or a number: sent in the header the service wants.")] = None,
    header: Annotated[list[str] | None, typer.Option("--header", "-H", help="`Name: value`, several times.")] = None,
    data: Annotated[str, typer.Option("--data", "-d", help="Body: a form such as `_count=5`, or JSON.")] = "",
    persona: Annotated[str, typer.Option("--as", help="Who logs in: H01, a number, hpr:…, or `machine`.")] = "H01",
    attest: Annotated[bool, typer.Option("--attest", help="Send an attest even where none is required.")] = False,
    client_id: Annotated[str, typer.Option("--client", help="Client that logs in.")] = "sandkasse-epj",
    jwk: Annotated[Path | None, typer.Option(help="Its private key; not needed for the seeded clients.")] = None,
    include: Annotated[bool, typer.Option("--include", "-i", help="Print status and headers too.")] = False,
    admin_key: AdminKey = None,
) -> None:
    """Log in, make one request and print the answer: the shortest way to a patient's results.

    \b
    sandkasse curl http://localhost:8000/pps/v2/DiagnosticReport/_search --patient P01 -d _count=1
    sandkasse curl http://localhost:8000/pps/v2/DiagnosticReport/_search --patient P02 -H "access-basis: AKUTT"
    """
    verb = method.upper()
    with told_plainly(), Remote.behind(target, admin_key, CLOCK, IDS) as running:
        headers = httpx.Headers({_CORRELATION_HEADER: new_uuid(IDS), **usual_headers(target, verb)})
        if patient is not None:
            headers.update(running.patient_header(target, patient))
        headers.update(running.credentials(target, verb, persona, client_id, own_key(jwk), attest=attest))
        headers.update(dict(read_header(line) for line in header or ()))
        answer = running.request(verb, target, headers, data.encode() or None)
    if include:
        typer.echo(f"HTTP {answer.status_code}")
        for name, value in answer.headers.raw:
            typer.echo(f"{name.decode('latin-1')}: {value.decode('latin-1')}")
        typer.echo("")
    typer.echo(pretty(answer))
    exchange = answer.headers.get(_EXCHANGE_HEADER)
    if exchange:
        typer.echo(f"why: sandkasse explain {exchange}", err=True)
    raise typer.Exit(1 if answer.status_code >= 400 else 0)


app.command(name="journal")(journal)
app.command(name="check")(check)
app.command()(explain)


@auditing.command()
def verify(sandbox: Annotated[str | None, typer.Option(help="Only this sandbox.")] = None) -> None:
    """Recompute every audit chain from its first record, and check the signed checkpoints.

    \b
    sandkasse audit verify
    """
    with told_plainly(), open_store(read_settings()) as store:
        migrate.prepare(store)
        results = store.read_now(
            lambda conn: [audit.verify(conn, name, service) for name, service in chains.chains(conn, sandbox)]
        )
    for result in results:
        place = f"{result.sandbox}/{result.service}: {result.checked} records"
        if result.fault is not None:
            typer.echo(f"BROKEN {place}, {result.fault.kind} at {result.fault.seq}")
        else:
            typer.echo(f"intact {place}" + (f", {len(result.warnings)} warnings" if result.warnings else ""))
    if not results:
        typer.echo("no records yet")
    broken = [result for result in results if result.fault is not None]
    if broken:
        stop(f"{len(broken)} of {len(results)} chains broken")


@app.command()
def ingest(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="svarrapport XML files, or folders of them.")],
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
) -> None:
    """Send svarrapport messages in, as a laboratory does, and show the receipt of each.

    \b
    sandkasse ingest reports/*.xml
    """
    wanted = [found for path in files for found in (sorted(path.rglob("*.xml")) if path.is_dir() else [path])]
    refused = 0
    with told_plainly(), remote(url, sandbox, admin_key) as running:
        for number, path in enumerate(wanted, 1):
            taken, told = running.deliver(read_file(path))
            refused += 0 if taken else 1
            typer.echo(f"[{number}/{len(wanted)}] {'taken  ' if taken else 'refused'} {path.name}: {told}")
    typer.echo(f"{len(wanted) - refused} taken, {refused} refused")
    raise typer.Exit(1 if refused else 0)


@authority.command()
def export() -> None:
    """Print the local CA in PEM, made if there is none yet; trust it in the client under test, nowhere else.

    \b
    sandkasse ca export > sandkasse-ca.pem
    """
    settings = read_settings()
    with told_plainly():
        files = certificates.material(settings, CLOCK, IDS)
    typer.echo(files.authority.read_text(encoding="ascii"), nl=False)
    typer.echo("Clients are told to trust it so:\n" + certificates.trust_hints(files.authority.resolve()), err=True)


def main() -> None:
    """Entry point of the console script."""
    app(one_argument(sys.argv[1:]))


def _banner(settings: Settings) -> str:
    shown = "localhost" if settings.loopback_only or settings.host in ("0.0.0.0", "::") else settings.host
    home = settings.public_url or f"http://{shown}:{settings.port}"
    lines = [
        f"Sandkasse {VERSION}: synthetic people only",
        f"  console        {home}/",
        f"  API explorer   {home}/docs",
        f"  issuer         {home}/helseid",
        f"  prøvesvar      {home}/pps/v2",
        f"  try it         sandkasse curl {home}/pps/v2/DiagnosticReport/_search --patient P01 -d _count=1",
    ]
    if settings.tls:
        ca = (settings.data_dir / "tls" / "ca.pem").resolve()
        lines += [f"  https          https://{shown}:{settings.tls_port}, signed by {ca}; trust it so:"]
        lines += [certificates.trust_hints(ca)]
    if settings.tls and settings.tls_hosts == "real":
        lines += [
            "  National test hosts are answered for when they point here. TOKENS MADE HERE ARE NOT NATIONAL TOKENS:",
            "  no national service takes them, and none of theirs is taken here.",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
