"""Dense Qwen3 with 1-bit weights, for training and for evaluation."""
import torch
import torch.nn.functional as F
from torch import nn

from config import GROUP


def scales(weight):
    """The mean magnitude of each group of 128 along a row, as float16 holds it."""
    rows, cols = weight.shape
    return weight.abs().view(rows, cols // GROUP, GROUP).mean(-1).half()


class OneBit(torch.autograd.Function):
    """Sign times scale; the gradient goes straight through to the weight."""

    @staticmethod
    def forward(ctx, weight):
        return quantised(weight)

    @staticmethod
    def backward(ctx, grad):
        return grad


def quantised(weight):
    """The matrix that the exported file holds."""
    rows, cols = weight.shape
    spread = scales(weight).float()[..., None].expand(-1, -1, GROUP)
    return torch.copysign(spread.reshape(rows, cols), weight)


def rms_norm(x, weight, eps):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps) * weight


def rotary(length, shape, device):
    """Cosines and sines of the rotation, length × shape.rotated, halves paired."""
    steps = torch.arange(0, shape.rotated, 2, device=device).float() / shape.rotated
    angles = torch.arange(length, device=device).float()[:, None] * shape.theta ** -steps
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """Rotates the first dimensions of each head, as many as there are angles."""
    x, rest = x.split([cos.shape[-1], x.shape[-1] - cos.shape[-1]], -1)
    half = x.shape[-1] // 2
    turned = x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin
    return torch.cat([turned, rest], -1) if rest.shape[-1] else turned


class Model(nn.Module):
    """The latent float weights and the forward pass over their 1-bit form. The
    parameters have the names of GGUF's tensors, with _ for the dot."""

    mlp_norm = "ffn_norm"

    def __init__(self, shape, std):
        super().__init__()
        self.shape = shape
        s = shape
        self.weight = nn.ParameterDict({"token_embd": nn.Parameter(torch.randn(s.vocab, s.hidden) * std)})
        for layer in range(s.layers):
            for name, size in self._matrices(layer).items():
                self.weight[f"blk_{layer}_{name}"] = nn.Parameter(torch.randn(*size) * std)
            for name, first in self._floats(layer).items():
                self.weight[f"blk_{layer}_{name}"] = nn.Parameter(first)
        self.weight["output_norm"] = nn.Parameter(torch.ones(s.hidden))

    def _matrices(self, layer):
        """Name and size of a layer's 1-bit matrices."""
        s = self.shape
        q, kv = s.heads * s.head_dim, s.kv_heads * s.head_dim
        return {"attn_q": (q, s.hidden), "attn_k": (kv, s.hidden), "attn_v": (kv, s.hidden),
                "attn_output": (s.hidden, q), **self._mlp_matrices()}

    def _mlp_matrices(self):
        s = self.shape
        return {"ffn_gate": (s.ffn, s.hidden), "ffn_up": (s.ffn, s.hidden), "ffn_down": (s.hidden, s.ffn)}

    def _floats(self, layer):
        """Name and first value of what stays float; none of it has two dimensions."""
        s = self.shape
        return {"attn_norm": torch.ones(s.hidden), "attn_q_norm": torch.ones(s.head_dim),
                "attn_k_norm": torch.ones(s.head_dim), self.mlp_norm: torch.ones(s.hidden)}

    def tensors(self):
        """Of each tensor its name in GGUF, its value, and whether the file has it 1-bit;
        in the order of the file."""
        return [(k.replace("blk_", "blk.").replace("_", ".", 1) + ".weight" if k.startswith("blk_")
                 else k + ".weight", p, p.dim() == 2) for k, p in self.weight.items()]

    def one_bit(self):
        """What a forward pass reads: 1-bit matrices, and the norms as they are."""
        return {k: OneBit.apply(p) if p.dim() == 2 else p for k, p in self.weight.items()}

    def forward(self, ids, weights=None):
        """ids: batch × length. Returns logits: batch × length × vocab."""
        w, s = weights or self.one_bit(), self.shape
        length = ids.shape[1]
        turn = rotary(length, s, ids.device)
        mask = torch.full((length, length), float("-inf"), device=ids.device).triu(1)
        x = F.embedding(ids, w["token_embd"])
        for layer in range(s.layers):
            part = {k.split("_", 2)[2]: p for k, p in w.items() if k.startswith(f"blk_{layer}_")}
            x = x + self._mix(layer, rms_norm(x, part["attn_norm"], s.eps), part, turn, mask)
            x = x + self._mlp(rms_norm(x, part[self.mlp_norm], s.eps), part)
        return F.linear(rms_norm(x, w["output_norm"], s.eps), w["token_embd"])

    def _mix(self, layer, x, w, turn, mask):
        s, (batch, length, _) = self.shape, x.shape
        q = F.linear(x, w["attn_q"]).view(batch, length, s.heads, s.head_dim)
        return F.linear(self._attend(q, x, w, turn, mask), w["attn_output"])

    def _attend(self, q, x, w, turn, mask):
        """What the heads read, side by side. q is batch × length × heads × head_dim."""
        s, (batch, length, _) = self.shape, x.shape

        def heads(name):
            return F.linear(x, w[name]).view(batch, length, s.kv_heads, s.head_dim)
        q = rms_norm(q, w["attn_q_norm"], s.eps).transpose(1, 2)
        k = rms_norm(heads("attn_k"), w["attn_k_norm"], s.eps).transpose(1, 2)
        v = heads("attn_v").transpose(1, 2)
        q, k = rotate(q, *turn), rotate(k, *turn)
        # The query heads of a key and value head follow one another.
        share = s.heads // s.kv_heads
        q = q.reshape(batch, s.kv_heads, share * length, s.head_dim)
        scores = (q @ k.transpose(-1, -2)).view(batch, s.kv_heads, share, length, length)
        scores = (scores * s.head_dim ** -.5 + mask).softmax(-1)
        y = scores.view(batch, s.kv_heads, share * length, length) @ v
        return y.view(batch, s.heads, length, s.head_dim).transpose(1, 2).reshape(batch, length, -1)

    def _mlp(self, x, w):
        return F.linear(F.silu(F.linear(x, w["ffn_gate"])) * F.linear(x, w["ffn_up"]), w["ffn_down"])
