"""The dialog in which styles are written; what it does is in the page's script (`styles.js`)."""


def styles_dialog_html() -> str:
    """Return the dialog; once on a page."""
    return (
        '<dialog id="styles_dialog" class="easel-dialog" aria-labelledby="styles_dialog_title"><form method="dialog">'
        '<header><h2 id="styles_dialog_title">Styles</h2>'
        '<button type="button" class="tool icon-close" data-act="close">Close</button></header>'
        '<div class="card-fields">'
        '<label class="card-field"><span>Name</span>'
        '<input type="text" name="name" list="styles_known" maxlength="200" autocomplete="off"></label>'
        '<datalist id="styles_known"></datalist>'
        '<label class="card-field"><span>Prompt; {prompt} stands for what the form has</span>'
        '<textarea name="prompt" rows="4"></textarea></label>'
        '<label class="card-field"><span>Negative prompt</span>'
        '<textarea name="negative_prompt" rows="3"></textarea></label></div>'
        '<footer><span class="card-error" role="alert"></span>'
        '<button type="button" class="plain" data-act="copy">Copy from the form</button>'
        '<button type="button" class="plain" data-act="delete">Delete</button>'
        '<button type="button" class="plain primary" data-act="save">Save</button></footer>'
        "</form></dialog>"
    )
