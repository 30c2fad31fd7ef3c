"""Flags as people type them."""

import argparse
import dataclasses
import logging
from pathlib import Path

import pytest

from modules.core.flags import Flags
from modules.core.paths import PROJECT_ROOT
from modules.frontends.cli.arguments import NOT_NEEDED, add_flags, flags_from, parse_flags

ANN = (("ann", "secret"),)
LOGIN = ["--gradio-auth", "ann:secret"]


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Return what `argv` is refused with: one line after the usage line."""
    with pytest.raises(SystemExit) as caught:
        parse_flags(argv)
    assert caught.value.code == 2
    usage, message = capsys.readouterr().err.splitlines()
    assert usage == "usage: webui.py [flags]"
    return message


def test_nothing_given_is_the_dataclass_as_it_is() -> None:
    assert parse_flags([]) == Flags(data_dir=PROJECT_ROOT)


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["--data-dir", "/d"], "data_dir", Path("/d")),
        (["--models-dir", "/d"], "models_dir", Path("/d")),
        (["--ckpt-dir", "/d"], "ckpt_dir", (Path("/d"),)),
        (["--ckpt-dir", "/d", "--ckpt-dir=/e"], "ckpt_dir", (Path("/d"), Path("/e"))),
        (["--vae-dir", "/d"], "vae_dir", (Path("/d"),)),
        (["--vae-dir", "/d", "--vae-dir=/e"], "vae_dir", (Path("/d"), Path("/e"))),
        (["--lora-dir", "/d"], "lora_dir", (Path("/d"),)),
        (["--lora-dir", "/d", "--lora-dir=/e"], "lora_dir", (Path("/d"), Path("/e"))),
        (["--embeddings-dir", "/d"], "embeddings_dir", (Path("/d"),)),
        (["--embeddings-dir", "/d", "--embeddings-dir=/e"], "embeddings_dir", (Path("/d"), Path("/e"))),
        (["--hypernetwork-dir", "/d"], "hypernetwork_dir", (Path("/d"),)),
        (["--hypernetwork-dir", "/d", "--hypernetwork-dir=/e"], "hypernetwork_dir", (Path("/d"), Path("/e"))),
        (["--ui-settings-file", "/d/config.json"], "ui_settings_file", Path("/d/config.json")),
        (["--styles-file", "/d/styles.csv"], "styles_file", Path("/d/styles.csv")),
        (["--listen", *LOGIN], "listen", True),
        (["--port", "1"], "port", 1),
        (["--port=65535"], "port", 65535),
        (["--server-name", "127.0.0.1"], "server_name", "127.0.0.1"),
        (["--share", *LOGIN], "share", True),
        (LOGIN, "gradio_auth", ANN),
        (["--api-auth", "ann:secret"], "api_auth", ANN),
        (["--insecure-no-auth"], "insecure_no_auth", True),
        (["--nowebui"], "nowebui", True),
        (["--api"], "api", True),
        (["--skip-load-model-at-start"], "skip_load_model_at_start", True),
        (["--no-half"], "no_half", True),
        (["--no-half-vae"], "no_half_vae", True),
        (["--precision", "full"], "precision", "full"),
        (["--precision", "half"], "precision", "half"),
        (["--precision", "autocast"], "precision", "autocast"),
        (["--use-cpu", "all"], "use_cpu", ("all",)),
        (["--use-cpu", "ALL", "sd", "--api"], "use_cpu", ("all", "sd")),
        (["--use-cpu", "interrogate"], "use_cpu", ()),
        (["--device-id", "0"], "device_id", 0),
        (["--xformers"], "xformers", True),
        (["--opt-sdp-attention"], "opt_sdp_attention", True),
        (["--medvram"], "medvram", True),
        (["--lowvram"], "lowvram", True),
        (["--theme", "dark"], "theme", "dark"),
        (["--theme", "light"], "theme", "light"),
        (["--autolaunch"], "autolaunch", True),
        (["--loglevel", "debug"], "loglevel", "DEBUG"),
    ],
)
def test_a_flag_sets_its_field(argv: list[str], field: str, value: object) -> None:
    assert getattr(parse_flags(argv), field) == value


def test_files_that_must_exist(tmp_path: Path) -> None:
    file = tmp_path / "a.ckpt"
    file.touch()
    assert parse_flags(["--ckpt", str(file), "--config", str(file)]) == Flags(
        data_dir=PROJECT_ROOT, ckpt=file, config=file
    )
    assert parse_flags(["--ckpt", str(tmp_path)]).ckpt == tmp_path, "a diffusers folder"
    assert parse_flags(["--extra-model-paths", str(file)]).extra_model_paths == file


def test_every_field_has_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_flags(["--help"])
    assert caught.value.code == 0
    words = capsys.readouterr().out.split()
    for field in dataclasses.fields(Flags):
        assert "--" + field.name.replace("_", "-") in words


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert parse_flags(["--data-dir=~/stable-diffusion-webui"]).data_dir == Path("/home/ann/stable-diffusion-webui")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--port", "0"], "from 1 to 65535"),
        (["--port", "65536"], "from 1 to 65535"),
        (["--port", "-1"], "from 1 to 65535"),
        (["--port", "80a"], "80a is not a port"),
        (["--port"], "--port: expected one argument"),
        (["--device-id", "-1"], "--device-id"),
        (["--device-id", "cuda:0"], "cuda:0 is not the number of a CUDA device"),
        (["--precision", "fp8"], "'fp8'"),
        (["--theme", "blue"], "'blue'"),
        (["--loglevel", "loud"], "'LOUD'"),
        (["--use-cpu"], "--use-cpu"),
        (["--use-cpu", "vae2"], "'vae2'"),
        (["--gradio-auth", "secret"], "--gradio-auth: login 1 is not of the form user:password"),
        (["--api-auth", "secret"], "--api-auth: login 1 is not of the form user:password"),
        (["--gradio-auth-path", "/no/such/file"], "cannot read /no/such/file"),
        (["--data-dir", ""], "--data-dir: it is empty"),
        (["--ckpt", "/no/such.ckpt"], "--ckpt: there is no /no/such.ckpt"),
        (["--config", "/no/such.yaml"], "--config: there is no /no/such.yaml"),
        (["--models-dir", __file__], "is a file: give a folder"),
        (["--lora-dir", "/d", "--lora-dir", __file__], "is a file: give a folder"),
        (["--extra-model-paths", "/no/such.yaml"], "--extra-model-paths: there is no /no/such.yaml"),
        (["--config", str(PROJECT_ROOT)], "is a folder: give a file"),
        (["--styles-file", str(PROJECT_ROOT)], "is a folder: give a file"),
    ],
)
def test_a_wrong_value_is_one_sentence(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(capsys, *argv)


# Unknown flags


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--prot", "7860"], "there is no flag --prot: did you mean --port"),
        (["--no-haf"], "did you mean --no-half"),
        (["--data_dir=/d"], "there is no flag --data_dir: did you mean --data-dir"),
        (["--insecure"], "there is no flag --insecure"),
        (["--no-gradio-queue"], "there is no flag --no-gradio-queue"),
        (["--zzz"], "there is no flag --zzz: --help lists all flags"),
        (["serve"], "'serve' is neither a flag nor a command"),
    ],
)
def test_unknown_flags_are_errors_with_near_names(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, *argv)


def test_flags_are_not_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no flag --list" in refused(capsys, "--list", *LOGIN)


# Flags that do nothing here


@pytest.mark.parametrize("name", NOT_NEEDED)
def test_a_flag_that_is_not_needed_says_so(name: str, caplog: pytest.LogCaptureFixture) -> None:
    flag = "--" + name.replace("_", "-")
    with caplog.at_level(logging.WARNING):
        parse_flags([flag])
    assert [record.getMessage() for record in caplog.records] == [f"{flag} has no effect: {NOT_NEEDED[name]}."]


def test_flags_with_an_effect_say_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        parse_flags(["--no-half", "--xformers", "--use-cpu", "all", "--lora-dir", "/d", "--vae-dir", "/d"])
    assert caplog.records == []


def test_a_part_that_does_not_exist_cannot_be_moved_to_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert parse_flags(["--use-cpu", "gfpgan", "sd"]).use_cpu == ("sd",)
    assert [record.getMessage() for record in caplog.records] == [
        "--use-cpu gfpgan has no effect: there is no such part."
    ]


# Who may reach the server


@pytest.mark.parametrize(
    "argv",
    [
        ["--listen"],
        ["--share"],
        ["--server-name", "0.0.0.0"],
        ["--server-name", "192.168.1.2"],
        ["--server-name", "::"],
        ["--server-name", "my-computer"],
        ["--listen", "--nowebui"],
    ],
)
def test_an_open_server_without_a_password_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, *argv)
    assert argv[0] in message
    assert "--gradio-auth user:password" in message
    assert "--insecure-no-auth" in message


@pytest.mark.parametrize(
    "argv",
    [
        ["--listen", *LOGIN],
        ["--share", *LOGIN],
        ["--server-name", "192.168.1.2", *LOGIN],
        ["--listen", "--insecure-no-auth"],
        ["--share", "--insecure-no-auth"],
        ["--listen", "--api-auth", "ann:secret"],
        ["--server-name", "localhost"],
        ["--server-name", "127.0.0.2"],
        ["--server-name", "::1"],
        ["--server-name", "[::1]"],
        ["--port", "80"],
    ],
)
def test_a_protected_or_local_server_is_accepted(argv: list[str]) -> None:
    parse_flags(argv)


def test_logins_may_come_from_a_file_and_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "logins"
    file.write_text("bob:word\n")
    assert parse_flags(["--listen", "--gradio-auth-path", str(file)]).gradio_auth == (("bob", "word"),)
    both = parse_flags([*LOGIN, "--gradio-auth-path", str(file)])
    assert both.gradio_auth == (("ann", "secret"), ("bob", "word"))
    message = refused(capsys, "--gradio-auth", "bob:other", "--gradio-auth-path", str(file))
    assert "the user bob is named both" in message


# Shared with `generate`


def test_commands_share_the_flags_of_places_and_computing() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--prompt")
    add_flags(parser)
    arguments = parser.parse_args(["--prompt", "a cat", "--data-dir", "/d", "--no-half", "--use-cpu", "all"])
    assert flags_from(parser, arguments) == Flags(data_dir=Path("/d"), no_half=True, use_cpu=("all",))
    with pytest.raises(SystemExit):
        parser.parse_args(["--port", "7860"])
