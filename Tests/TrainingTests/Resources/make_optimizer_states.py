"""Makes optimizer_states.pth: what PyTorch's optimisers (and adan_pytorch's) leave in checkpoints after three steps of a
parameter "w.weight" of six numbers and one, "v.weight", that never has a gradient, with a scheduler's initial rate.

    python make_optimizer_states.py
"""

import torch
from adan_pytorch import Adan

DECAY = 3e-5


def state(make):
    parameters = [torch.nn.Parameter(torch.linspace(-1, 1, 6).reshape(6, 1, 1, 1)),
                  torch.nn.Parameter(torch.ones(2, 6, 1, 1))]
    optimizer = make(parameters)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5)
    for step in range(3):
        parameters[0].grad = torch.sin(torch.arange(6.0) + step).reshape(6, 1, 1, 1)
        optimizer.step()
    return optimizer.state_dict()


torch.save({
    "network_weights": {"w.weight": torch.zeros(6, 1, 1, 1)},
    "sgd": state(lambda p: torch.optim.SGD(p, 1e-2, weight_decay=DECAY, momentum=0.99, nesterov=True)),
    "adam": state(lambda p: torch.optim.Adam(p, 1e-2, weight_decay=DECAY)),
    "adamw amsgrad": state(lambda p: torch.optim.AdamW(p, 1e-2, weight_decay=DECAY, amsgrad=True)),
    "adan": state(lambda p: Adan(p, lr=1e-2, weight_decay=DECAY)),
    "scaler": torch.amp.GradScaler("cpu").state_dict() | {"scale": 65536.0},
}, "optimizer_states.pth")
