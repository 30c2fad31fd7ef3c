import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", ["core", "imaging", "storage", "library"])
def test_the_web_side_starts_without_torch(package: str) -> None:
    """The contracts see imports as they are written; this sees what really happens, through third parties too."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "modules" / package).rglob("*.py"))
    ]
    program = (
        f"import sys, {', '.join(modules)}\nassert not {{'torch', 'diffusers', 'transformers'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
