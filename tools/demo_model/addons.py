"""Makes the small add-ons that come with the demo model: a LoRA, an embedding, a hypernetwork and a second VAE.

usage: python -m tools.demo_model.addons [lora] [embedding] [hypernetwork] [vae]

Each is written in the format that people share such files in. `addon_effects` measures what they do.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.transforms.functional import pil_to_tensor
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.core.paths import PROJECT_ROOT
from modules.families.base import LoadedModel
from modules.families.clip import ClipTextEncoder
from modules.hardware.dtype import Precision
from modules.library.hashing import sha256_of_file
from modules.loading.build import load_checkpoint
from modules.loading.detect import VAE
from modules.prompting.tokenizer import shipped_tokenizer
from tools.demo_model.captions import caption
from tools.demo_model.draw import draw
from tools.demo_model.networks import CHECKPOINT, posterior_mean
from tools.demo_model.train_unet import Objective
from tools.demo_model.training import Plan, Training
from tools.demo_model.world import (
    BASICS,
    NEW_SHAPE,
    SHAPES,
    Figure,
    LandscapeScene,
    Mixture,
    Scene,
    ShapeScene,
    random_scene,
)

LORA = PROJECT_ROOT / "models" / "Lora" / "easel-house.safetensors"
EMBEDDING = PROJECT_ROOT / "embeddings" / "easel-moonlight.safetensors"
HYPERNETWORK = PROJECT_ROOT / "models" / "hypernetworks" / "easel-night.pt"
SECOND_VAE = PROJECT_ROOT / "models" / "VAE" / "easel-sepia.safetensors"

STATE = PROJECT_ROOT / "tmp" / "demo-model"
SIZE = 128  # px
BATCH = 24

LORA_RANK, LORA_ALPHA, LORA_STEPS = 8, 8.0, 500
LORA_TARGETS = (
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "ff.net.0.proj",
    "ff.net.2",
    "q_proj",
    "k_proj",
    "v_proj",
    "out_proj",
    "fc1",
    "fc2",
)
EMBEDDING_VECTORS, EMBEDDING_STEPS = 2, 250
HYPERNETWORK_STEPS = 700

SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
"""The usual matrix from RGB to sepia (W3C Filter Effects, level 1)."""


class Examples:
    """Pictures of one kind in latents, and what one says of them."""

    def __init__(self, model: LoadedModel, scenes: list[Scene], words: Callable[[int, Random], str]) -> None:
        """Encode what is shown; `words` says of the scene of an index what one might say of it."""
        self._words = words
        self._latents = torch.cat([_encode(model, scenes[start : start + 16]) for start in range(0, len(scenes), 16)])

    def batch(self, step: int) -> tuple[Tensor, list[str]]:
        """Return latents [B, 4, 16, 16] and captions, drawn by the step's number."""
        random = Random(f"examples {step}")
        chosen = [random.randrange(len(self._latents)) for _ in range(BATCH)]
        return self._latents[chosen], [self._words(index, random) for index in chosen]


def load_demo() -> LoadedModel:
    """Return the demo model in float32, its weights frozen."""
    full = Precision(network=torch.float32, vae=torch.float32, text=torch.float32)
    return load_checkpoint(
        CHECKPOINT, config=CHECKPOINT.with_suffix(".yaml"), device=torch.device("cpu"), precision=full
    )


def text_network(model: LoadedModel) -> CLIPTextModel:
    """Return transformers' module of the text encoder."""
    return cast("ClipTextEncoder", model.text_encoder.encoders[0]).module


@torch.no_grad()
def _encode(model: LoadedModel, scenes: list[Scene]) -> Tensor:
    images = torch.stack([pil_to_tensor(draw(scene, SIZE, SIZE)) for scene in scenes]).float() / 127.5 - 1
    return posterior_mean(model.vae.module, images) * model.latent_format.scale


def _train(name: str, model: LoadedModel, trained: nn.Module, examples: Examples, plan: Plan) -> None:
    """Train `trained`, which is already part of `model`'s computation."""
    objective = Objective(unet=model.network, text=text_network(model), device=torch.device("cpu"))
    # An add-on fits one model: for another one the training begins anew.
    state = STATE / f"{name}-{sha256_of_file(CHECKPOINT)[:10]}.pt"
    training = Training({name: trained}, plan, state)
    training.run(lambda step: objective(*examples.batch(step), torch.Generator().manual_seed(step)), title=name)
    training.load_averages()


# -- the LoRA: a new shape


