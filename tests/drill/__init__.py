"""Drills: a running stack is hurt on purpose, and named invariants are checked afterwards.

`python -m tests.drill` (see `make drill`). The seed that it prints repeats the same order of the
same faults with the same choices. What is checked after each fault stands in `invariants.py`, what
is broken in `faults/`, one module per component.
"""
