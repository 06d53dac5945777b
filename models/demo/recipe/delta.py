"""The gated delta rule: a memory that forgets, corrects itself and is read, token by token.

A head's memory S is a matrix from keys to values, empty before the first token:
    P_t = exp(g_t) S_{t-1}                          it forgets
    S_t = P_t + k_t (beta_t (v_t - P_t^T k_t))^T    what it has wrong about k_t is put right
    o_t = S_t^T q_t                                 it is read after that
"""
import torch

CHUNK = 64  # tokens: the length of a sequence in training, so there one chunk is all


def chunked(q, k, v, g, beta, size=CHUNK):
    """What is read, ... x tokens x dv. q and k are ... x tokens x dk, v is ... x tokens x dv,
    g (at most 0) and beta are ... x tokens. Equal to the recurrence, but by matrices: one
    system of equations a chunk gives all its corrections, which depend on one another."""
    out, memory = [], q.new_zeros(*q.shape[:-2], k.shape[-1], v.shape[-1])
    for q, k, v, g, beta in zip(*(x.split(size, -2) for x in (q, k, v)),
                                *(x.split(size, -1) for x in (g, beta))):
        total, beta = g.cumsum(-1)[..., None], beta[..., None]
        # What is left at token i of what was there at token j: only for j <= i, and the
        # bound keeps the exponentials of the others, which nothing reads, finite.
        left = (total - total.transpose(-1, -2)).clamp(max=0).exp().tril()
        known = total.exp() * (k @ memory)
        system = beta * (k @ k.transpose(-1, -2)) * left
        written = torch.linalg.solve_triangular(system.tril(-1), beta * (v - known),
                                                upper=False, unitriangular=True)
        out.append(total.exp() * (q @ memory) + ((q @ k.transpose(-1, -2)) * left) @ written)
        end = total[..., -1:, :]
        memory = end.exp() * memory + (k * (end - total).exp()).transpose(-1, -2) @ written
    return torch.cat(out, -2)