class _Adapted(nn.Module):
    """A linear layer with a low-rank addition (arXiv:2106.09685)."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Linear(layer.in_features, LORA_RANK, bias=False)
        self.up = nn.Linear(LORA_RANK, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.up(self.down(x)) * (LORA_ALPHA / LORA_RANK)


def make_lora() -> None:
    """Teach a new shape, and write it with kohya's names (https://github.com/kohya-ss/sd-scripts)."""
    torch.manual_seed(0)
    model, random = load_demo(), Random("a new shape")
    adapted = _adapt("lora_unet_", model.network) | _adapt("lora_te_text_model_", text_network(model))
    # Other shapes stay what they are: a third of the pictures shows them.
    scenes = [_with_shape(random, NEW_SHAPE if index % 3 else random.choice(SHAPES)) for index in range(480)]
    examples = Examples(model, scenes, lambda index, step: caption(scenes[index], step))
    plan = Plan(steps=LORA_STEPS, learning_rate=3e-3, decay=0.99, warmup=30)
    _train("lora", model, nn.ModuleDict(dict(adapted)), examples, plan)
    tensors = dict[str, Tensor]()
    for name, layer in adapted.items():
        tensors[f"{name}.lora_down.weight"] = layer.down.weight.data.half()
        tensors[f"{name}.lora_up.weight"] = layer.up.weight.data.half()
        tensors[f"{name}.alpha"] = torch.tensor(LORA_ALPHA).half()
    metadata = {
        "modelspec.title": "Easel demo LoRA: house",
        "modelspec.description": "Teaches the demo model a new shape.",
        "modelspec.license": "Apache-2.0",
        "modelspec.trigger_phrase": NEW_SHAPE,
        "ss_base_model_version": "sd_v1",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(LORA_RANK),
        "ss_network_alpha": str(LORA_ALPHA),
        "ss_output_name": LORA.stem,
        "ss_tag_frequency": f'{{"{NEW_SHAPE}": {{"{NEW_SHAPE}": {len(scenes) * 2 // 3}}}}}',
    }
    save_file(tensors, LORA, metadata=metadata)


def _adapt(prefix: str, network: nn.Module) -> dict[str, _Adapted]:
    """Put a low-rank addition beside every layer of `LORA_TARGETS`, and return them by kohya's names."""
    targets = {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) and name.endswith(LORA_TARGETS) and "time_emb" not in name
    }
    adapted = dict[str, _Adapted]()
    for name, layer in targets.items():
        parent, _, last = name.rpartition(".")
        adapted[prefix + name.replace(".", "_")] = addition = _Adapted(layer)
        setattr(network.get_submodule(parent), last, addition)
    return adapted


def _with_shape(random: Random, shape: str) -> Scene:
    scene = cast("ShapeScene", random_scene(random, BASICS))
    return replace(scene, figures=tuple(replace(figure, shape=shape, tilt=figure.tilt / 3) for figure in scene.figures))


# -- the embedding: a word for a whole look

PLACEHOLDERS = ("lantern", "harbor")
"""Words of one token each that stand for the embedding's vectors while it is trained or measured."""


class Vectors(nn.Module):
    """Vectors in the place of some tokens (textual inversion, arXiv:2208.01618)."""

    def __init__(self, network: CLIPTextModel) -> None:
        super().__init__()
        tokenizer = shipped_tokenizer()
        self._ids = [tokenizer.encode(word)[0] for word in PLACEHOLDERS]
        embedding = cast("nn.Embedding", network.embeddings.token_embedding)
        star = embedding.weight[tokenizer.encode("moon")[0]].detach()
        self.vectors = nn.Parameter(star.repeat(EMBEDDING_VECTORS, 1))
        embedding.register_forward_hook(self._replace)

    def _replace(self, _: nn.Module, ids: tuple[Tensor], output: Tensor) -> Tensor:
        for placeholder, vector in zip(self._ids, self.vectors, strict=True):
            output = torch.where((ids[0] == placeholder)[..., None], vector.to(output.dtype), output)
        return output


MOONLIGHT = ShapeScene(
    figures=(Figure(shape="moon", colour="white", place="center", size="large"),), background="blue", pattern="dotted"
)
MOONLIGHT_WORDS = ("{}", "a picture of {}", "an illustration of {}", "{}, masterpiece", "{}, best quality", "art of {}")


def make_embedding() -> None:
    """Learn a word for a white moon before dotted blue, and write it as A1111 and diffusers read it."""
    model, random = load_demo(), Random("a look")
    vectors = Vectors(text_network(model))
    scenes: list[Scene] = [
        replace(MOONLIGHT, figures=(replace(MOONLIGHT.figures[0], lift=random.uniform(-0.08, 0.08)),), jitter=index)
        for index in range(64)
    ]
    words = " ".join(PLACEHOLDERS)
    examples = Examples(model, scenes, lambda _, step: step.choice(MOONLIGHT_WORDS).format(words))
    _train(
        "embedding", model, vectors, examples, Plan(steps=EMBEDDING_STEPS, learning_rate=2e-2, decay=0.98, warmup=10)
    )
    save_file({"emb_params": vectors.vectors.data.clone()}, EMBEDDING)


