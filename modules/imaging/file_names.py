"""What saved pictures are called: A1111's patterns such as "[seed]-[prompt_words]", filled in and made safe.

What each token becomes was taken from recorded values of A1111 1.8 and 1.10. Where nothing is known for a token, it
stays as it was written.
"""

import hashlib
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum
from pathlib import PurePath
from zoneinfo import ZoneInfo

from PIL import Image

from modules.core.samplers import AUTOMATIC, find_sampler

MAX_PART = 128  # characters that a token may become
MAX_NAME_BYTES = 220  # a file system's limit is 255 mostly; the rest is for number, what the file is, and ending

_DEFAULT_TIME = "%Y%m%d%H%M%S"
_HASH_DIGITS = 8
_NO_STYLES = ("", "None")
_PLAIN_SCHEDULE = "Uniform"  # of samplers that prefer none

_TOKEN = re.compile(r"\[([^\[\]]+)\]")
# A1111 divides words at all punctuation but the backslash.
_BETWEEN_WORDS = re.compile(f"[\\s{re.escape(string.punctuation.replace(chr(92), ''))}]+")
_NOT_IN_PARTS = str.maketrans(dict.fromkeys('#<>:"/\\|?*', "_") | dict.fromkeys(map(chr, (*range(32), 127)), "_"))
_NOT_IN_NAMES = str.maketrans(dict.fromkeys('<>:"/\\|?*', "_") | dict.fromkeys(map(chr, (*range(32), 127)), "_"))
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)  # devices of Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """What is known of the request that a picture was made for.

    Attributes:
        prompt: as it was typed.
        negative_prompt: likewise.
        steps: sampling steps.
        cfg_scale: classifier-free guidance scale.
        styles: their names.
        sampler: its label.
        scheduler: label of the schedule type.
        denoising_strength: 0..1, None where nothing is denoised but noise.
        batch_size: pictures that are made together.
        batch_count: how many times.
        number: of the picture among all of the request, from 0; None for a file that shows all of them.
        first_seed: of the request's first picture.
        last_seed: of its last one.
        user: who asked, None when nobody knows.
    """

    prompt: str
    negative_prompt: str
    steps: int
    cfg_scale: float
    styles: tuple[str, ...]
    sampler: str
    scheduler: str
    denoising_strength: float | None
    batch_size: int
    batch_count: int
    number: int | None
    first_seed: int
    last_seed: int
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a file may be named after.

    Attributes:
        picture: what is saved.
        now: the time of saving, with time zone.
        started: when its job began.
        seed: None for a picture without one.
        prompt: with styles, without tags of networks; None for a picture without one.
        own_prompt: without styles.
        model_name: file name of the checkpoint without ending.
        model_hash: its 10 digits.
        vae_file: name of the VAE's file, None for the checkpoint's own.
        clip_skip: the setting.
        max_words: how many words `[prompt_words]` has at most.
        basename: what stands before the number.
        request: None for a picture that no request made.
    """

    picture: Image.Image
    now: datetime
    started: datetime
    seed: int | None
    prompt: str | None
    own_prompt: str | None
    model_name: str
    model_hash: str
    vae_file: str | None
    clip_skip: int
    max_words: int
    basename: str = ""
    request: RequestFacts | None = None


def fill_pattern(pattern: str, facts: FileFacts) -> str:
    """Return `pattern` with its tokens replaced.

    A token is a name in square brackets in any case, some with arguments: "[datetime<%Y-%m-%d><Asia/Tokyo>]". What
    replaces it holds no separator of folders. A token that does not apply to a picture, such as "[batch_number]" to a
    single one, vanishes with the text between it and the token before. One that is not known stays.
    """
    result, end = "", 0
    for match in _TOKEN.finditer(pattern):
        between, end = pattern[end : match.start()], match.end()
        name, arguments = _name_and_arguments(match[1])
        try:
            value = _value(name.lower(), arguments, facts)
        except ValueError:  # an argument that is no number, or a time zone that is no name
            value = _Nothing.KNOWN
        match value:
            case str():
                result += between + value
            case _Nothing.KNOWN:
                result += f"{between}[{name}]"
            case _Nothing.APPLICABLE:
                pass
    return result + pattern[end:]


