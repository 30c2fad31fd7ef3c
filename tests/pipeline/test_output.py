"""What becomes of finished pictures: their files, what lies beside those, and the grid."""

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import OutputError
from modules.core.flags import Flags
from modules.core.parameters import Txt2Img
from modules.core.paths import resolve_paths
from modules.core.results import GeneratedImage
from modules.core.settings import Settings
from modules.imaging.file_names import FileFacts
from modules.imaging.metadata import read_parameters
from modules.library.checkpoints import CheckpointFile
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.file_naming import file_facts
from modules.pipeline.output import (
    Companion,
    Overview,
    deliver,
    deliver_companion,
    save_init_picture,
    save_unfinished,
)
from modules.pipeline.prompts import PromptPair

TEXT = "a cat\nSteps: 3, Seed: 5"
LONG = "x" * 40_000  # more than the EXIF block of a JPEG file holds
REQUEST = Txt2Img(seed=5)
PICTURE = Image.effect_noise((48, 32), 60).convert("RGB")
CHECKPOINT = CheckpointFile(path=Path("tiny-sd1.ckpt"), name="tiny-sd1.ckpt", model_name="tiny-sd1", sha256="ab" * 32)
LOADED = cast("Loaded", SimpleNamespace(file=CHECKPOINT, vae=SimpleNamespace(name="soft.vae.pt")))
FORMATS = [("png", "PNG"), ("jpg", "JPEG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("avif", "AVIF")]


class RunningJob:
    """A job that has pictures to deliver; `context` is what delivering them wants to know and do of it."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.data = data
        self.images: list[GeneratedImage] = []
        self.notes: list[str] = []
        known = SimpleNamespace(
            settings=Settings(**settings),
            paths=resolve_paths(Flags(data_dir=data)),
            images=self.images,
            finished=self.images.append,
            job=SimpleNamespace(created=datetime(2024, 3, 5, 14, 7, 9, tzinfo=UTC)),
            note=self.notes.append,
        )
        self.context = cast("RunContext", known)

    def deliver(self, picture: Image.Image = PICTURE, text: str = TEXT, request: Txt2Img = REQUEST) -> None:
        prompts = PromptPair(positive="a cat", negative="")
        deliver(self.context, request, self.facts(picture), infotext=text, prompts=prompts, seed=5, subseed=0)

    def facts(self, picture: Image.Image = PICTURE) -> FileFacts:
        """What the file of a picture may be named after."""
        return file_facts(
            self.context, REQUEST, LOADED, picture=picture, number=0, seed=5, prompt="a <lora:x:1>cat: it's black"
        )

    def files(self) -> dict[str, bytes]:
        """Everything in the data folder by name."""
        return {path.name: path.read_bytes() for path in sorted(self.data.rglob("*")) if path.is_file()}


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


# Pictures


@pytest.mark.parametrize(("name", "kind"), FORMATS)
def test_pictures_have_the_format_of_the_setting(tmp_path: Path, name: str, kind: str) -> None:
    job = RunningJob(tmp_path, samples_format=name)
    job.deliver()
    (image,) = job.images
    assert job.files() == {f"00000-5.{name}": image.data}
    assert image.path is not None
    assert (image.path.name, image.suffix) == (f"00000-5.{name}", f".{name}")
    assert (opened(image.data).format, opened(image.data).size) == (kind, (48, 32))
    assert (read_parameters(image.data), image.infotext) == (TEXT, TEXT)


def test_what_is_not_saved_has_that_format_too(tmp_path: Path) -> None:
    job = RunningJob(tmp_path, samples_format="webp", samples_save=False)
    job.deliver()
    (image,) = job.images
    assert (image.suffix, image.path, opened(image.data).format, job.files()) == (".webp", None, "WEBP", {})


def test_the_suffix_is_that_of_the_file_where_a_format_is_too_small(tmp_path: Path) -> None:
    job = RunningJob(tmp_path, samples_format="webp", export_for_4chan=False)
    job.deliver(Image.new("RGB", (16_384, 1)))
    assert job.images[0].suffix == ".png"
    assert list(job.files()) == ["00000-5.png"]


@pytest.mark.parametrize("name", ["jpg", "webp", "avif"])
def test_quality_is_a_setting(tmp_path: Path, name: str) -> None:
    sizes: list[int] = []
    for quality in (10, 95):
        job = RunningJob(tmp_path, samples_format=name, jpeg_quality=quality, samples_save=False)
        job.deliver()
        sizes.append(len(job.images[0].data))
    assert sizes[0] * 1.3 < sizes[1]


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_may_keep_every_pixel(tmp_path: Path, lossless: bool) -> None:
    job = RunningJob(tmp_path, samples_format="webp", webp_lossless=lossless)
    job.deliver()
    kept = opened(job.images[0].data).convert("RGB").tobytes() == PICTURE.tobytes()
    assert kept is lossless


# Their names


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, {"00000-5.png", "00001-5-mask.png", "grid-0000.png"}),
        (
            {"save_to_dirs": False},
            {"00000-5-a cat_ it's black.png", "00001-5-a cat_ it's black-mask.png", "grid-0000.png"},
        ),
        (
            {"samples_filename_pattern": "[seed]-[width]x[height]-[vae_filename]", "grid_extended_filename": True},
            {"00000-5-48x32-soft.png", "00001-5-48x32-soft-mask.png", "grid-0000-5-48x32-soft.png"},
        ),
        (
            {"samples_filename_pattern": "../[model_name] [model_hash]", "save_images_add_number": False},
            {".._tiny-sd1 ababababab.png", ".._tiny-sd1 ababababab-mask.png", "grid-0000.png"},
        ),
        (
            {"samples_filename_pattern": "[none]", "save_images_add_number": False},
            {"00000.png", "mask.png", "grid-0000.png"},
        ),
    ],
)
def test_names_follow_the_patterns_of_the_settings(tmp_path: Path, settings: dict[str, Any], names: set[str]) -> None:
    job = RunningJob(tmp_path, grid_only_if_multiple=False, **settings)
    overview = Overview(job.context, REQUEST)
    job.deliver()
    overview.add(PICTURE)
    deliver_companion(
        job.context, REQUEST, job.facts(), Companion(picture=PICTURE, name="mask", shown=False, saved=True)
    )
    overview.deliver(LOADED)
    assert set(job.files()) == names


def test_folders_follow_the_pattern_of_the_settings_and_stay_below_the_output_folder(tmp_path: Path) -> None:
    job = RunningJob(
        tmp_path, directories_filename_pattern="/../[prompt_words]\\[job_timestamp]/", samples_format="jpg"
    )
    job.deliver()
    assert job.images[0].path is not None
    below = job.images[0].path.relative_to(tmp_path / "outputs" / "txt2img-images")
    started = datetime(2024, 3, 5, 14, 7, 9, tzinfo=UTC).astimezone()
    assert below.as_posix() == f"a cat it s black/{started:%Y%m%d%H%M%S}/00000-5.jpg"
    short = RunningJob(tmp_path / "b", directories_filename_pattern="", directories_max_prompt_words=2)
    short.deliver()
    assert short.images[0].path is not None
    assert short.images[0].path.parent.name == "a cat"


@pytest.mark.parametrize(("action", "names"), [("Replace", {"5.png", "5.txt"}), ("Add number suffix", None)])
def test_files_without_a_number(tmp_path: Path, action: str, names: set[str] | None) -> None:
    settings = {"save_images_add_number": False, "save_images_replace_action": action, "save_txt": True}
    job = RunningJob(tmp_path, **settings)
    job.deliver()
    job.deliver(text="another text")
    assert set(job.files()) == (names or {"5.png", "5.txt", "5-1.png", "5-1.txt"})
    assert job.files()["5.txt"].decode() == ("another text\n" if names else f"{TEXT}\n")


# Beside them


def test_the_infotext_lies_beside_every_picture_if_the_setting_says_so(tmp_path: Path) -> None:
    job = RunningJob(tmp_path, save_txt=True, enable_pnginfo=False, grid_only_if_multiple=False)
    overview = Overview(job.context, REQUEST)
    save_unfinished(job.context, REQUEST, job.facts(), "a first pass 日本 \ud800", stage="before-highres-fix")
    job.deliver()
    overview.add(PICTURE)
    deliver_companion(
        job.context, REQUEST, job.facts(), Companion(picture=PICTURE, name="mask", shown=False, saved=True)
    )
    overview.deliver(LOADED)
    texts = {name: data.decode() for name, data in job.files().items() if name.endswith(".txt")}
    assert texts == {
        "00000-5-before-highres-fix.txt": "a first pass 日本 ?\n",
        "00001-5.txt": f"{TEXT}\n",
        "00002-5-mask.txt": f"{TEXT}\n",
        "grid-0000.txt": f"{TEXT}\n",
    }
    assert len(job.files()) == 8
    assert read_parameters(job.images[0].data) is None


def test_an_infotext_too_long_for_a_jpeg_file_lies_beside_it(tmp_path: Path) -> None:
    job = RunningJob(tmp_path, samples_format="jpg")
    job.deliver(text=LONG)
    job.deliver(text=TEXT)
    assert job.files()["00000-5.txt"].decode() == f"{LONG}\n"
    assert "00001-5.txt" not in job.files()
    assert len(job.notes) == 1
    assert "It lies beside the picture as a text file" in job.notes[0]


def test_an_infotext_that_cannot_be_kept_is_spoken_of(tmp_path: Path) -> None:
    job = RunningJob(tmp_path, samples_format="jpg", samples_save=False)
    job.deliver(text=LONG)
    assert job.images[0].infotext == LONG
    assert "the picture does not carry it" in job.notes[0]
    unasked = RunningJob(tmp_path, samples_format="jpg", enable_pnginfo=False)
    unasked.deliver(text=LONG)
    assert unasked.notes == []
    assert list(unasked.files()) == ["00000-5.jpg"]


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"target_side_length": 47}, (47, 31)),
        ({"img_downscale_threshold": 0.001}, (48, 32)),
        ({"target_side_length": 48, "img_downscale_threshold": 1}, None),
        ({"target_side_length": 47, "export_for_4chan": False}, None),
        ({"target_side_length": 47, "samples_format": "jpg"}, None),
    ],
)
def test_large_pictures_get_a_smaller_copy(
    tmp_path: Path, settings: dict[str, Any], size: tuple[int, int] | None
) -> None:
    job = RunningJob(tmp_path, **settings)
    job.deliver()
    (image,) = job.images
    assert image.path is not None
    assert (image.width, image.height) == (48, 32)
    copies = {name: data for name, data in job.files().items() if name != image.path.name}
    if size is None:
        assert copies == {}
    else:
        assert list(copies) == ["00000-5.jpg"]
        assert opened(copies["00000-5.jpg"]).size == size
        assert read_parameters(copies["00000-5.jpg"]) == TEXT


def test_copies_have_the_settings_quality_and_no_infotext_that_is_not_wanted(tmp_path: Path) -> None:
    copies: list[bytes] = []
    for quality in (10, 95):
        job = RunningJob(tmp_path / str(quality), target_side_length=40, jpeg_quality=quality, enable_pnginfo=False)
        job.deliver()
        copies.append(job.files()["00000-5.jpg"])
    assert len(copies[0]) * 1.3 < len(copies[1])
    assert read_parameters(copies[0]) is None


# Masks


@pytest.mark.parametrize(
    ("shown", "saved", "files"),
    [(True, True, ["00001-5-mask.png"]), (True, False, []), (False, True, ["00001-5-mask.png"]), (False, False, [])],
)
def test_masks_are_png_files(tmp_path: Path, shown: bool, saved: bool, files: list[str]) -> None:
    job = RunningJob(tmp_path, samples_format="jpg")
    job.deliver()
    mask = Image.linear_gradient("L")
    deliver_companion(job.context, REQUEST, job.facts(), Companion(picture=mask, name="mask", shown=shown, saved=saved))
    names = list(job.files())
    assert names == ["00000-5.jpg", *files]
    for image in job.images[1:]:
        assert (image.is_mask, image.suffix, image.width, image.height) == (True, ".png", 256, 256)
        assert (image.seed, image.infotext, image.path and image.path.name) == (5, TEXT, files[0] if files else None)
        assert opened(image.data).tobytes() == mask.tobytes()
        assert not files or job.files()[files[0]] == image.data
    assert len(job.images) == 1 + shown


@pytest.mark.parametrize("off", [{"samples_save": False}, {}])
def test_where_pictures_are_not_saved_nothing_that_belongs_to_them_is(tmp_path: Path, off: dict[str, Any]) -> None:
    request = REQUEST if off else Txt2Img(seed=5, save_images=False)
    job = RunningJob(tmp_path, save_txt=True, target_side_length=1, **off)
    save_unfinished(job.context, request, job.facts(), TEXT, stage="before-highres-fix")
    job.deliver(request=request)
    deliver_companion(
        job.context, request, job.facts(), Companion(picture=PICTURE, name="mask", shown=True, saved=True)
    )
    assert job.files() == {}
    assert [image.path for image in job.images] == [None, None]


# What img2img begins with


def test_init_pictures_are_kept_once_and_named_by_their_pixels(tmp_path: Path) -> None:
    job = RunningJob(tmp_path, outdir_init_images="beginnings", samples_format="jpg")
    name = save_init_picture(job.context, PICTURE, TEXT)
    assert name == hashlib.md5(PICTURE.tobytes(), usedforsecurity=False).hexdigest()
    path = tmp_path / "beginnings" / f"{name}.png"
    assert (Image.open(path).format, Image.open(path).tobytes()) == ("PNG", PICTURE.tobytes())
    assert read_parameters(path) == TEXT
    written = path.stat().st_mtime_ns
    assert save_init_picture(job.context, PICTURE, "another text") == name
    assert (path.stat().st_mtime_ns, read_parameters(path)) == (written, TEXT)


def test_init_pictures_of_all_kinds_can_be_kept(tmp_path: Path) -> None:
    job = RunningJob(tmp_path, enable_pnginfo=False)
    for image, mode in (
        (PICTURE.convert("CMYK"), "RGB"),
        (PICTURE.convert("RGBA"), "RGBA"),
        (PICTURE.quantize(), "RGB"),
    ):
        path = tmp_path / "outputs" / "init-images" / f"{save_init_picture(job.context, image, TEXT)}.png"
        assert (Image.open(path).mode, read_parameters(path)) == (mode, None)


# The grid


def sheet(job: RunningJob, count: int = 2, request: Txt2Img = REQUEST) -> Overview:
    """Deliver pictures and their grid."""
    overview = Overview(job.context, request)
    for _ in range(count):
        job.deliver(request=request)
        overview.add(PICTURE)
    overview.deliver(LOADED)
    return overview


@pytest.mark.parametrize(("name", "kind"), FORMATS)
def test_grids_have_a_format_of_their_own(tmp_path: Path, name: str, kind: str) -> None:
    job = RunningJob(tmp_path, grid_format=name, samples_save=False)
    sheet(job)
    grid = job.images[0]
    assert (grid.is_grid, grid.suffix, grid.infotext) == (True, f".{name}", TEXT)
    assert job.files() == {f"grid-0000.{name}": grid.data}
    assert grid.path is not None
    assert (opened(grid.data).format, opened(grid.data).size) == (kind, (grid.width, grid.height))
    assert read_parameters(grid.data) == TEXT
    assert [image.suffix for image in job.images[1:]] == [".png", ".png"]


def test_a_grid_shows_the_pictures_as_they_were_before_they_were_compressed(tmp_path: Path) -> None:
    job = RunningJob(tmp_path, samples_format="jpg", jpeg_quality=1)
    sheet(job)
    first = np.asarray(opened(job.images[0].data))[:32, :48]
    assert np.array_equal(first, np.asarray(PICTURE))


@pytest.mark.parametrize(("megapixels", "made"), [(2 * 48 * 32 / 1e6, True), (2 * 48 * 32 / 1e6 - 1e-6, False)])
def test_a_grid_has_a_largest_size(tmp_path: Path, megapixels: float, made: bool) -> None:
    job = RunningJob(tmp_path, samples_save=False, img_max_size_mp=megapixels)
    sheet(job)
    assert any(image.is_grid for image in job.images) is made
    assert list(job.files()) == (["grid-0000.png"] if made else [])
    assert [note[:16] for note in job.notes] == ([] if made else ["No grid was made"])


def test_nothing_is_said_of_a_grid_that_nobody_wanted(tmp_path: Path) -> None:
    single, unwanted = RunningJob(tmp_path, img_max_size_mp=0), RunningJob(tmp_path, img_max_size_mp=0)
    sheet(single, 1)
    sheet(unwanted, 2, Txt2Img(seed=5, make_grid=False))
    assert single.notes == unwanted.notes == []


def test_large_grids_get_a_smaller_copy(tmp_path: Path) -> None:
    job = RunningJob(tmp_path, samples_save=False, target_side_length=40)
    sheet(job)
    assert list(job.files()) == ["grid-0000.jpg", "grid-0000.png"]
    assert max(opened(job.files()["grid-0000.jpg"]).size) == 40


# Folders that cannot be written


def test_a_picture_that_cannot_be_saved_is_kept_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_bytes(b"a file where the folder should be")
    job = RunningJob(tmp_path)
    with pytest.raises(OutputError, match="Cannot save a picture in"):
        job.deliver()
    (image,) = job.images
    assert (image.path, read_parameters(image.data)) == (None, TEXT)
    with pytest.raises(OutputError):
        deliver_companion(
            job.context, REQUEST, job.facts(), Companion(picture=PICTURE, name="mask", shown=True, saved=True)
        )
    assert [image.is_mask for image in job.images] == [False, True]
    with pytest.raises(OutputError):
        save_init_picture(job.context, PICTURE, None)
    with pytest.raises(OutputError):
        save_unfinished(job.context, REQUEST, job.facts(), TEXT, stage="before-highres-fix")


def test_a_picture_is_reported_before_what_lies_beside_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("The disk is full.")

    monkeypatch.setattr("modules.pipeline.output.save_beside", full)
    job = RunningJob(tmp_path, save_txt=True)
    with pytest.raises(OutputError):
        job.deliver()
    assert [image.path and image.path.name for image in job.images] == ["00000-5.png"]
