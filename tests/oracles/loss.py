"""Softmax cross-entropy in decimal arithmetic of 60 digits, where no exponential overflows."""

from decimal import Decimal, localcontext


def softmax(row: list[float]) -> list[Decimal]:
    powers = [Decimal(z).exp() for z in row]
    total = sum(powers)
    return [power / total for power in powers]


def cross_entropy(logits: list[list[float]], targets: list[list[float]]) -> float:
    with localcontext() as context:
        context.prec = 60
        total = Decimal(0)
        for row, target in zip(logits, targets, strict=True):
            log_sum = sum(Decimal(z).exp() for z in row).ln()
            total += sum(Decimal(t) * (log_sum - Decimal(z)) for z, t in zip(row, target, strict=True))
        return float(total / len(logits))


def distillation(logits: list[list[float]], teacher: list[list[float]], temperature: float) -> float:
    with localcontext() as context:
        context.prec = 60
        total, t = Decimal(0), Decimal(temperature)
        for row, taught in zip(logits, teacher, strict=True):
            q, p = softmax([Decimal(z) / t for z in row]), softmax([Decimal(z) / t for z in taught])
            total += sum(a * (a.ln() - b.ln()) for a, b in zip(p, q, strict=True))
        return float(t * t * total / len(logits))


def distillation_backward(logits: list[list[float]], teacher: list[list[float]], temperature: float) -> list:
    with localcontext() as context:
        context.prec = 60
        t = Decimal(temperature)
        rows = []
        for row, taught in zip(logits, teacher, strict=True):
            q, p = softmax([Decimal(z) / t for z in row]), softmax([Decimal(z) / t for z in taught])
            rows.append([float(t * (b - a) / len(logits)) for a, b in zip(p, q, strict=True)])
        return rows


def cross_entropy_backward(logits: list[list[float]], targets: list[list[float]]) -> list[list[float]]:
    with localcontext() as context:
        context.prec = 60
        return [
            [float((p - Decimal(t)) / len(logits)) for p, t in zip(softmax(row), target, strict=True)]
            for row, target in zip(logits, targets, strict=True)
        ]