def clean_part(text: str, *, keep_blanks: bool = False) -> str:
    """Return `text` as a part of a file's name: what names must not hold becomes "_", and too long a text is cut.

    Args:
        text: any.
        keep_blanks: otherwise they become "_" too.
    """
    text = text if keep_blanks else text.replace(" ", "_")
    return text.translate(_NOT_IN_PARTS).lstrip(" ")[:MAX_PART].rstrip(" .")


def safe_name(text: str) -> str:
    """Return `text` as the name of one file or folder that every system takes; "" if nothing is left of it.

    It holds no separator, is no device of Windows, and has at most `MAX_NAME_BYTES` bytes in UTF-8.
    """
    data = text.translate(_NOT_IN_NAMES).encode("utf-8", "replace")[:MAX_NAME_BYTES]
    name = data.decode("utf-8", "ignore").lstrip(" ").rstrip(" .")
    return f"_{name}" if _RESERVED.match(name) else name


def safe_folder(text: str) -> PurePath:
    """Return `text` as a relative path that stays where it begins; slashes of both kinds separate folders."""
    return PurePath(*filter(None, map(safe_name, re.split(r"[/\\]", text))))


class _Nothing(Enum):
    """Why there is nothing to put in the place of a token."""

    KNOWN = 1
    APPLICABLE = 2


_Value = str | _Nothing


def _name_and_arguments(token: str) -> tuple[str, list[str]]:
    """Divide "name<a><b>"."""
    arguments: list[str] = []
    while token.endswith(">"):
        name, bracket, argument = token[:-1].rpartition("<")
        if not bracket or ">" in argument:
            break
        token, arguments = name, [argument, *arguments]
    return token, arguments


def _value(name: str, arguments: list[str], facts: FileFacts) -> _Value:
    if name in _WITH_ARGUMENTS:
        return _WITH_ARGUMENTS[name](facts, arguments)
    if arguments:
        return _Nothing.KNOWN
    if name in _OF_FILES:
        return _OF_FILES[name](facts)
    if name in _OF_REQUESTS and facts.request is not None:
        return _OF_REQUESTS[name](facts, facts.request)
    return _Nothing.KNOWN


def _part(text: str | None, *, keep_blanks: bool = True) -> _Value:
    return _Nothing.KNOWN if text is None else clean_part(text, keep_blanks=keep_blanks)


def _words(facts: FileFacts) -> str:
    words = [word for word in _BETWEEN_WORDS.split(facts.prompt or "") if word]
    return clean_part(" ".join(words[: facts.max_words] if words else ["empty"]), keep_blanks=True)


def _vae(facts: FileFacts) -> str:
    """The first part of the file's name between dots; A1111 writes "NoneType" where there is none."""
    if facts.vae_file is None:
        return "NoneType"
    first, *others = PurePath(facts.vae_file).name.split(".")
    return first or next(iter(others), "")


def _styles(request: RequestFacts) -> str:
    names = [name for name in request.styles if name not in _NO_STYLES]
    return clean_part(", ".join(names) or "None", keep_blanks=True)


def _scheduler(request: RequestFacts) -> str:
    """The schedule type that is used, written with one capital letter."""
    if request.scheduler != AUTOMATIC:
        return request.scheduler.capitalize()
    own = find_sampler(request.sampler).automatic_schedule
    return AUTOMATIC if own == _PLAIN_SCHEDULE else own.capitalize()


def _batch_number(request: RequestFacts) -> _Value:
    if request.number is None or request.batch_size == 1:
        return _Nothing.APPLICABLE
    return str(request.number % request.batch_size + 1)


def _generation_number(request: RequestFacts) -> _Value:
    if request.number is None or request.batch_size * request.batch_count == 1:
        return _Nothing.APPLICABLE
    return str(request.number + 1)


