"""The embedded stack: starts, watches and stops all of Banyan on one machine, without Django."""
