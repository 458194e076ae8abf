"""Many hands and sudden deaths on one migration: `python -m tests.storm` measures both.

`crowd`: parallel promotes by service; `front`: the same over HTTP to a real web process; `kills`:
SIGKILL at random points of promote. Each runs on SQLite and on a throw-away PostgreSQL.
"""
