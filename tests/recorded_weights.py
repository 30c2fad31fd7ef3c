"""Draws the weights of the tiny checkpoints that the recordings in `tests/data` were made with.

Every tensor is drawn from `RandomState(crc32(key)).standard_normal(shape)` and scaled; some tensors get structure, so
that the UNet is a mild denoiser whose pictures do not hang on the last bit of a float.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

WIDTH = 32
TEXT_WIDTH, TEXT_LAYERS, TEXT_INNER, TEXT_HEADS = 64, 4, 256, 4
VOCABULARY, POSITIONS = 49408, 77
TEXT_MEAN = -0.15
UNET, VAE = "model.diffusion_model.", "first_stage_model."


class Weights(dict[str, Array]):
    """Draws the tensors of common layers under their names; another `salt` draws others."""

    def __init__(self, salt: str = "") -> None:
        super().__init__()
        self._salt = salt

    def draw(self, key: str, shape: tuple[int, ...]) -> Array:
        """Return numbers that depend on the name alone."""
        return np.random.RandomState(zlib.crc32((self._salt + key).encode()) & 0xFFFFFFFF).standard_normal(shape)

    def scaled(self, key: str, shape: tuple[int, ...], gain: float = 1.0) -> None:
        self[key] = self.draw(key, shape) * (gain / np.sqrt(int(np.prod(shape[1:]))))

    def bias(self, name: str, size: int) -> None:
        self[name + ".bias"] = 0.05 * self.draw(name + ".bias", (size,))

    def linear(self, name: str, out: int, into: int, *, bias: bool = True, gain: float = 1.0) -> None:
        self.scaled(name + ".weight", (out, into), gain)
        if bias:
            self.bias(name, out)

    def conv(self, name: str, out: int, into: int, kernel: int, gain: float = 1.0) -> None:
        self.scaled(name + ".weight", (out, into, kernel, kernel), gain)
        self.bias(name, out)

    def norm(self, name: str, size: int) -> None:
        self[name + ".weight"] = 1 + 0.1 * self.draw(name + ".weight", (size,))
        self[name + ".bias"] = 0.05 * self.draw(name + ".bias", (size,))


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetPlan:
    """The sizes of a UNet and how strong its parts are.

    Attributes:
        in_channels: of the input.
        multipliers: width of each level.
        depths: of the transformers on the levels that have some.
        context: width of the token vectors.
        vector: width of the vector that is added to the timestep's embedding.
        linear: transformers begin and end with a linear layer.
        pass_gain: how strongly the output follows the input.
        net_gain: size of the random network's part of the output.
    """

    in_channels: int = 4
    multipliers: tuple[int, ...] = (1, 2, 4, 4)
    depths: Mapping[int, int] = field(default_factory=lambda: {0: 1, 1: 1, 2: 1})
    context: int = TEXT_WIDTH
    vector: int | None = None
    linear: bool = False
    pass_gain: float = 0.93
    net_gain: float = 0.22


def _unet_residual(weights: Weights, name: str, into: int, out: int) -> None:
    weights.norm(name + ".in_layers.0", into)
    weights.conv(name + ".in_layers.2", out, into, 3)
    weights.linear(name + ".emb_layers.1", out, 4 * WIDTH)
    weights.norm(name + ".out_layers.0", out)
    weights.conv(name + ".out_layers.3", out, out, 3, gain=0.6)
    if into != out:
        weights.conv(name + ".skip_connection", out, into, 1)


def _projection(weights: Weights, name: str, width: int, plan: UNetPlan, gain: float) -> None:
    if plan.linear:
        weights.linear(name, width, width, gain=gain)
    else:
        weights.conv(name, width, width, 1, gain=gain)


def _unet_transformer(weights: Weights, name: str, width: int, depth: int, plan: UNetPlan) -> None:
    weights.norm(name + ".norm", width)
    _projection(weights, name + ".proj_in", width, plan, 1.0)
    for number in range(depth):
        block = f"{name}.transformer_blocks.{number}"
        for attention, key_width, value_gain in (("attn1", width, 1.5), ("attn2", plan.context, 4.0)):
            weights.linear(f"{block}.{attention}.to_q", width, width, bias=False, gain=1.2)
            weights.linear(f"{block}.{attention}.to_k", width, key_width, bias=False, gain=1.2)
            weights.linear(f"{block}.{attention}.to_v", width, key_width, bias=False, gain=value_gain)
            weights.linear(f"{block}.{attention}.to_out.0", width, width)
        weights.linear(f"{block}.ff.net.0.proj", 8 * width, width)
        weights.linear(f"{block}.ff.net.2", width, 4 * width)
        for norm in (1, 2, 3):
            weights.norm(f"{block}.norm{norm}", width)
    _projection(weights, name + ".proj_out", width, plan, 0.7)


def _unet_down(weights: Weights, plan: UNetPlan) -> tuple[list[int], int]:
    """Draw the way down; return the widths of the skip connections and the last width."""
    skips, width, index = [WIDTH], WIDTH, 1
    for level, multiplier in enumerate(plan.multipliers):
        for _ in range(2):
            _unet_residual(weights, f"{UNET}input_blocks.{index}.0", width, WIDTH * multiplier)
            width = WIDTH * multiplier
            if level in plan.depths:
                _unet_transformer(weights, f"{UNET}input_blocks.{index}.1", width, plan.depths[level], plan)
            skips.append(width)
            index += 1
        if level != len(plan.multipliers) - 1:
            weights.conv(f"{UNET}input_blocks.{index}.0.op", width, width, 3)
            skips.append(width)
            index += 1
    return skips, width


def _unet_up(weights: Weights, skips: list[int], width: int, plan: UNetPlan) -> int:
    """Draw the way up; return the number of its last block."""
    index = 0
    for level, multiplier in reversed(list(enumerate(plan.multipliers))):
        for number in range(3):
            _unet_residual(weights, f"{UNET}output_blocks.{index}.0", width + skips.pop(), WIDTH * multiplier)
            width = WIDTH * multiplier
            attends = level in plan.depths
            if attends:
                _unet_transformer(weights, f"{UNET}output_blocks.{index}.1", width, plan.depths[level], plan)
            if level and number == 2:
                weights.conv(f"{UNET}output_blocks.{index}.{1 + attends}.conv", width, width, 3)
            index += 1
    return index - 1


def _carry_input_to_output(weights: Weights, last: str, plan: UNetPlan) -> None:
    """Let channels 0..7 carry +x and −x straight to the output (silu(g) − silu(−g) = g)."""
    first, first_bias = weights[UNET + "input_blocks.0.0.weight"], weights[UNET + "input_blocks.0.0.bias"]
    first[:8], first_bias[:8] = 0, 0
    skip, skip_bias = weights[last + ".0.skip_connection.weight"], weights[last + ".0.skip_connection.bias"]
    skip[:8], skip_bias[:8] = 0, 0
    out = weights[UNET + "out.2.weight"]
    out[:, :8] = 0
    for channel in range(4):
        first[channel, channel, 1, 1], first[channel + 4, channel, 1, 1] = 1.0, -1.0
        out[channel, channel, 1, 1], out[channel, channel + 4, 1, 1] = plan.pass_gain, -plan.pass_gain
    for channel in range(8):
        skip[channel, skip.shape[1] - WIDTH + channel] = 1.0
    for name in (last + ".0.out_layers.3", *([last + ".1.proj_out"] if 0 in plan.depths else [])):
        weights[name + ".weight"][:8], weights[name + ".bias"][:8] = 0, 0
    weights[UNET + "out.0.weight"][:8], weights[UNET + "out.0.bias"][:8] = 1, 0


def draw_unet(weights: Weights, plan: UNetPlan) -> None:
    """Draw a UNet under LDM's names."""
    weights.linear(UNET + "time_embed.0", 4 * WIDTH, WIDTH)
    weights.linear(UNET + "time_embed.2", 4 * WIDTH, 4 * WIDTH)
    if plan.vector is not None:
        weights.linear(UNET + "label_emb.0.0", 4 * WIDTH, plan.vector)
        weights.linear(UNET + "label_emb.0.2", 4 * WIDTH, 4 * WIDTH)
    weights.conv(UNET + "input_blocks.0.0", WIDTH, plan.in_channels, 3)
    skips, width = _unet_down(weights, plan)
    _unet_residual(weights, UNET + "middle_block.0", width, width)
    _unet_transformer(weights, UNET + "middle_block.1", width, plan.depths.get(len(plan.multipliers) - 1, 1), plan)
    _unet_residual(weights, UNET + "middle_block.2", width, width)
    last = _unet_up(weights, skips, width, plan)
    weights.norm(UNET + "out.0", WIDTH)
    weights.conv(UNET + "out.2", 4, WIDTH, 3, gain=plan.net_gain)
    _carry_input_to_output(weights, f"{UNET}output_blocks.{last}", plan)


