// Linear layers over fractions, summed in single precision (GemmSingles): where nothing but fractions follows from their results.
#pragma once

#include "overlays/soft/steps/float_steps.hpp"

namespace fard::soft {

StepPtr make_single_layer_step(const FloatKernels& kernels, const FloatLayer& layer);

}  // namespace fard::soft
