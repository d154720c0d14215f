"""A program on a pseudo-terminal: type, and wait for what it shows."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

# Nothing should take so long; who waits longer waits for ever.
PATIENCE_SECONDS = 60

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x07")

PROMPT = "telestrata> "
UP, TAB, CTRL_C, CTRL_D, ENTER = "\x1b[A", "\t", "\x03", "\x04", "\r"


class WaitedTooLong(AssertionError):
    pass


class Terminal:
    def __init__(self, argv, env, columns=80, lines=24):
        self.child, self.master = pty.fork()
        if self.child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execve(argv[0], argv, env)
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.raw = ""
        self.seen = 0

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, deadline):
        """Reads what has come; False at the end of the program."""
        if not select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        try:
            data = os.read(self.master, 65536)
        except OSError:
            data = b""
        self.raw += self.decoder.decode(data)
        return bool(data)

    def complete(self, text, pattern):
        """Types a text and TAB, again where nothing was known yet: a person does not wait for what is fetched either."""
        self.type(text)
        for _ in range(PATIENCE_SECONDS // 3):
            self.type(TAB)
            try:
                return self.expect(pattern, patience=3)
            except WaitedTooLong:
                continue
        return self.expect(pattern)

    def expect(self, pattern, escapes=False, patience=PATIENCE_SECONDS):
        """What was shown since the last call, up to the pattern. Escapes are left out unless they are looked for."""
        deadline = time.monotonic() + patience
        while True:
            new = self.raw[self.seen:]
            text = new if escapes else ESCAPES.sub("", new)
            found = re.search(pattern, text)
            if found:
                # Escapes may lie in between: the shortest beginning that shows as much.
                self.seen += len(new) if found.end() == len(text) else beginning(new, found.end(), escapes)
                return text[: found.end()]
            try:
                if not self.read(deadline):
                    raise AssertionError(f"the program ended before it showed {pattern!r}:\n{text}")
            except TimeoutError:
                raise WaitedTooLong(f"waited too long for {pattern!r}:\n{text}") from None

    def prompt(self):
        return self.expect(re.escape(PROMPT))

    def ask(self, text, pattern):
        """Types a line and waits for an answer and the next prompt; all that was shown."""
        self.type(text + ENTER)
        return self.expect(pattern) + self.prompt()

    def leave(self):
        """Ctrl-D; the exit code."""
        self.type(CTRL_D)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.read(deadline):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


def beginning(raw, shown, escapes):
    if escapes:
        return shown
    at = 0
    for escape in ESCAPES.finditer(raw):
        if shown <= escape.start() - at:
            break
        shown, at = shown - (escape.start() - at), escape.end()
    return at + shown
