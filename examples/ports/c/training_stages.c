/* The stages of training around the layers: estimators, weights, density, loss, optimizer. */
#include "method.h"
#include "protocol.h"

static void clipped_ste_backward_stage(Call *c) {
    give(c, "dx", clipped_ste_backward(floats(c, "dy"), floats(c, "x")));
}

static void ede_backward_stage(Call *c) {
    give(c, "dx", ede_backward(floats(c, "dy"), floats(c, "x"), number(c, "t"), number(c, "k")));
}

static void quadratic_backward_stage(Call *c) {
    give(c, "dx", quadratic_backward(floats(c, "dy"), floats(c, "x")));
}

static void ede_schedule_stage(Call *c) {
    EDEParameters found = ede_schedule(integer(c, "epoch"), integer(c, "epochs"));
    give_float(c, "t", found.t);
    give_float(c, "k", found.k);
}

/* W = s, ds = dw */
static void bipolar_weights_stage(Call *c) {
    give(c, "w", floats(c, "s"));
}

static void bipolar_weights_backward_stage(Call *c) {
    give(c, "ds", floats(c, "dw"));
}

static void symmetric_weights_stage(Call *c) {
    give(c, "w", symmetric_weights(floats(c, "latent"), floats(c, "s")));
}

static void symmetric_weights_backward_stage(Call *c) {
    give(c, "ds", symmetric_weights(floats(c, "latent"), floats(c, "dw")));
}

static void general_weights_stage(Call *c) {
    give(c, "w", general_weights(floats(c, "s"), number(c, "tau"), number(c, "phi")));
}

static void general_weights_backward_stage(Call *c) {
    GeneralGradients found = general_weights_backward(floats(c, "dw"), floats(c, "s"), number(c, "tau"));
    give(c, "ds", found.ds);
    give(c, "dtau", found.dtau);
    give(c, "dphi", found.dphi);
}

static void closed_form_weights_stage(Call *c) {
    give(c, "w", closed_form_weights(floats(c, "latent"), floats(c, "s")));
}

static void closed_form_weights_backward_stage(Call *c) {
    ClosedFormGradients found = closed_form_weights_backward(floats(c, "dw"), floats(c, "latent"), floats(c, "s"));
    give(c, "ds", found.ds);
    give(c, "dlatent", found.dlatent);
}

static void give_selection(Call *c, Selection found) {
    give(c, "bits", found.bits);
    give_float(c, "threshold", found.threshold);
}

static void select_top_k_stage(Call *c) {
    give_selection(c, select_top_k(floats(c, "latent"), integer(c, "k")));
}

static void select_n_m_stage(Call *c) {
    give_selection(c, select_n_m(floats(c, "latent"), integer(c, "n"), integer(c, "m")));
}

static void select_kernels_stage(Call *c) {
    give_selection(c, select_kernels(floats(c, "latent"), integer(c, "k")));
}

static void select_filters_stage(Call *c) {
    give_selection(c, select_filters(floats(c, "latent"), integer(c, "k")));
}

static void select_within_stage(Call *c) {
    give_selection(c, select_within(floats(c, "latent"), bits(c, "mask"), integer(c, "k")));
}

static void select_top_k_of_layers_stage(Call *c) {
    LayersSelection found = select_top_k_of_layers(floats(c, "first"), floats(c, "second"), integer(c, "k"));
    give(c, "first_bits", found.first);
    give(c, "second_bits", found.second);
    give_float(c, "threshold", found.threshold);
}

static void pattern_bits_stage(Call *c) {
    give(c, "bits", pattern_bits(ints(c, "patterns")));
}

static void frequent_patterns_stage(Call *c) {
    give(c, "patterns", frequent_patterns(bits(c, "bits"), integer(c, "count")));
}

static void nearest_pattern_stage(Call *c) {
    give(c, "which", nearest_pattern(floats(c, "latent"), ints(c, "patterns"), number(c, "threshold")));
}

static void learned_patterns_stage(Call *c) {
    give(c, "learned", learned_patterns(floats(c, "latent"), ints(c, "patterns"), number(c, "threshold")));
}

static void patterns_of_k_ones_stage(Call *c) {
    give_selection(c, patterns_of_k_ones(floats(c, "latent"), ints(c, "patterns"), integer(c, "k")));
}

