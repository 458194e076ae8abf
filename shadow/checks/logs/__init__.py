"""Log lines of both sides, and whether what reads legacy's can read the candidate's."""
