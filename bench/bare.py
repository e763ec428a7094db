"""The yardstick: a FastAPI route that does nothing, on the same server settings as the service.

python -m bench.bare FD    (of a listening socket it inherits)
"""

from __future__ import annotations

import socket
import sys

import uvicorn
from fastapi import FastAPI

from app import server
from app.settings import Settings

app = FastAPI(openapi_url=None)


@app.get("/healthz")
@app.get("/")
async def nothing() -> dict[str, str]:
    return {"status": "ok"}


def main() -> None:
    sock = socket.socket(fileno=int(sys.argv[1]))
    uvicorn.Server(server.uvicorn_config(app, Settings(), lifespan="off")).run(sockets=[sock])


if __name__ == "__main__":
    main()
