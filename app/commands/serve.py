"""``sandkasse serve``: the sandbox itself."""

from __future__ import annotations

import os
from typing import Annotated, Final

import typer

from app import tls as certificates
from app.commands.common import CLOCK, IDS, open_store, read_settings, single, stop, told_plainly
from app.settings import Settings
from app.store import migrate
from app.version import VERSION

app: Final = single()


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
    from app import server  # the rest of the web application: `serve --help` and wrong settings do without it

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
