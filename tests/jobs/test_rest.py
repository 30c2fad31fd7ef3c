"""What is left of a job that was cut off makes exactly the pictures that are missing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from modules.core.events import Cancelled, Failed, Finished
from modules.core.job import Job
from modules.core.parameters import Generation, LoadCheckpoint, Txt2Img
from modules.core.results import GeneratedImage, GenerationResult
from modules.core.settings import Settings
from modules.jobs.rest import rest_of
from modules.pipeline.batches import batches
from tests.jobs.fakes import picture


def job_of(request: Txt2Img | LoadCheckpoint) -> Job:
    return Job(id="it", request=request, settings=Settings(), created=datetime.now(tz=UTC))


def made(request: Generation, count: int) -> list[GeneratedImage]:
    """The first pictures of a request."""
    seeds = [seeds for batch in batches(request) for seeds in zip(batch.seeds, batch.subseeds, strict=True)]
    return [
        GeneratedImage(
            data=b"", infotext="", prompt="", negative_prompt="", seed=seed, subseed=subseed, width=8, height=8
        )
        for seed, subseed in seeds[:count]
    ]


@pytest.mark.parametrize("strength", [0.0, 0.3])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("count", range(13))
def test_the_rest_has_the_seeds_that_are_missing(count: int, size: int, strength: float) -> None:
    request = Txt2Img(seed=10, subseed=70, subseed_strength=strength, batch_size=size, batch_count=12 // size)
    saved = made(request, count)
    rest = rest_of(job_of(request), saved)
    whole = made(request, 12)
    finished = count // size * size
    assert list(rest.done) == saved[:finished]
    left = made(rest.job.request, 12) if rest.job and isinstance(rest.job.request, Generation) else []
    assert [(image.seed, image.subseed) for image in left] == [
        (image.seed, image.subseed) for image in whole[finished:]
    ]


def test_each_picture_keeps_its_own_prompt() -> None:
    prompts = tuple("abcd")
    request = Txt2Img(seed=1, subseed=1, batch_count=2, batch_size=2, prompts=prompts, negative_prompts=prompts)
    rest = rest_of(job_of(request), made(request, 3))
    assert rest.job
    assert isinstance(rest.job.request, Txt2Img)
    assert rest.job.request.prompts == rest.job.request.negative_prompts == ("c", "d")
    assert Txt2Img.model_validate(rest.job.request.model_dump()) == rest.job.request
    assert not rest.job.request.make_grid


def test_a_batch_that_was_skipped_is_not_made_again() -> None:
    request = Txt2Img(seed=1, subseed=1, batch_count=4)
    first, _, third = made(request, 3)
    rest = rest_of(job_of(request), [first, third])
    assert rest.job
    assert isinstance(rest.job.request, Txt2Img)
    assert (rest.job.request.seed, rest.job.request.batch_count) == (4, 1)
    assert rest.done == (first, third)


def test_other_jobs_are_made_as_a_whole() -> None:
    job = job_of(LoadCheckpoint())
    assert rest_of(job, []).job is job
    strange = picture(99, path=Path("x"))  # of a request that was another one
    request = job_of(Txt2Img(seed=1, subseed=1))
    assert rest_of(request, [strange]).job is request


def test_the_end_speaks_of_all_pictures() -> None:
    request = Txt2Img(seed=1, subseed=1, batch_count=2)
    first, second = made(request, 2)
    rest = rest_of(job_of(request), [first])
    result = GenerationResult(images=(second,), seconds=2.0, notes=("a",))
    for kind in (Finished, Cancelled):
        whole = rest.complete(kind(job_id="it", result=result))
        assert isinstance(whole, kind)
        assert whole.result.images == (first, second)
        assert whole.result.seconds == 2.0
        assert whole.result.notes[0] == "a"
        assert "restarted: 1 picture was made before" in whole.result.notes[1]
    failed = Failed(job_id="it", error="E", message="m")
    assert rest.complete(failed) is failed
