"""Makes optimizers.json: steps of optimisers with clipped gradients, by torch.optim and adan_pytorch in float32.

Each optimiser has the settings of a trainer of nnU-Net. A parameter of six numbers takes five steps; its gradients are
20 sin(n^2 + 3 step) / (1 + step), which the first times are clipped to a norm of 12.

    python make_optimizers.py > optimizers.json
"""

import json

import torch
from adan_pytorch import Adan


def steps(name, make):
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 6))
    optimizer = make([parameter])
    result = []
    for step in range(5):
        parameter.grad = (20 * torch.sin(torch.arange(6, dtype=torch.float64) ** 2 + 3 * step) / (1 + step)).float()
        gradient = parameter.grad.tolist()
        torch.nn.utils.clip_grad_norm_([parameter], 12)
        optimizer.step()
        state = optimizer.state_dict()["state"][0]
        result.append({
            "gradient": gradient, "parameter": parameter.tolist(), "step": int(state.get("step", 0)),
            "state": {k: v.tolist() for k, v in state.items() if k != "step"},
        })
    return {"name": name, "steps": result}


DECAY = 3e-5
CASES = [
    steps("sgd", lambda p: torch.optim.SGD(p, 1e-2, weight_decay=DECAY, momentum=0.99, nesterov=True)),
    steps("adam", lambda p: torch.optim.Adam(p, 1e-2, weight_decay=DECAY)),
    steps("adamw amsgrad", lambda p: torch.optim.AdamW(p, 1e-2, weight_decay=DECAY, amsgrad=True)),
    steps("adan", lambda p: Adan(p, lr=1e-2, weight_decay=DECAY)),
]

print("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]")
