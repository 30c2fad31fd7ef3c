"""Trains the demo model from nothing and writes it to `models/Stable-diffusion/`.

usage: python -m tools.demo_model.train [FOLDER]

FOLDER keeps the state: the program can be interrupted at any time, and goes on when it is started again.
"""

import argparse
from pathlib import Path
from typing import cast

import torch

from modules.core.paths import PROJECT_ROOT
from tools.demo_model import train_text, train_unet, train_vae
from tools.demo_model.networks import CHECKPOINT
from tools.demo_model.save import save_checkpoint
from tools.demo_model.training import Plan

STATE = PROJECT_ROOT / "tmp" / "demo-model"


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=STATE)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vae-steps", type=int, default=1800)
    parser.add_argument("--text-steps", type=int, default=1200)
    parser.add_argument("--unet-steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=32, help="pictures of 128×128 per step of the UNet")
    parser.add_argument("--pictures", type=int, default=12000, help="that the UNet sees")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="of the UNet")
    parser.add_argument("--compile", action="store_true", help="compile the autoencoder (needs a C++ compiler)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--output", type=Path, default=CHECKPOINT)
    args = parser.parse_args()
    folder, device = cast("Path", args.folder), torch.device(args.device)
    vae = train_vae.train(folder, seed=args.seed, steps=args.vae_steps, device=device, compiled=args.compile)
    text = train_text.train(folder, seed=args.seed, steps=args.text_steps, device=device)
    latents = train_unet.Latents(folder, vae, seed=args.seed, pictures=args.pictures, device=device)
    plan = Plan(steps=args.unet_steps, learning_rate=args.learning_rate, decay=0.998, warmup=200)
    unet = train_unet.train(folder, latents, text, seed=args.seed, plan=plan, batch=args.batch, device=device)
    save_checkpoint(args.output, unet=unet, vae=vae, text=text)


if __name__ == "__main__":
    main()
