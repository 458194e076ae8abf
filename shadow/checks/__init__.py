"""The checks of the checklist that Banyan carries out itself, on both services.

Each module compares what both sides say and returns a `Result`; nothing here knows Django.
"""
