"""What a pickled file of weights is, told by the names at its beginning. Nothing is unpickled, and no zip is opened.

`torch.save` writes the names of all tensors before their weights, uncompressed, in its zip format and in its older one
alike. So they can be looked for as bytes, which no file can turn into anything else.
"""

from pathlib import Path

from modules.library.kinds import Content, ModelKind

HEAD_BYTES = 256 * 2**10  # the names of a whole SDXL checkpoint have as many

# The first match counts: checkpoints hold VAEs.
_MARKS: tuple[tuple[ModelKind, tuple[bytes, ...]], ...] = (
    (
        ModelKind.LORA,
        (b".lora_down.", b".lora_up.", b".lora_A.", b".lora.down.", b".hada_w1", b".lokr_w", b"lora_unet_"),
    ),
    (ModelKind.CONTROLNET, (b"control_model.", b"controlnet_cond_embedding.", b"input_hint_block.")),
    (ModelKind.CHECKPOINT, (b"model.diffusion_model.", b"model_ema.diffusion_model")),
    (ModelKind.EMBEDDING, (b"string_to_param", b"emb_params")),
    (ModelKind.VAE, (b"encoder.conv_in.", b"decoder.conv_in.", b"encoder.down.0.")),
    (ModelKind.UPSCALER, (b"conv_first.", b".RDB1.", b".rdb1.", b"params_ema")),
    (ModelKind.HYPERNETWORK, (b"layer_structure", b"linear.0.weight", b"linear1.weight")),
    (ModelKind.NETWORK, (b"down_blocks.0.", b"mid_block.")),
    (ModelKind.TEXT_ENCODER, (b"text_model.encoder.", b"transformer.resblocks.")),
)


def read_head(path: Path) -> bytes:
    """Return the first `HEAD_BYTES` of the file at `path`.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def recognise_pickle(head: bytes) -> Content:
    """Return what a pickled file with this beginning is; unknown if it does not tell."""
    marks = ((kind, mark) for kind, kind_marks in _MARKS for mark in kind_marks)
    return Content(kind=next((kind for kind, mark in marks if mark in head), ModelKind.UNKNOWN))
