"""The settings file (`config.json`): A1111's form, so that an existing installation's file can be used as it is."""

import logging
import threading
from typing import Any

from pydantic import JsonValue, ValidationError

from modules.core.errors import InvalidRequest, OutputError
from modules.core.paths import Paths
from modules.core.settings import Settings, is_output_folder, setting_names, with_changes
from modules.storage.json_file import BrokenJsonFile, finite, read_json_object, write_json_object
from modules.storage.set_aside import set_aside

log = logging.getLogger(__name__)


class SettingsStore:
    """Reads, validates and writes the settings. Safe to use from several threads.

    The file is the truth: only settings that were changed are written, into the file as it is at that moment. Keys that
    this version does not know, and values that it cannot use, stay in the file as they are.
    """

    def __init__(self, paths: Paths) -> None:
        """Read `paths.settings_file`, which need not exist. What cannot be used is said in the log."""
        self._paths = paths
        self._file = paths.settings_file.resolve()
        self._lock = threading.Lock()
        self._content: dict[str, JsonValue] = self._read() or {}
        self._settings = _validated(self._content, logging.WARNING)

    def snapshot(self) -> Settings:
        """Return the settings as they are now; later changes do not touch the snapshot."""
        return self._settings

    def values(self) -> dict[str, Any]:
        """Return all settings by name, and after them the keys of the file that this version does not know.

        Of the latter, numbers that JSON cannot carry (NaN, Infinity) are given as None.
        """
        with self._lock:
            unknown = {name: finite(value) for name, value in self._content.items() if name not in setting_names()}
            return self._settings.model_dump() | unknown

    def update(self, changes: dict[str, Any], *, trusted: bool) -> Settings:
        """Validate `changes`, write them to the file, and return the settings that result.

        Args:
            changes: new values by name. A key that this version does not know is accepted when its value is the one in
                the file, so that a client may send back all that `values` gave it.
            trusted: whether a person at the machine asks. Others may move output folders only within the data folder.

        Raises:
            InvalidRequest: a name is unknown, a value does not fit, or an untrusted folder is outside the data folder.
            OutputError: the file cannot be written; nothing has changed then.
        """
        with self._lock:
            wanted = {name: value for name, value in changes.items() if not self._is_unchanged_unknown(name, value)}
            settings = with_changes(self._settings, wanted)
            changed = {name: value for name, value in settings.model_dump().items() if name in wanted}
            self._check_folders(changed, trusted=trusted)
            if not changed:
                return self._settings
            content = self._current_content() | changed
            write_json_object(self._file, content)
            self._content, self._settings = content, _validated(content, logging.DEBUG)
            return self._settings

    def overridden(self, changes: dict[str, Any]) -> Settings:
        """Return the settings as they would be with `changes` of a client, for one job; nothing is written.

        Raises:
            InvalidRequest: as for `update`.
        """
        settings = with_changes(self._settings, changes)
        known = {name: getattr(settings, name) for name in changes if name in setting_names()}
        self._check_folders(known, trusted=False)
        return settings

    def _is_unchanged_unknown(self, name: str, value: object) -> bool:
        return name not in setting_names() and name in self._content and finite(self._content[name]) == value

    def _check_folders(self, changed: dict[str, Any], *, trusted: bool) -> None:
        """Refuse output folders that no file can be written to, and untrusted ones outside the data folder."""
        data = self._paths.data.resolve()
        before = self._settings.model_dump()
        for name, folder in changed.items():
            if not is_output_folder(name) or folder == before[name]:
                continue
            try:
                inside = self._paths.output_folder(folder).is_relative_to(data)
            except (OSError, ValueError) as error:  # a null character, a loop of links, a name that is too long
                raise InvalidRequest(f"Setting {name} = {folder!r} is not a folder's name: {error}.") from error
            if not (inside or trusted):
                raise InvalidRequest(
                    f"Setting {name} = {folder!r} is outside the data folder {data}. "
                    f"To write pictures elsewhere, edit {self._file.name} on the machine itself."
                )

    def _read(self) -> dict[str, JsonValue] | None:
        """Return the file's content; None when it is missing or broken, which the log says."""
        try:
            return read_json_object(self._file)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("The settings file %s cannot be read: %s. Defaults are used.", self._file, error.strerror)
            return None
        except BrokenJsonFile as error:
            log.warning("The settings file %s is broken (%s). Defaults are used.", self._file, error)
            return None

    def _current_content(self) -> dict[str, JsonValue]:
        """Return what the file holds now; keep it under another name if it is broken, and go on with what was known."""
        try:
            return read_json_object(self._file)
        except FileNotFoundError:
            return self._content
        except BrokenJsonFile:
            log.warning("The broken settings file was kept as %s.", self._keep_broken_file())
            return self._content
        except OSError as error:
            raise OutputError(f"Cannot read {self._file}: {error.strerror}. Check the file's rights.") from error

    def _keep_broken_file(self) -> str:
        try:
            return set_aside(self._file).name
        except OSError as error:
            raise OutputError(
                f"Cannot rename the broken {self._file}: {error.strerror}. Move it away by hand."
            ) from error


def _validated(content: dict[str, JsonValue], level: int) -> Settings:
    """Return the known settings of `content`; one that does not fit takes its default, which is logged with `level`."""
    known = {name: value for name, value in content.items() if name in setting_names()}
    try:
        return Settings.model_validate(known)
    except ValidationError as error:
        problems = {str(problem["loc"][0]): problem["msg"] for problem in error.errors(include_url=False)}
    for name, reason in problems.items():
        default = Settings.model_fields[name].default
        log.log(level, "Setting %s = %.200r is not used: %s. It is %r instead.", name, known.pop(name), reason, default)
    return Settings.model_validate(known)
