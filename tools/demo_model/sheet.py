"""A contact sheet: pictures with their prompts underneath."""

import math
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

COLUMNS = 8
MARGIN = 12  # px
FONT_SIZE, LINE_HEIGHT = 11, 14  # px
CHARACTER = 6  # px, about; lines are broken so that they fit under the picture
PAPER, INK = (250, 250, 248), (40, 40, 44)


def contact_sheet(pictures: Sequence[Image.Image], captions: Sequence[str], *, side: int = 160) -> Image.Image:
    """Return one picture of all, eight in a row, each within `side` × `side` px."""
    texts = [textwrap.wrap(caption, side // CHARACTER) for caption in captions]
    rows = math.ceil(len(pictures) / COLUMNS)
    cell = (side + MARGIN, side + MARGIN + LINE_HEIGHT * max(len(text) for text in texts))
    sheet = Image.new("RGB", (MARGIN + cell[0] * min(len(pictures), COLUMNS), MARGIN + cell[1] * rows), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    for index, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        left = MARGIN + cell[0] * (index % COLUMNS)
        top = MARGIN + cell[1] * (index // COLUMNS)
        scale = side / max(picture.size)
        shown = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
        sheet.paste(shown, (left, top))
        for number, line in enumerate(text):
            pen.text((left, top + shown.height + 2 + number * LINE_HEIGHT), line, fill=INK, font=font)
    return sheet
