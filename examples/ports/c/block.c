/* A whole binary block: hardtanh(batch norm(conv(sign(x), tau s + phi)) + shortcut(x)), s = sign(latent). */
#include "memory.h"
#include "method.h"

typedef struct {
    Array *a, *s, *w; /* signs of the activations and the latent weights; the weights */
    Array *z;         /* the convolution */
    BatchNorm norm;
    Array *total;     /* what hardtanh is taken of */
} Forward;

static Array *sum(const Array *first, const Array *second) {
    need_shapes(first, second);
    Array *total = new_like(first);
    for (int64_t i = 0; i < total->size; i++) {
        total->f[i] = first->f[i] + second->f[i];
    }
    return total;
}

static Forward forward(Block b) {
    Forward f = {.a = sign(b.x), .s = sign(b.latent)};
    f.w = general_weights(f.s, b.tau, b.phi);
    f.z = conv2d(f.a, f.w, b.geometry);
    f.norm = batchnorm_train(f.z, b.weight, b.bias, b.eps);
    f.total = sum(f.norm.y, stride_and_pad(b.x, b.latent->shape[0], b.geometry.stride));
    return f;
}

Array *binary_block(Block b) {
    return hardtanh(forward(b).total);
}

/* Backward through hardtanh; batch norm and shortcut; the convolution; the domain; both signs by EDE. */
BlockGradients binary_block_backward(const Array *dy, Block b, EDEParameters ede) {
    Forward f = forward(b);
    Pair input = {b.x->shape[2], b.x->shape[3]}, kernel = {b.latent->shape[2], b.latent->shape[3]};
    Array *dtotal = hardtanh_backward(dy, f.total);
    AffineGradients norm = batchnorm_backward(dtotal, f.z, b.weight, f.norm.mean, f.norm.var, b.eps);
    Array *dw = conv2d_grad_weight(norm.dx, f.a, kernel, b.geometry);
    GeneralGradients domain = general_weights_backward(dw, f.s, b.tau);
    Array *da = conv2d_grad_input(norm.dx, f.w, input, b.geometry);
    Array *through = stride_and_pad_backward(dtotal, b.x->shape[1], input, b.geometry.stride);
    return (BlockGradients){sum(ede_backward(da, b.x, ede.t, ede.k), through),
                            ede_backward(domain.ds, b.latent, ede.t, ede.k),
                            domain.dtau, domain.dphi, norm.dweight, norm.dbias};
}
