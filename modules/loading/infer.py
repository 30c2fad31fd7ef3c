"""The sizes of a checkpoint's networks, read from the shapes of its weights."""

from collections.abc import Mapping
from dataclasses import replace

from modules.core.errors import ModelFileError
from modules.families.architecture import ClipTextArchitecture, ModelArchitecture, UNetArchitecture, VaeArchitecture

Shapes = Mapping[str, tuple[int, ...]]

CLIP_HEAD_WIDTH = 64  # of all text encoders that OpenAI published


def fit_to_weights(
    architecture: ModelArchitecture, *, unet: Shapes, vae: Shapes, text: Shapes, source: str
) -> ModelArchitecture:
    """Return `architecture` with the widths and depths that the shapes show.

    What shapes do not show stays as it is: the number of attention heads, the noise schedule.

    Args:
        architecture: what to start from.
        unet: shapes by LDM's names, below `model.diffusion_model.`.
        vae: shapes by LDM's names, below `first_stage_model.`.
        text: shapes by transformers' names.
        source: the file's name, for messages.

    Raises:
        ModelFileError: a weight is missing that every such model has.
    """
    try:
        return replace(
            architecture,
            unet=_unet(unet, architecture.unet),
            vae=_vae(vae),
            text=_text(text, architecture.text),
        )
    except (KeyError, IndexError) as error:
        raise ModelFileError(
            f"“{source}” is incomplete: {error} is missing, without which the sizes of its networks are unknown."
        ) from error
    except (ValueError, ArithmeticError) as error:  # a tensor of too few dimensions, or of size 0
        raise ModelFileError(f"“{source}” is damaged: the shapes of its weights make no network.") from error


def _unet(shapes: Shapes, base: UNetArchitecture) -> UNetArchitecture:
    model_channels, in_channels = shapes["input_blocks.0.0.weight"][:2]
    widths, blocks, attention = [model_channels], [0], [False]
    for index in range(1, _count(shapes, "input_blocks.")):
        if f"input_blocks.{index}.0.op.weight" in shapes:
            widths.append(0)
            blocks.append(0)
            attention.append(False)
        else:
            widths[-1] = shapes[f"input_blocks.{index}.0.in_layers.2.weight"][0]
            blocks[-1] += 1
            attention[-1] = f"input_blocks.{index}.1.proj_in.weight" in shapes
    middle = "middle_block.1."
    return replace(
        base,
        in_channels=in_channels,
        out_channels=shapes["out.2.weight"][0],
        model_channels=model_channels,
        channel_mult=tuple(width // model_channels for width in widths),
        num_res_blocks=blocks[0],
        attention=tuple(attention),
        heads=base.heads[:1] * len(widths),
        transformer_depth=_count(shapes, middle + "transformer_blocks."),
        context_dim=shapes[middle + "transformer_blocks.0.attn2.to_k.weight"][1],
        linear_projection=len(shapes[middle + "proj_in.weight"]) == 2,
    )


def _vae(shapes: Shapes) -> VaeArchitecture:
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
    return replace(
        base,
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=shapes["encoder.layers.0.mlp.fc1.weight"][0],
        num_hidden_layers=_count(shapes, "encoder.layers."),
        num_attention_heads=max(1, hidden_size // CLIP_HEAD_WIDTH),
        max_position_embeddings=shapes["embeddings.position_embedding.weight"][0],
    )


def _count(shapes: Shapes, prefix: str) -> int:
    """One more than the highest number (of at most three digits) that follows `prefix` in a name."""
    numbers = (name.removeprefix(prefix).split(".")[0] for name in shapes if name.startswith(prefix))
    return max((int(number) + 1 for number in numbers if number.isdecimal() and len(number) <= 3), default=0)
