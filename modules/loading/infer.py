"""The sizes of a checkpoint's networks, read from the shapes of its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from modules.core.errors import ModelFileError
from modules.families.architecture import (
    ClipTextArchitecture,
    ModelArchitecture,
    TransformerDepths,
    UNetArchitecture,
    VaeArchitecture,
)

Shapes = Mapping[str, tuple[int, ...]]

CLIP_HEAD_WIDTH = 64  # of all text encoders that OpenAI and OpenCLIP published


def fit_to_weights(
    architecture: ModelArchitecture, *, unet: Shapes, vae: Shapes, texts: Sequence[Shapes], source: str
) -> ModelArchitecture:
    """Return `architecture` with the widths and depths that the shapes show.

    What shapes do not show stays as it is: the number of attention heads, or their width, and the noise schedule.

    Args:
        architecture: what to start from.
        unet: shapes by LDM's names, below `model.diffusion_model.`.
        vae: shapes by LDM's names, below `first_stage_model.`.
        texts: shapes by transformers' names, of each text encoder.
        source: the file's name, for messages.

    Raises:
        ModelFileError: a weight is missing that every such model has.
    """
    try:
        return replace(
            architecture,
            unet=_unet(unet, architecture.unet),
            vae=vae_architecture(vae),
            texts=tuple(_text(text, base) for text, base in zip(texts, architecture.texts, strict=True)),
        )
    except (KeyError, IndexError) as error:
        raise ModelFileError(
            f"“{source}” is incomplete: {error} is missing, without which the sizes of its networks are unknown."
        ) from error
    except (ValueError, ArithmeticError) as error:  # a tensor of too few dimensions, or of size 0
        raise ModelFileError(f"“{source}” is damaged: the shapes of its weights make no network.") from error


def _unet(shapes: Shapes, base: UNetArchitecture) -> UNetArchitecture:
    model_channels, in_channels = shapes["input_blocks.0.0.weight"][:2]
    widths, down = _way_down(shapes, model_channels)
    middle = _middle(shapes, down, base.depths)
    projection, context = (
        next((shape for name, shape in shapes.items() if name.endswith(ending)), None)
        for ending in ("proj_in.weight", "attn2.to_k.weight")
    )
    if projection is None or context is None:
        raise KeyError("attn2.to_k.weight")
    vector = shapes.get("label_emb.0.0.weight")
    return replace(
        base,
        in_channels=in_channels,
        out_channels=shapes["out.2.weight"][0],
        model_channels=model_channels,
        channel_mult=tuple(width // model_channels for width in widths),
        depths=TransformerDepths(down=down, middle=middle, up=_way_up(shapes, down)),
        heads=_heads(base, widths),
        context_dim=context[1],
        linear_projection=len(projection) == 2,
        vector_dim=vector[1] if vector else None,
    )


def _way_down(shapes: Shapes, model_channels: int) -> tuple[list[int], tuple[tuple[int, ...], ...]]:
    """Return the width and the transformers' depths of each level."""
    widths, depths = [model_channels], [list[int]()]
    for index in range(1, _count(shapes, "input_blocks.")):
        block = f"input_blocks.{index}."
        if block + "0.op.weight" in shapes:
            widths.append(0)
            depths.append([])
        else:
            widths[-1] = shapes[block + "0.in_layers.2.weight"][0]
            depths[-1].append(_count(shapes, block + "1.transformer_blocks."))
    return widths, tuple(_without_gaps(level) for level in depths)


def _middle(shapes: Shapes, down: Sequence[Sequence[int]], base: TransformerDepths) -> int | None:
    """Return the depth of the middle's transformer, 0 where the middle was pruned to its first block, None for none."""
    if not any(name.startswith("middle_block.") for name in shapes) and sum(map(len, down)) < sum(map(len, base.down)):
        return None  # who prunes it away prunes elsewhere, too; else the file is incomplete
    if "middle_block.0.in_layers.2.weight" not in shapes:
        raise KeyError("middle_block.0.in_layers.2.weight")
    whole = "middle_block.2.in_layers.2.weight" in shapes
    return _count(shapes, "middle_block.1.transformer_blocks.") or (max(1, down[-1][0]) if whole else 0)


def _way_up(shapes: Shapes, down: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    depths, index = list[tuple[int, ...]](), 0
    for level in reversed(down):
        blocks = range(index, index + len(level) + 1)
        depths.append(_without_gaps([_count(shapes, f"output_blocks.{n}.1.transformer_blocks.") for n in blocks]))
        index = blocks.stop
    return tuple(depths)


def _without_gaps(level: Sequence[int]) -> tuple[int, ...]:
    """All blocks of a level have transformers or none: where one lacks them, the file does, and that is said later."""
    return tuple(depth or max(level) for depth in level)


def _heads(base: UNetArchitecture, widths: Sequence[int]) -> tuple[int, ...]:
    """Families have either the same number of heads everywhere, or heads of the same width."""
    if len(set(base.heads)) == 1:
        return base.heads[:1] * len(widths)
    return tuple(max(1, width * base.heads[0] // base.widths[0]) for width in widths)


def vae_architecture(shapes: Shapes) -> VaeArchitecture:
    """Return the sizes of an autoencoder.

    Args:
        shapes: by LDM's names.

    Raises:
        LookupError: a weight is missing that each has, or it has too few dimensions.
        ArithmeticError: a size is 0.
    """
    channels = shapes["encoder.conv_in.weight"][0]
    levels = range(_count(shapes, "encoder.down."))
    return VaeArchitecture(
        channels=channels,
        channel_mult=tuple(shapes[f"encoder.down.{level}.block.0.conv1.weight"][0] // channels for level in levels),
        num_res_blocks=_count(shapes, "encoder.down.0.block."),
        latent_channels=shapes["decoder.conv_in.weight"][1],
    )


def _text(shapes: Shapes, base: ClipTextArchitecture) -> ClipTextArchitecture:
    vocab_size, hidden_size = shapes["embeddings.token_embedding.weight"]
    projection = shapes.get("text_projection.weight")
    return replace(
        base,
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=shapes["encoder.layers.0.mlp.fc1.weight"][0],
        num_hidden_layers=_count(shapes, "encoder.layers."),
        num_attention_heads=max(1, hidden_size // CLIP_HEAD_WIDTH),
        max_position_embeddings=shapes["embeddings.position_embedding.weight"][0],
        projection_dim=projection[0] if projection else None,
    )


def _count(shapes: Shapes, prefix: str) -> int:
    """One more than the highest number (of at most three digits) that follows `prefix` in a name."""
    numbers = (name.removeprefix(prefix).split(".")[0] for name in shapes if name.startswith(prefix))
    return max((int(number) + 1 for number in numbers if number.isdecimal() and len(number) <= 3), default=0)
