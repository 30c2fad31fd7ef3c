"""The pictures that a request brings along."""

from modules.core.parameters import GenerationRequest, Img2Img, Inpaint, Picture, Txt2Img


def pictures_of(request: GenerationRequest) -> tuple[Picture, ...]:
    """Return the pictures that a request brings along."""
    match request:
        case Img2Img(inpaint=Inpaint(mask=mask)):
            return (*request.images, mask)
        case Img2Img():
            return request.images
        case Txt2Img(first_pass=Picture() as first):
            return (first,)
        case _:
            return ()


def without_pictures(request: GenerationRequest) -> GenerationRequest:
    """Return a request whose pictures are empty: it says what was asked for, but cannot be run."""
    empty = Picture.model_construct(data=b"")
    match request:
        case Img2Img():
            inpaint = request.inpaint and request.inpaint.model_copy(update={"mask": empty})
            return request.model_copy(update={"images": (empty,) * len(request.images), "inpaint": inpaint})
        case Txt2Img(first_pass=Picture()):
            return request.model_copy(update={"first_pass": empty})
        case _:
            return request


def lacks_pictures(request: GenerationRequest) -> bool:
    """Whether pictures of the request were let go of, so that it cannot be run."""
    return any(not picture.data for picture in pictures_of(request))
