"""Writes a model as GGUF version 3 with Q1_0 matrices."""
import struct

import numpy as np

from config import GROUP
from model import scales

F32, Q1_0, MOSTLY_Q1_0 = 0, 41, 40          # types of tensors, and the type of the file
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
NORMAL, CONTROL, UNUSED = 1, 3, 5           # types of tokens
ALIGN = 32
# The splitting rule. With qwen35 combining marks are letters; the corpus has none, so no
# merge does, and ids are the same by both.
PRE = {"qwen3": "qwen2", "qwen35": "qwen35"}


def _string(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def _value(kind, value):
    if kind == STRING:
        return _string(value)
    if kind == ARRAY:
        item, values = value
        head = struct.pack("<IQ", item, len(values))
        return head + b"".join(_value(item, v) for v in values)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind], value)


def _token_types(tokenizer):
    size = len(tokenizer.tokens)
    return [NORMAL if i < tokenizer.used else CONTROL if i >= size - 2 else UNUSED for i in range(size)]


def _hybrid(s):
    pairs = s.rotated // 2  # shared out among time, height and width, which are one in text
    sections = [(pairs + 2) // 3, (pairs + 1) // 3, pairs // 3, 0]
    return [
        ("qwen35.rope.dimension_count", UINT32, s.rotated),
        ("qwen35.rope.dimension_sections", ARRAY, (INT32, sections)),
        ("qwen35.full_attention_interval", UINT32, s.interval),
        ("qwen35.ssm.conv_kernel", UINT32, s.taps),
        ("qwen35.ssm.state_size", UINT32, s.state),
        ("qwen35.ssm.group_count", UINT32, s.key_heads),
        ("qwen35.ssm.time_step_rank", UINT32, s.value_heads),
        ("qwen35.ssm.inner_size", UINT32, s.value_heads * s.state),
    ]


def _metadata(shape, tokenizer, name):
    arch, last = shape.arch, shape.vocab - 1
    return [
        ("general.architecture", STRING, arch),
        ("general.name", STRING, name),
        ("general.file_type", UINT32, MOSTLY_Q1_0),
        ("general.quantization_version", UINT32, 2),
        (f"{arch}.block_count", UINT32, shape.layers),
        (f"{arch}.context_length", UINT32, shape.context),
        (f"{arch}.embedding_length", UINT32, shape.hidden),
        (f"{arch}.feed_forward_length", UINT32, shape.ffn),
        (f"{arch}.attention.head_count", UINT32, shape.heads),
        (f"{arch}.attention.head_count_kv", UINT32, shape.kv_heads),
        (f"{arch}.rope.freq_base", FLOAT32, shape.theta),
        (f"{arch}.attention.layer_norm_rms_epsilon", FLOAT32, shape.eps),
        (f"{arch}.attention.key_length", UINT32, shape.head_dim),
        (f"{arch}.attention.value_length", UINT32, shape.head_dim),
        *(_hybrid(shape) if arch == "qwen35" else []),
        ("tokenizer.ggml.model", STRING, "gpt2"),
        ("tokenizer.ggml.pre", STRING, PRE[arch]),
        ("tokenizer.ggml.tokens", ARRAY, (STRING, tokenizer.tokens)),
        ("tokenizer.ggml.token_type", ARRAY, (INT32, _token_types(tokenizer))),
        ("tokenizer.ggml.merges", ARRAY, (STRING, [f"{a} {b}" for a, b in tokenizer.merges])),
        ("tokenizer.ggml.eos_token_id", UINT32, last),
        ("tokenizer.ggml.padding_token_id", UINT32, last - 1),
        ("tokenizer.ggml.bos_token_id", UINT32, last - 1),
        ("tokenizer.ggml.add_bos_token", BOOL, False),
    ]


def packed(weight):
    """The scales of a matrix (float16, rows × groups) and its bits (rows × groups ×
    16 bytes; the first weight is the lowest bit, and a set bit means plus)."""
    rows, cols = weight.shape
    signs = ~np.signbit(weight.numpy()).reshape(rows, cols // GROUP, GROUP)
    return scales(weight).numpy(), np.packbits(signs, axis=-1, bitorder="little")


def _blocks(weight):
    d, bits = packed(weight)
    return np.concatenate([d[..., None].view(np.uint8), bits], axis=-1).tobytes()


def _padding(size):
    return b"\0" * (-size % ALIGN)


def write(path, model, tokenizer, name):
    """model is on the CPU. Returns the size of the file in bytes."""
    infos, data = [], b""
    for tensor_name, value, one_bit in model.tensors():
        weight = value.detach()
        shape = tuple(reversed(weight.shape))
        infos.append(_string(tensor_name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape,
                                                         Q1_0 if one_bit else F32, len(data)))
        data += _blocks(weight) if one_bit else weight.numpy().astype("<f4").tobytes()
        data += _padding(len(data))
    metadata = _metadata(model.shape, tokenizer, name)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(metadata))
    head += b"".join(_string(k) + struct.pack("<I", t) + _value(t, v) for k, t, v in metadata)
    head += b"".join(infos)
    content = head + _padding(len(head)) + data
    path.write_bytes(content)
    return len(content)
