/* The stages of the projection. */
#include "memory.h"
#include "projection.h"
#include "protocol.h"

static void give_projection(Call *c, Projection p) {
    give_float(c, "alpha", p.alpha);
    give_float(c, "beta", p.beta);
    give(c, "bits", p.bits);
    give_float(c, "threshold", p.threshold);
    give_float(c, "error", p.error);
    give_integer(c, "n_ones", p.n_ones);
    give_bool(c, "tied", p.tied);
}

static void project_stage(Call *c) {
    give_projection(c, project(numbers(c, "w"), NULL));
}

static void project_k_stage(Call *c) {
    give_projection(c, project_k(numbers(c, "w"), integer(c, "k")));
}

static void project_symmetric_stage(Call *c) {
    give_projection(c, project_symmetric(numbers(c, "w")));
}

static void project_zero_stage(Call *c) {
    give_projection(c, project_zero(numbers(c, "w")));
}

static void project_weighted_stage(Call *c) {
    const Array *w = numbers(c, "w"), *sample_weight = numbers(c, "sample_weight");
    need_shapes(w, sample_weight);
    give_projection(c, project(w, sample_weight));
}

static void fit_domain_stage(Call *c) {
    Domain domain = fit_domain(numbers(c, "w"), bits(c, "bits"));
    give_float(c, "alpha", domain.alpha);
    give_float(c, "beta", domain.beta);
}

static void assign_stage(Call *c) {
    give(c, "bits", assign(numbers(c, "w"), number(c, "alpha"), number(c, "beta")));
}

const Stage projection_stages[] = {
    {"project", project_stage},
    {"project_k", project_k_stage},
    {"project_symmetric", project_symmetric_stage},
    {"project_zero", project_zero_stage},
    {"project_weighted", project_weighted_stage},
    {"fit_domain", fit_domain_stage},
    {"assign", assign_stage},
    {NULL, NULL},
};
