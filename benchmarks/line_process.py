"""A process that answers each line it is given with lines of its own, ended and started again when it does not answer."""

from __future__ import annotations

import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable


class LineProcess:
    def __init__(self, command: list[str], environment: dict[str, str], limit_s: float):
        self.command, self.environment, self.limit_s = command, environment, limit_s
        self.process: subprocess.Popen | None = None

    def ask(self, question: str, is_answer: Callable[[str], bool]) -> str:
        """The first line for which `is_answer` holds. RuntimeError with the process's last words when it ends or is silent for `limit_s` seconds."""
        if self.process is not None and self.process.poll() is not None:
            self.close()  # it ended after its last answer, as one does whose device no longer works
        if self.process is None:
            self._start()
        try:
            self.process.stdin.write(question + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self._fail("ended")
        while True:
            try:
                line = self.lines.get(timeout=self.limit_s)
            except queue.Empty:
                self._fail(f"did not answer within {self.limit_s:.0f} s")
            if line is None:
                self._fail("ended")
            if is_answer(line):
                return line.strip()

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _start(self) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # a pipe that nobody reads would block it
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, bufsize=1
        )
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, self.lines), daemon=True).start()

    @staticmethod
    def _read(output, lines) -> None:
        for line in output:
            lines.put(line)
        lines.put(None)

    def _fail(self, what: str) -> None:
        self.close()
        self.errors.seek(0)
        said = [line.strip() for line in self.errors.read().splitlines() if line.strip()]
        raise RuntimeError(f"{self.command[0].split('/')[-1]} {what}" + (f": {said[-1][:400]}" if said else ""))