static void cubic_density_stage(Call *c) {
    double start = number(c, "start"), end = number(c, "end");
    give_float(c, "density", cubic_density(integer(c, "step"), start, end, integer(c, "begin"), integer(c, "steps")));
}

static void entropy_factor_stage(Call *c) {
    give_float(c, "factor", entropy_factor(number(c, "density"), number(c, "limit")));
}

static void density_penalty_stage(Call *c) {
    int64_t ones = integer(c, "ones"), total = integer(c, "total");
    double limit = number(c, "limit"), gamma = number(c, "gamma"), loss = number(c, "loss");
    double dead_zone = number(c, "dead_zone"), slope = number(c, "slope");
    DensityPenalty found = density_penalty(ones, total, limit, gamma, loss, dead_zone, slope);
    give_float(c, "value", found.value);
    give_float(c, "multiplier", found.multiplier);
    give_float(c, "excess", found.excess);
    give_float(c, "push", found.push);
}

static void mixup_targets_stage(Call *c) {
    give(c, "targets", mixup_targets(floats(c, "first"), floats(c, "second"), number(c, "lam")));
}

static void smooth_targets_stage(Call *c) {
    give(c, "smoothed", smooth_targets(floats(c, "targets"), number(c, "epsilon")));
}

static void cross_entropy_stage(Call *c) {
    give_float(c, "loss", cross_entropy(floats(c, "logits"), floats(c, "targets")));
}

static void cross_entropy_backward_stage(Call *c) {
    give(c, "dlogits", cross_entropy_backward(floats(c, "logits"), floats(c, "targets")));
}

static void distillation_stage(Call *c) {
    double loss = distillation(floats(c, "logits"), floats(c, "teacher_logits"), number(c, "temperature"));
    give_float(c, "loss", loss);
}

static void distillation_backward_stage(Call *c) {
    const Array *teacher = floats(c, "teacher_logits");
    give(c, "dlogits", distillation_backward(floats(c, "logits"), teacher, number(c, "temperature")));
}

static void adam_steps_stage(Call *c) {
    AdamSettings settings = {number(c, "learning_rate"), number(c, "beta1"), number(c, "beta2"), number(c, "eps")};
    Adam found = adam_steps(floats(c, "value"), floats(c, "grads"), settings);
    give(c, "value", found.value);
    give(c, "first_moment", found.first_moment);
    give(c, "second_moment", found.second_moment);
}

const Stage training_stages[] = {
    {"clipped_ste_backward", clipped_ste_backward_stage},
    {"ede_backward", ede_backward_stage},
    {"quadratic_backward", quadratic_backward_stage},
    {"ede_schedule", ede_schedule_stage},
    {"bipolar_weights", bipolar_weights_stage},
    {"bipolar_weights_backward", bipolar_weights_backward_stage},
    {"symmetric_weights", symmetric_weights_stage},
    {"symmetric_weights_backward", symmetric_weights_backward_stage},
    {"general_weights", general_weights_stage},
    {"general_weights_backward", general_weights_backward_stage},
    {"closed_form_weights", closed_form_weights_stage},
    {"closed_form_weights_backward", closed_form_weights_backward_stage},
    {"select_top_k", select_top_k_stage},
    {"select_n_m", select_n_m_stage},
    {"select_kernels", select_kernels_stage},
    {"select_filters", select_filters_stage},
    {"select_within", select_within_stage},
    {"select_top_k_of_layers", select_top_k_of_layers_stage},
    {"pattern_bits", pattern_bits_stage},
    {"frequent_patterns", frequent_patterns_stage},
    {"nearest_pattern", nearest_pattern_stage},
    {"learned_patterns", learned_patterns_stage},
    {"patterns_of_k_ones", patterns_of_k_ones_stage},
    {"cubic_density", cubic_density_stage},
    {"entropy_factor", entropy_factor_stage},
    {"density_penalty", density_penalty_stage},
    {"mixup_targets", mixup_targets_stage},
    {"smooth_targets", smooth_targets_stage},
    {"cross_entropy", cross_entropy_stage},
    {"cross_entropy_backward", cross_entropy_backward_stage},
    {"distillation", distillation_stage},
    {"distillation_backward", distillation_backward_stage},
    {"adam_steps", adam_steps_stage},
    {NULL, NULL},
};
