"""A tiny HTTP/1.1 service in a process of its own, so that a test can kill it.

Answers every request with `{"who": name}`. `x-test: <name>=<what>` asks this service alone for
trouble: `500`, `reset`, `hang`. `GET /__seen` returns and forgets what was received.
"""

import asyncio
import json
import sys
from typing import Any

seen: list[dict[str, Any]] = []


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await _one(reader, writer):
            pass
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if path == "/__seen":
        answer, status = json.dumps(seen).encode(), 200
        seen.clear()
    else:
        seen.append({"method": method, "path": path, "headers": headers, "bytes": len(body)})
        answer, status = json.dumps({"who": NAME}).encode(), 200
        trouble = dict([headers["x-test"].split("=")]) if "x-test" in headers else {}
        match trouble.get(NAME):
            case "500":
                status = 500
            case "reset":
                return False
            case "hang":
                await asyncio.sleep(30)
    writer.write(
        f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
        f"content-length: {len(answer)}\r\n\r\n".encode()
        + answer
    )
    await writer.drain()
    return True


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    NAME = sys.argv[1]
    asyncio.run(main(int(sys.argv[2])))
