"""A model's card in plain values, as the reports are given it."""

CARD = {
    "name": "m",
    "source": "m@1",
    "about": "embeds <b>",
    "licence": "MIT",
    "commercial": False,
    "trained_on": "nothing",
    "paper": "A, B",
    "limits": ("none",),
}