def _digits(text: str | None, arguments: list[str], default: int | None = _HASH_DIGITS) -> _Value:
    return _Nothing.KNOWN if text is None else _start_of_hash(text.encode("utf-8", "replace"), arguments, default)


def _start_of_hash(data: bytes, arguments: list[str], default: int | None) -> str:
    count = int(arguments[0]) if arguments and arguments[0] else default
    return hashlib.sha256(data).hexdigest()[:count]


def _time(facts: FileFacts, arguments: list[str]) -> str:
    wanted, zone, *_ = (*arguments, "", "")
    now = facts.now.astimezone(_zone(zone)) if zone else facts.now
    try:
        text = now.strftime(wanted or _DEFAULT_TIME)
    except ValueError:
        text = now.strftime(_DEFAULT_TIME)
    return clean_part(text, keep_blanks=True)


def _zone(name: str) -> tzinfo | None:
    """The time zone called `name`; None, which is the computer's, if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _if_prompt_has(facts: FileFacts, arguments: list[str]) -> _Value:
    """Each argument is "text" or "text|otherwise"."""
    if facts.prompt is None or facts.request is None:
        return _Nothing.KNOWN
    prompt, result = facts.prompt.lower(), ""
    for argument in arguments:
        text, *otherwise = argument.split("|")
        result += text.lower() if text.lower() in prompt else next(iter(otherwise), "")
    return clean_part(result)


_WITH_ARGUMENTS: Mapping[str, Callable[[FileFacts, list[str]], _Value]] = {
    "datetime": _time,
    "hasprompt": _if_prompt_has,
    "image_hash": lambda facts, arguments: _start_of_hash(facts.picture.tobytes(), arguments, None),
    "prompt_hash": lambda facts, arguments: _digits(facts.prompt, arguments),
    "negative_prompt_hash": lambda facts, arguments: _digits(
        facts.request and facts.request.negative_prompt, arguments
    ),
    "full_prompt_hash": lambda facts, arguments: _digits(
        facts.request and f"{facts.request.prompt} {facts.request.negative_prompt}", arguments
    ),
}

_OF_FILES: Mapping[str, Callable[[FileFacts], _Value]] = {
    "basename": lambda facts: facts.basename,
    "clip_skip": lambda facts: str(facts.clip_skip),
    "date": lambda facts: facts.now.strftime("%Y-%m-%d"),
    "height": lambda facts: str(facts.picture.height),
    "job_timestamp": lambda facts: facts.started.strftime(_DEFAULT_TIME),
    "model_hash": lambda facts: facts.model_hash,
    "model_name": lambda facts: _part(facts.model_name),
    "none": lambda _: "",
    "prompt": lambda facts: _part(facts.prompt, keep_blanks=False),
    "prompt_no_styles": lambda facts: _part(facts.own_prompt),
    "prompt_spaces": lambda facts: _part(facts.prompt),
    "prompt_words": _words,
    "seed": lambda facts: "" if facts.seed is None else str(facts.seed),
    "vae_filename": _vae,
    "width": lambda facts: str(facts.picture.width),
}

_OF_REQUESTS: Mapping[str, Callable[[FileFacts, RequestFacts], _Value]] = {
    "batch_number": lambda _, request: _batch_number(request),
    "batch_size": lambda _, request: str(request.batch_size),
    "cfg": lambda _, request: str(request.cfg_scale),
    "denoising": lambda _, request: str(request.denoising_strength or "") or _Nothing.APPLICABLE,
    "generation_number": lambda _, request: _generation_number(request),
    "sampler": lambda _, request: _part(request.sampler),
    "sampler_scheduler": lambda _, request: f"{request.sampler} {_scheduler(request)}",
    "scheduler": lambda _, request: _scheduler(request),
    "seed_first": lambda facts, request: str(facts.seed if request.batch_size == 1 else request.first_seed),
    "seed_last": lambda _, request: _Nothing.APPLICABLE if request.batch_size == 1 else str(request.last_seed),
    "steps": lambda _, request: str(request.steps),
    "styles": lambda _, request: _styles(request),
    "user": lambda _, request: _Nothing.KNOWN if request.user is None else _part(request.user),
}
