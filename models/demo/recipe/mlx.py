"""Writes the same model as an MLX folder: 1-bit affine quantisation in safetensors."""
import json
import struct

import numpy as np

from config import GROUP
from gguf import packed
from tokenizer import SPECIAL, SPLIT

# Names of GGUF and of MLX; the longer of two that begin alike comes first.
NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "blk.": "model.layers.",
         "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
         "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
         "attn_output": "self_attn.o_proj", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def _name(name):
    for old, new in NAMES.items():
        name = name.replace(old, new)
    return name


def _tensors(model):
    """Name, type and array of each tensor. A weight is scale * bit + bias, so that
    scale = 2d and bias = -d make it +d or -d."""
    for name, value, one_bit in model.tensors():
        name, weight = _name(name), value.detach()
        if not one_bit:
            yield name, "F32", weight.numpy().astype("<f4")
            continue
        d, bits = packed(weight)
        base = name.removesuffix("weight")
        yield name, "U32", bits.reshape(len(bits), -1).view("<u4")
        yield base + "scales", "F16", (d * np.float16(2)).astype("<f2")
        yield base + "biases", "F16", (-d).astype("<f2")


def _safetensors(tensors):
    header, data = {"__metadata__": {"format": "mlx"}}, b""
    for name, kind, array in tensors:
        raw = array.tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + data


def _config(s):
    quantization = {"bits": 1, "group_size": GROUP, "mode": "affine"}
    return {
        "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "hidden_act": "silu",
        "num_hidden_layers": s.layers, "hidden_size": s.hidden, "intermediate_size": s.ffn,
        "num_attention_heads": s.heads, "num_key_value_heads": s.kv_heads, "head_dim": s.head_dim,
        "rms_norm_eps": s.eps, "rope_theta": s.theta, "rope_scaling": None,
        "max_position_embeddings": s.context, "vocab_size": s.vocab, "tie_word_embeddings": True,
        "attention_bias": False, "quantization": quantization,
        "eos_token_id": s.vocab - 1, "bos_token_id": s.vocab - 2, "pad_token_id": s.vocab - 2,
    }


def _tokenizer(tokenizer):
    first = len(tokenizer.tokens) - len(SPECIAL)
    split = {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": first + i, "content": text, "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True}
                         for i, text in enumerate(SPECIAL)],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]},
        "post_processor": None, "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "fuse_unk": False,
                  "byte_fallback": False,
                  "vocab": {t: i for i, t in enumerate(tokenizer.tokens[:tokenizer.used])},
                  "merges": [f"{a} {b}" for a, b in tokenizer.merges]},
    }


def write(folder, model, tokenizer):
    """model is on the CPU. The folder should have the model's name: readers take it."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"config.json": _config(model.shape), "tokenizer.json": _tokenizer(tokenizer),
             "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False,
                                       "eos_token": SPECIAL[1], "pad_token": SPECIAL[0],
                                       "bos_token": SPECIAL[0]}}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    (folder / "model.safetensors").write_bytes(_safetensors(_tensors(model)))
