"""The executable specification: the whole method in plain NumPy and the standard library.

Whoever ports the method reads this folder alone, in this order: `domain`, `exact`, `projection`, `density`,
`pruning`, `estimators`, `weights`, `conv2d`, `linear`, `batchnorm`, `activation`, `pooling`, `shortcut`, `loss`,
`adam`, `packing`, `popcount_conv`, `evaluation`, `cost`. One concept a file, the formula beside the line that
computes it, the backward function below the forward one. Arguments are not checked here: the public functions do
that.

How the parts make a binary convolution y = conv(sign(x), W) and a training step
-------------------------------------------------------------------------------
Start: latent weights from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), tau = 1, phi = 0. The bits of every layer are
chosen from its latent weights: (bits, threshold) by `select_positive` or `select_top_k`. Then, every step,

1. forward:   s = 2 bits - 1,  W from s (`weights`),  y = conv2d(sign(x), W);
2. loss L by `cross_entropy`; penalty lambda h and its push by `density`, from the bits of this forward pass;
3. backward:  dW = conv2d_grad_weight(dy, sign(x)),  (ds, ...) = the domain's backward of dW,
              dlatent = estimator(ds, latent - threshold) + what the domain sends to the latents + push,
              dx = estimator(conv2d_grad_input(dy, W), x);
4. `adam` on every parameter, latent weights, tau and phi among them;
5. latent = min(max(latent, -1.5), 1.5);
6. new bits are chosen.

Inference: fold every batch norm (``evaluation.fold_*``), then `evaluate`: bits u = (h > 0), exact counts by
`popcount_conv`, one float32 affine map a layer. That expression, in its order of operations, is the definition.
"""