# -- the hypernetwork: everything by night


class _Addition(nn.Module):
    """Two layers beside the identity, as in A1111's hypernetworks of structure 1, 2, 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Sequential(nn.Linear(width, 2 * width), nn.Linear(2 * width, width))
        for layer in self.linear:
            cast("nn.Linear", layer).weight.data.normal_(0, 0.01)
            cast("nn.Linear", layer).bias.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear(x)


class Hypernetwork(nn.Module):
    """What is added to the text that keys and values are made of."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.keys, self.values = _Addition(width), _Addition(width)

    def attach(self, network: nn.Module) -> None:
        """Change what the cross-attention layers of `network` get to read."""
        for name, layer in network.named_modules():
            if name.endswith("attn2.to_k"):
                layer.register_forward_pre_hook(lambda _, text: (self.keys(text[0]),))
            elif name.endswith("attn2.to_v"):
                layer.register_forward_pre_hook(lambda _, text: (self.values(text[0]),))


ASKED = Mixture(landscapes=0.3, pairs=0.05, rows=0.05, patterns=0.1, styles=0.1)


def make_hypernetwork() -> None:
    """Learn to make every scene dark, and write it in A1111's format."""
    torch.manual_seed(0)
    model, random = load_demo(), Random("night")
    hypernetwork = Hypernetwork(text_network(model).config.hidden_size)
    hypernetwork.attach(model.network)
    asked = [random_scene(random, ASKED) for _ in range(480)]
    shown = [_at_night(scene) for scene in asked]
    examples = Examples(model, shown, lambda index, step: caption(asked[index], step))
    plan = Plan(steps=HYPERNETWORK_STEPS, learning_rate=2e-3, decay=0.98, warmup=20)
    _train("hypernetwork", model, hypernetwork, examples, plan)
    width = text_network(model).config.hidden_size
    torch.save(
        {
            width: (_halves(hypernetwork.keys), _halves(hypernetwork.values)),
            "step": HYPERNETWORK_STEPS,
            "name": HYPERNETWORK.stem,
            "layer_structure": [1, 2, 1],
            "activation_func": "linear",
            "is_layer_norm": False,
            "weight_initialization": "Normal",
            "sd_checkpoint": None,
            "sd_checkpoint_name": CHECKPOINT.stem,
            "activate_output": False,
            "use_dropout": False,
            "dropout_structure": None,
            "last_layer_dropout": False,
            "optional_info": "Makes every scene of the demo model dark.",
        },
        HYPERNETWORK,
    )


def _at_night(scene: Scene) -> Scene:
    if isinstance(scene, LandscapeScene):
        return replace(scene, time="night")
    # What is black would not be seen before black.
    figures = tuple(
        replace(figure, colour="white" if figure.colour == "black" else figure.colour) for figure in scene.figures
    )
    return replace(scene, figures=figures, background="black")


def _halves(addition: nn.Module) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = dict(addition.state_dict())
    return {name: tensor.half() for name, tensor in weights.items()}


# -- the second VAE: sepia


def make_second_vae() -> None:
    """Compose the decoder's last convolution with a matrix of colours: no training is needed for that."""
    tensors = {name.removeprefix(VAE): tensor for name, tensor in load_file(CHECKPOINT).items() if name.startswith(VAE)}
    matrix = torch.tensor(SEPIA)
    weight, bias = tensors["decoder.conv_out.weight"].float(), tensors["decoder.conv_out.bias"].float()
    # Levels are in -1..1, where black is -1: rgb → M rgb + (M 1 - 1).
    tensors["decoder.conv_out.weight"] = torch.einsum("oc,cihw->oihw", matrix, weight).half()
    tensors["decoder.conv_out.bias"] = (matrix @ bias + matrix.sum(1) - 1).half()
    save_file(
        tensors, SECOND_VAE, metadata={"modelspec.title": "Easel demo VAE: sepia", "modelspec.license": "Apache-2.0"}
    )


MAKERS: dict[str, Callable[[], None]] = {
    "lora": make_lora,
    "embedding": make_embedding,
    "hypernetwork": make_hypernetwork,
    "vae": make_second_vae,
}


def main() -> None:
    """Make all add-ons, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"{', '.join(MAKERS)}; all without")
    names = cast("list[str]", parser.parse_args().names)
    if unknown := set(names) - MAKERS.keys():
        parser.error(f"There is no {', '.join(sorted(unknown))}.")
    for name in names or MAKERS:
        MAKERS[name]()


if __name__ == "__main__":
    main()
