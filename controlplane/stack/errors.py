"""Why a stack did not start. Each carries the one message a person needs and the exit code."""


class StackError(Exception):
    """A refusal or failure with a plain message; `exit_code` is what the command ends with."""

    exit_code = 1


class RefusedError(StackError):
    """Nothing was started: a wrong option, a taken port, a state directory in use."""

    exit_code = 2


class ChildFailedError(StackError):
    """A child ended or stayed silent before the stack was ready; holds its log's tail."""

    def __init__(self, name: str, problem: str, tail: str) -> None:
        """Keep the name beside the message."""
        self.name = name
        lines = "\n".join(f"    {line}" for line in tail.splitlines()) or "    (its log is empty)"
        super().__init__(f"{name} {problem}\n{lines}")
