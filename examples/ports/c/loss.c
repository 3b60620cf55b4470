/* The loss: see loss.md; the optimizer: adam.md. Logits and targets are (batch, classes). */
#include <math.h>
#include <string.h>

#include "memory.h"
#include "method.h"

/* lam first + (1 - lam) second */
Array *mixup_targets(const Array *first, const Array *second, double lam) {
    need_shapes(first, second);
    Array *mixed = new_like(first);
    for (int64_t i = 0; i < mixed->size; i++) {
        mixed->f[i] = lam * first->f[i] + (1 - lam) * second->f[i];
    }
    return mixed;
}

/* (1 - epsilon) targets + epsilon / classes */
Array *smooth_targets(const Array *targets, double epsilon) {
    need_axes(targets, 2);
    Array *smoothed = new_like(targets);
    for (int64_t i = 0; i < targets->size; i++) {
        smoothed->f[i] = (1 - epsilon) * targets->f[i] + epsilon / (double)targets->shape[1];
    }
    return smoothed;
}

/* l - log(sum exp l), with l = logits - max logits in every row, so that exp does not overflow */
static Array *log_softmax(const Array *logits) {
    need_axes(logits, 2);
    Array *y = new_like(logits);
    int64_t classes = logits->shape[1];
    for (int64_t begin = 0; begin < logits->size; begin += classes) {
        const double *row = logits->f + begin;
        double largest = row[0], sum = 0;
        for (int64_t c = 1; c < classes; c++) {
            largest = fmax(largest, row[c]);
        }
        for (int64_t c = 0; c < classes; c++) {
            sum += exp(row[c] - largest);
        }
        for (int64_t c = 0; c < classes; c++) {
            y->f[begin + c] = row[c] - largest - log(sum);
        }
    }
    return y;
}

/* The mean over the batch of -sum targets log softmax(logits) */
double cross_entropy(const Array *logits, const Array *targets) {
    need_shapes(logits, targets);
    const Array *logs = log_softmax(logits);
    double sum = 0;
    for (int64_t i = 0; i < logs->size; i++) {
        sum -= targets->f[i] * logs->f[i];
    }
    return sum / (double)logits->shape[0];
}

/* dlogits = (softmax(logits) - targets) / batch, for targets that sum to 1 */
Array *cross_entropy_backward(const Array *logits, const Array *targets) {
    need_shapes(logits, targets);
    Array *dlogits = log_softmax(logits);
    for (int64_t i = 0; i < dlogits->size; i++) {
        dlogits->f[i] = (exp(dlogits->f[i]) - targets->f[i]) / (double)logits->shape[0];
    }
    return dlogits;
}

/* log softmax(logits / temperature) */
static Array *tempered(const Array *logits, double temperature) {
    Array *scaled = new_like(logits);
    for (int64_t i = 0; i < logits->size; i++) {
        scaled->f[i] = logits->f[i] / temperature;
    }
    return log_softmax(scaled);
}

/* temperature^2 times the mean over the batch of sum p (log p - log q), with p the teacher's distribution and q that
   of the logits, both tempered */
double distillation(const Array *logits, const Array *teacher_logits, double temperature) {
    need_shapes(logits, teacher_logits);
    const Array *student = tempered(logits, temperature), *teacher = tempered(teacher_logits, temperature);
    double sum = 0;
    for (int64_t i = 0; i < student->size; i++) {
        sum += exp(teacher->f[i]) * (teacher->f[i] - student->f[i]);
    }
    return temperature * temperature * sum / (double)logits->shape[0];
}

/* dlogits = temperature (q - p) / batch */
Array *distillation_backward(const Array *logits, const Array *teacher_logits, double temperature) {
    need_shapes(logits, teacher_logits);
    Array *dlogits = tempered(logits, temperature);
    const Array *teacher = tempered(teacher_logits, temperature);
    for (int64_t i = 0; i < dlogits->size; i++) {
        dlogits->f[i] = temperature * (exp(dlogits->f[i]) - exp(teacher->f[i])) / (double)logits->shape[0];
    }
    return dlogits;
}

/* For t = 1, 2, ...: m = beta1 m + (1 - beta1) grad, v = beta2 v + (1 - beta2) grad^2,
   value -= learning_rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps) */
Adam adam_steps(const Array *value, const Array *grads, AdamSettings a) {
    NEED(grads->ndim == value->ndim + 1 && (value->ndim == 0 || memcmp(grads->shape + 1, value->shape,
         (size_t)value->ndim * sizeof *value->shape) == 0), "grads must be (steps, shape of value)");
    Adam now = {new_like(value), new_like(value), new_like(value)};
    double *m = now.first_moment->f, *v = now.second_moment->f;
    for (int64_t i = 0; i < value->size; i++) {
        now.value->f[i] = value->f[i];
    }
    for (int64_t t = 1; t <= grads->shape[0]; t++) {
        double rate = a.learning_rate / (1 - pow(a.beta1, (double)t)), root = sqrt(1 - pow(a.beta2, (double)t));
        for (int64_t i = 0; i < value->size; i++) {
            double grad = grads->f[(t - 1) * value->size + i];
            m[i] = a.beta1 * m[i] + (1 - a.beta1) * grad;
            v[i] = a.beta2 * v[i] + (1 - a.beta2) * (grad * grad);
            now.value->f[i] -= rate * (m[i] / (sqrt(v[i]) / root + a.eps));
        }
    }
    return now;
}
