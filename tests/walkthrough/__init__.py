"""A whole migration without a person: `python -m tests.walkthrough` (see `make walkthrough`)."""
