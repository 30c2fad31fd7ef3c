"""Notes what a process does that no reader of files has a reason to do: an audit hook (PEP 578)."""

import codecs
import os
import sys
from typing import cast

_FORBIDDEN = (
    *("exec", "compile", "import", "marshal.loads", "pickle.find_class", "code.__new__", "function.__new__"),
    *("os.system", "os.exec", "os.spawn", "os.startfile", "os.posix_spawn", "os.fork", "os.forkpty", "os.putenv"),
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.kill"),
    *("subprocess.Popen", "pty.spawn", "shutil.", "socket.", "urllib.Request", "http.client.", "ctypes.", "tempfile."),
    *("webbrowser.open", "builtins.input", "sys._getframe.set", "sys.setprofile", "sys.settrace", "gc.get_objects"),
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """What happened while it was awake. A hook cannot be taken out of a process: make one watch only."""

    def __init__(self) -> None:
        """Put the hook in."""
        self.awake = False
        self.events: list[str] = []
        for codec in ("raw_unicode_escape", "unicode_escape"):  # Python imports them when it needs them first
            codecs.lookup(codec)
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.awake and (event.startswith(_FORBIDDEN) or (event == "open" and _writes(arguments))):
            self.events.append(f"{event} {str(arguments)[:200]}")


def _writes(arguments: tuple[object, ...]) -> bool:
    """Whether a file is opened for writing; arguments: its path, the mode, the flags for the system."""
    flags = arguments[2]
    return isinstance(flags, int) and bool(cast("int", flags) & _WRITING)
