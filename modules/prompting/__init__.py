"""What a prompt's text means: emphasis, comments, styles, CLIP tokens and 75-token chunks. Text only, imports no torch.

Prompt editing `[a:b:n]`, `AND` and `<lora:…>` tags belong here too, one file each; until then they are plain text.
"""
