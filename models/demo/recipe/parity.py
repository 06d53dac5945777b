"""What another implementation must reproduce: token ids and logits."""
import json

import torch

PROMPTS = ["The capital of France is", "d/dx [3x^4 + x^2] =", "Is 91 prime? Answer:",
           "The old sailor sees the young fox near"]
TEXTS = ["", "\n", " ", "  two  spaces ", "f(x) = 12x^3 + 5, f'(x) =", "don't you'll THEY'RE",
         "line one.\nline two?\n\n", "tab\tand 2024/05/17", "the integral of e^(-3x) dx",
         "caf\u00e9 na\u00efve \u00fcber \u4f60\u597d", "snake_case __init__(self, *args)",
         "trailing \n newline \r\n", "sin(-3*pi/4) = -sqrt(2)/2"]


def _shortest(x):
    """The float32 as the shortest decimal that reads back as it."""
    return float(str(x))


@torch.no_grad()
def dump(path, model, tokenizer):
    """Writes ids of texts, and for each prompt its ids and the float32 logits at its
    last position, computed from the 1-bit weights. model is on the CPU."""
    weights = model.one_bit()
    logits = []
    for prompt in PROMPTS:
        ids = tokenizer.encode(prompt)
        last = model(torch.tensor([ids]), weights)[0, -1].numpy()
        logits.append({"prompt": prompt, "ids": ids, "logits": [_shortest(x) for x in last]})
    tokens = [{"text": t, "ids": tokenizer.encode(t)} for t in TEXTS]
    path.write_text(json.dumps({"tokens": tokens, "logits": logits}) + "\n")