def _vae_residual(weights: Weights, name: str, into: int, out: int) -> None:
    weights.norm(name + ".norm1", into)
    weights.conv(name + ".conv1", out, into, 3)
    weights.norm(name + ".norm2", out)
    weights.conv(name + ".conv2", out, out, 3, gain=0.7)
    if into != out:
        weights.conv(name + ".nin_shortcut", out, into, 1)


def _vae_middle(weights: Weights, name: str, width: int) -> None:
    _vae_residual(weights, name + ".mid.block_1", width, width)
    weights.norm(name + ".mid.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        weights.conv(f"{name}.mid.attn_1.{part}", width, width, 1)
    _vae_residual(weights, name + ".mid.block_2", width, width)


def draw_vae(weights: Weights) -> None:
    """Draw an autoencoder under LDM's names, whose posteriors are so narrow that sampling them adds nothing visible."""
    multipliers = (1, 2, 4, 4)
    encoder, decoder, width = VAE + "encoder", VAE + "decoder", WIDTH
    weights.conv(encoder + ".conv_in", WIDTH, 3, 3, gain=1.5)
    for level, multiplier in enumerate(multipliers):
        for number in range(2):
            _vae_residual(weights, f"{encoder}.down.{level}.block.{number}", width, WIDTH * multiplier)
            width = WIDTH * multiplier
        if level != 3:
            weights.conv(f"{encoder}.down.{level}.downsample.conv", width, width, 3)
    _vae_middle(weights, encoder, width)
    weights.norm(encoder + ".norm_out", width)
    weights.conv(encoder + ".conv_out", 8, width, 3)
    weights.conv(decoder + ".conv_in", width, 4, 3, gain=0.5)
    _vae_middle(weights, decoder, width)
    for level in (3, 2, 1, 0):
        for number in range(3):
            _vae_residual(weights, f"{decoder}.up.{level}.block.{number}", width, WIDTH * multipliers[level])
            width = WIDTH * multipliers[level]
        if level:
            weights.conv(f"{decoder}.up.{level}.upsample.conv", width, width, 3)
    weights.norm(decoder + ".norm_out", width)
    weights.conv(decoder + ".conv_out", 3, width, 3, gain=0.6)
    weights.conv(VAE + "quant_conv", 8, 8, 1, gain=6.0)
    weights.conv(VAE + "post_quant_conv", 4, 4, 1)
    weights[VAE + "quant_conv.weight"][4:] = 0
    weights[VAE + "quant_conv.bias"][4:] = -30.0


def draw_clip(weights: Weights, prefix: str) -> None:
    """Draw a text encoder under transformers' names."""
    key = prefix + "embeddings.token_embedding.weight"
    weights[key] = 0.35 * weights.draw(key, (VOCABULARY, TEXT_WIDTH))
    key = prefix + "embeddings.position_embedding.weight"
    weights[key] = TEXT_MEAN + 0.1 * weights.draw(key, (POSITIONS, TEXT_WIDTH))
    for number in range(TEXT_LAYERS):
        layer = f"{prefix}encoder.layers.{number}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            weights.linear(f"{layer}.self_attn.{part}", TEXT_WIDTH, TEXT_WIDTH, gain=1.2)
        weights.norm(layer + ".layer_norm1", TEXT_WIDTH)
        weights.linear(layer + ".mlp.fc1", TEXT_INNER, TEXT_WIDTH)
        weights.linear(layer + ".mlp.fc2", TEXT_WIDTH, TEXT_INNER)
        weights.norm(layer + ".layer_norm2", TEXT_WIDTH)
    weights.norm(prefix + "final_layer_norm", TEXT_WIDTH)
    weights[prefix + "final_layer_norm.bias"] += TEXT_MEAN


def draw_open_clip(weights: Weights, prefix: str) -> None:
    """Draw a text encoder under open_clip's names."""
    key = prefix + "positional_embedding"
    weights[key] = TEXT_MEAN + 0.1 * weights.draw(key, (POSITIONS, TEXT_WIDTH))
    key = prefix + "token_embedding.weight"
    weights[key] = 0.35 * weights.draw(key, (VOCABULARY, TEXT_WIDTH))
    key = prefix + "text_projection"
    weights[key] = weights.draw(key, (TEXT_WIDTH, TEXT_WIDTH)) / np.sqrt(TEXT_WIDTH)
    weights[prefix + "logit_scale"] = np.array(4.6052)
    for number in range(TEXT_LAYERS):
        layer = f"{prefix}transformer.resblocks.{number}"
        weights.norm(layer + ".ln_1", TEXT_WIDTH)
        key = layer + ".attn.in_proj_weight"
        weights[key] = weights.draw(key, (3 * TEXT_WIDTH, TEXT_WIDTH)) * (1.2 / np.sqrt(TEXT_WIDTH))
        key = layer + ".attn.in_proj_bias"
        weights[key] = 0.05 * weights.draw(key, (3 * TEXT_WIDTH,))
        weights.linear(layer + ".attn.out_proj", TEXT_WIDTH, TEXT_WIDTH, gain=1.2)
        weights.norm(layer + ".ln_2", TEXT_WIDTH)
        weights.linear(layer + ".mlp.c_fc", 4 * TEXT_WIDTH, TEXT_WIDTH)
        weights.linear(layer + ".mlp.c_proj", TEXT_WIDTH, 4 * TEXT_WIDTH)
    weights.norm(prefix + "ln_final", TEXT_WIDTH)
    weights[prefix + "ln_final.bias"] += TEXT_MEAN


def noise_schedule() -> dict[str, npt.NDArray[np.float32]]:
    """Return the tables that latent diffusion keeps in its checkpoints."""
    betas = np.linspace(0.00085**0.5, 0.0120**0.5, 1000, dtype=np.float64) ** 2
    kept = np.cumprod(1 - betas)
    before = np.append(1.0, kept[:-1])
    variance = betas * (1 - before) / (1 - kept)
    tables = {
        "betas": betas,
        "alphas_cumprod": kept,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": np.sqrt(kept),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - kept),
        "log_one_minus_alphas_cumprod": np.log(1 - kept),
        "sqrt_recip_alphas_cumprod": np.sqrt(1 / kept),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / kept - 1),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": betas * np.sqrt(before) / (1 - kept),
        "posterior_mean_coef2": (1 - before) * np.sqrt(1 - betas) / (1 - kept),
    }
    return {name: table.astype(np.float32) for name, table in tables.items()}
