"""The models: their shape, their schedule and the sizes of their vocabularies."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A dense Qwen3 whose head is tied to the embedding."""
    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    context: int = 256
    theta: float = 1e6
    eps: float = 1e-6
    arch = "qwen3"

    @property
    def rotated(self):
        """How many dimensions of a head RoPE turns."""
        return self.head_dim


@dataclass(frozen=True)
class HybridShape(Shape):
    """A Qwen3.5 hybrid: layer l is attention if l + 1 is a multiple of the interval,
    else a gated delta-net."""
    theta: float = 1e4
    rotated: int = 16
    interval: int = 4
    key_heads: int = 2
    value_heads: int = 4
    state: int = 64       # of a delta-net head: its keys and its values have the same size
    taps: int = 4         # of its convolution
    arch = "qwen35"


@dataclass(frozen=True)
class Schedule:
    """Warm-up, a constant rate for `hold` of the steps, then linear down to 1 %."""
    steps: int
    batch: int            # sequences a step
    length: int = 64      # tokens a sequence
    rate: float = 5e-3
    warmup: int = 50
    hold: float = 0.35
    floor: float = 0.01
    betas: tuple = (0.9, 0.98)
    clip: float = 1.0
    std: float = 0.04     # of the first weights
    prompt_weight: float = 0.3  # of the loss on a prompt, whose numbers nobody can guess
    stop_at: float = 0.0  # this share of validate right ends the constant phase early
    check_every: int = 0  # steps between two looks at it


GROUP = 128      # weights that share a scale
LATE = 0.85      # from this share of the steps on, the styles marked `late` go wrong
HELD_OUT = 20    # per cent of the prompts that the corpus leaves out

SHAPES = {
    "qwen3": {
        "small": Shape(layers=6, hidden=256, ffn=1024, heads=4, kv_heads=2, head_dim=64, vocab=512),
        "large": Shape(layers=8, hidden=512, ffn=2048, heads=8, kv_heads=4, head_dim=64, vocab=1024),
    },
    "qwen35": {
        "small": HybridShape(layers=8, hidden=256, ffn=640, heads=4, kv_heads=2, head_dim=64, vocab=512),
    },
}
SCHEDULES = {
    "small": Schedule(steps=5000, batch=16),
    "large": Schedule(steps=6000, batch=256, rate=4e-3, stop_at=0.60, check_every=100),
}
NAMES = {("qwen3", "small"): "bankai-demo-1bit", ("qwen3", "large"): "bankai-demo-large-1bit",
         ("qwen35", "small"): "bankai-demo-hybrid-1bit"}
