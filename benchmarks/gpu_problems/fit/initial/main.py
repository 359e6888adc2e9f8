import torch

RATE = 0.02
MOMENTUM = 0.5
STEPS = 60


def fit(x, y):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.tensor(x, dtype=torch.float32, device=device)
    y = torch.tensor(y, dtype=torch.float32, device=device)
    powers = torch.stack([x**k for k in range(8)], dim=1)
    weights = torch.zeros(8, device=device)
    step = torch.zeros(8, device=device)
    for _ in range(STEPS):
        gradient = powers.T @ (powers @ weights - y) / len(x)
        step = MOMENTUM * step - RATE * gradient
        weights = weights + step
    return weights.cpu().double().numpy(), device
