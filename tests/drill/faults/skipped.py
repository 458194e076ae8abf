"""Rows of the fault matrix that are left out, and why; printed with each run."""

SKIPPED: dict[str, str] = {
    "web_two_versions": "there is no earlier release to run beside this one",
    "worker_past_visibility_timeout": "needs a task of minutes; twice the work is drilled anyway",
    "beat_back_after_an_hour": "needs libfaketime; a clock is an argument in the tests of gates",
    "clock_jumps": "needs libfaketime; a clock is an argument in the tests of gates",
    "disk_full_by_mount": "needs a small file system; file sizes are limited instead",
    "network_isolated": "needs network namespaces; a false channel is drilled instead",
    "metrics_poisoned": "no stack has a provider; tests of metric gates have a misbehaving one",
}
