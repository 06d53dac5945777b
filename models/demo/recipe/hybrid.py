"""Qwen3.5 with 1-bit weights: three layers of a gated delta-net to one of gated attention."""
import math

import torch
import torch.nn.functional as F

from delta import chunked
from model import Model, rms_norm

DECAY = 1.0, 16.0    # A is drawn from this range, and
STEP = 1e-3, 1e-1    # softplus(dt) from this, by its logarithm: memories of one token to a thousand


def between(low, high, count):
    return low + (high - low) * torch.rand(count)


def unit(x, eps):
    return x * torch.rsqrt((x * x).sum(-1, keepdim=True) + eps)


def _stored(name, p):
    """A parameter's name and value in the file."""
    if name.endswith("ssm_a"):
        return name, -p.exp()
    if name.endswith("ssm_dt"):
        return name + ".bias", p
    return name + ".weight", p.squeeze(1) if name.endswith("ssm_conv1d") else p


class Hybrid(Model):
    """The parameter ssm_a holds log A, which the file has as -A."""
    mlp_norm = "post_attention_norm"

    def _recurrent(self, layer):
        return (layer + 1) % self.shape.interval != 0

    def _matrices(self, layer):
        s = self.shape
        if not self._recurrent(layer):
            dense = super()._matrices(layer)
            return {**dense, "attn_q": (2 * s.heads * s.head_dim, s.hidden)}
        keys, values = s.key_heads * s.state, s.value_heads * s.state
        return {"attn_qkv": (2 * keys + values, s.hidden), "attn_gate": (values, s.hidden),
                "ssm_alpha": (s.value_heads, s.hidden), "ssm_beta": (s.value_heads, s.hidden),
                "ssm_out": (s.hidden, values), **self._mlp_matrices()}

    def _floats(self, layer):
        s = self.shape
        if not self._recurrent(layer):
            return super()._floats(layer)
        channels = (2 * s.key_heads + s.value_heads) * s.state
        step = between(*map(math.log, STEP), s.value_heads).exp()
        return {"attn_norm": torch.ones(s.hidden), self.mlp_norm: torch.ones(s.hidden),
                "ssm_conv1d": between(-.5, .5, channels * s.taps).view(channels, 1, s.taps),
                "ssm_a": between(*DECAY, s.value_heads).log(),
                "ssm_dt": step + torch.log(-torch.expm1(-step)),  # softplus, backwards
                "ssm_norm": torch.ones(s.state)}

    def tensors(self):
        return [(*_stored(name.removesuffix(".weight"), p), one_bit)
                for name, p, one_bit in super().tensors()]

    def _mix(self, layer, x, w, turn, mask):
        if self._recurrent(layer):
            return self._delta_net(x, w)
        return self._attention(x, w, turn, mask)

    def _delta_net(self, x, w):
        s, (batch, length, _) = self.shape, x.shape

        def heads(part, count):
            return part.view(batch, length, count, s.state)
        # Each channel sees its last tokens; the last tap meets the current one.
        m = F.pad(F.linear(x, w["attn_qkv"]), (0, 0, s.taps - 1, 0))
        u = F.silu(sum(m[:, j:j + length] * w["ssm_conv1d"][:, 0, j] for j in range(s.taps)))
        keys = s.key_heads * s.state
        q, k, v = u.split([keys, keys, s.value_heads * s.state], -1)
        # Value head j reads key head j mod key_heads.
        share = s.value_heads // s.key_heads
        q, k = (unit(heads(part, s.key_heads), s.eps).repeat(1, 1, share, 1) for part in (q, k))
        g = -w["ssm_a"].exp() * F.softplus(F.linear(x, w["ssm_alpha"]) + w["ssm_dt"])
        beta = F.linear(x, w["ssm_beta"]).sigmoid()
        o = chunked(*(part.transpose(1, 2) for part in
                      (q * s.state ** -.5, k, heads(v, s.value_heads), g, beta))).transpose(1, 2)
        z = heads(F.linear(x, w["attn_gate"]), s.value_heads)
        y = rms_norm(o, w["ssm_norm"], s.eps) * F.silu(z)
        return F.linear(y.reshape(batch, length, -1), w["ssm_out"])

    def _attention(self, x, w, turn, mask):
        s, (batch, length, _) = self.shape, x.shape
        # Each head has the rows of its query, then those of its gate.
        q, gate = F.linear(x, w["attn_q"]).view(batch, length, s.heads, 2, s.head_dim).unbind(3)
        y = self._attend(q, x, w, turn, mask) * gate.reshape(batch, length, -1).sigmoid()
        return F.linear(y, w["attn_output"])
