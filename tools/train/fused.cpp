// The two hot pieces of training, each in one pass over memory: batch norm + activation quantizer, and the weight
// quantizer. Activations are channels-last, `rows` x `channels` (rows = images * height * width), float or bfloat16.
// Compiled and called by fused.py; the definitions are those of networks.py.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

struct BFloat16 {
    std::uint16_t bits;
};

inline float load(float value) { return value; }
inline float load(BFloat16 value) {
    const std::uint32_t wide = static_cast<std::uint32_t>(value.bits) << 16;
    float out;
    std::memcpy(&out, &wide, sizeof out);
    return out;
}

inline void store(float& out, float value) { out = value; }
inline void store(BFloat16& out, float value) {
    std::uint32_t wide;
    std::memcpy(&wide, &value, sizeof wide);
    out.bits = static_cast<std::uint16_t>((wide + 0x7fff + ((wide >> 16) & 1)) >> 16);  // half to even
}

// One batch norm as y -> scale * y + shift, followed by the quantizer of `step` and range [0, qmax].
struct Norm {
    const float* scale;  // gamma / sigma
    const float* shift;  // beta - mean * scale
    const float* mean;
    const float* inverse_sigma;
    float step;
    float qmax;
};

// Sums over rows, in blocks that are added up in double.
constexpr long block_rows = 32;

template <typename T>
void sum_and_squares(const T* y, long rows, int channels, double* sums) {
#pragma omp parallel
    {
        std::vector<double> mine(2 * channels, 0);
        std::vector<float> block(2 * channels);
#pragma omp for schedule(static)
        for (long first = 0; first < rows; first += block_rows) {
            std::fill(block.begin(), block.end(), 0.f);
            for (long r = first; r < std::min(first + block_rows, rows); ++r) {
                for (int c = 0; c < channels; ++c) {
                    const float value = load(y[r * channels + c]);
                    block[c] += value;
                    block[channels + c] += value * value;
                }
            }
            for (int c = 0; c < 2 * channels; ++c) mine[c] += block[c];
        }
#pragma omp critical
        for (int c = 0; c < 2 * channels; ++c) sums[c] += mine[c];
    }
}

template <typename T>
void quantize(const T* y, T* out, long rows, int channels, const Norm& norm) {
    const float inverse_step = 1 / norm.step;
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; ++r) {
        for (int c = 0; c < channels; ++c) {
            const float value = (load(y[r * channels + c]) * norm.scale[c] + norm.shift[c]) * inverse_step;
            store(out[r * channels + c], std::rint(std::min(std::max(value, 0.f), norm.qmax)) * norm.step);
        }
    }
}

// Gradients of beta, gamma and the step: sums is [d beta | d gamma | d step for each channel].
template <typename T>
void parameter_gradients(const T* y, const T* gradient, long rows, int channels, const Norm& norm, double* sums) {
    const float inverse_step = 1 / norm.step;
#pragma omp parallel
    {
        std::vector<double> mine(3 * channels, 0);
        std::vector<float> block(3 * channels);
#pragma omp for schedule(static)
        for (long first = 0; first < rows; first += block_rows) {
            std::fill(block.begin(), block.end(), 0.f);
            for (long r = first; r < std::min(first + block_rows, rows); ++r) {
                for (int c = 0; c < channels; ++c) {
                    const float value = load(y[r * channels + c]), g = load(gradient[r * channels + c]);
                    const float v = (value * norm.scale[c] + norm.shift[c]) * inverse_step;
                    const float q = std::rint(std::min(std::max(v, 0.f), norm.qmax));
                    const bool inside = v >= 0 && v <= norm.qmax;
                    const float passed = inside ? g : 0.f;
                    block[c] += passed;
                    block[channels + c] += passed * (value - norm.mean[c]) * norm.inverse_sigma[c];
                    block[2 * channels + c] += g * (inside ? q - v : q);
                }
            }
            for (int c = 0; c < 3 * channels; ++c) mine[c] += block[c];
        }
#pragma omp critical
        for (int c = 0; c < 3 * channels; ++c) sums[c] += mine[c];
    }
}

// Gradient of the batch norm's input, given those of its parameters.
template <typename T>
void input_gradient(const T* y, const T* gradient, T* out, long rows, int channels, const Norm& norm,
                    const float* d_beta, const float* d_gamma) {
    const float inverse_step = 1 / norm.step, inverse_rows = 1.f / static_cast<float>(rows);
    std::vector<float> constant(channels), slope(channels);
    for (int c = 0; c < channels; ++c) {
        slope[c] = norm.scale[c] * d_gamma[c] * inverse_rows * norm.inverse_sigma[c];
        constant[c] = norm.scale[c] * d_beta[c] * inverse_rows - slope[c] * norm.mean[c];
    }
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; ++r) {
        for (int c = 0; c < channels; ++c) {
            const float value = load(y[r * channels + c]);
            const float v = (value * norm.scale[c] + norm.shift[c]) * inverse_step;
            const float passed = v >= 0 && v <= norm.qmax ? load(gradient[r * channels + c]) : 0.f;
            store(out[r * channels + c], norm.scale[c] * passed - constant[c] - slope[c] * value);
        }
    }
}

// Calls body with the pointers as BFloat16 or float.
template <typename Body>
void with_type(int bfloat16, Body&& body) {
    if (bfloat16) {
        body(BFloat16{});
    } else {
        body(float{});
    }
}

}  // namespace

extern "C" {

void norm_statistics(const void* y, long rows, int channels, float* mean, float* variance, int bfloat16) {
    std::vector<double> sums(2 * channels, 0);
    with_type(bfloat16, [&](auto type) {
        sum_and_squares(static_cast<const decltype(type)*>(y), rows, channels, sums.data());
    });
    for (int c = 0; c < channels; ++c) {
        const double average = sums[c] / rows;
        mean[c] = static_cast<float>(average);
        variance[c] = static_cast<float>(std::max(sums[channels + c] / rows - average * average, 0.0));
    }
}

void norm_quantize(const void* y, void* out, long rows, int channels, const float* scale, const float* shift, float step,
                   float qmax, int bfloat16) {
    const Norm norm{scale, shift, nullptr, nullptr, step, qmax};
    with_type(bfloat16, [&](auto type) {
        using T = decltype(type);
        quantize(static_cast<const T*>(y), static_cast<T*>(out), rows, channels, norm);
    });
}

// d_y may not be y or gradient. d_step is one number.
void norm_quantize_backward(const void* y, const void* gradient, void* d_y, long rows, int channels, const float* scale,
                            const float* shift, const float* mean, const float* inverse_sigma, float step, float qmax,
                            float* d_beta, float* d_gamma, float* d_step, int bfloat16) {
    const Norm norm{scale, shift, mean, inverse_sigma, step, qmax};
    std::vector<double> sums(3 * channels, 0);
    with_type(bfloat16, [&](auto type) {
        using T = decltype(type);
        const auto *in = static_cast<const T*>(y), *g = static_cast<const T*>(gradient);
        parameter_gradients(in, g, rows, channels, norm, sums.data());
        double total = 0;
        for (int c = 0; c < channels; ++c) {
            d_beta[c] = static_cast<float>(sums[c]);
            d_gamma[c] = static_cast<float>(sums[channels + c]);
            total += sums[2 * channels + c];
        }
        *d_step = static_cast<float>(total);
        input_gradient(in, g, static_cast<T*>(d_y), rows, channels, norm, d_beta, d_gamma);
    });
}

// weights: outputs x fan_in; one step for each output channel.
void weight_quantize(const float* weights, float* out, int outputs, int fan_in, const float* steps, float qmax) {
#pragma omp parallel for
    for (int o = 0; o < outputs; ++o) {
        const float step = steps[o], inverse_step = 1 / step;
        for (long i = static_cast<long>(o) * fan_in; i < static_cast<long>(o + 1) * fan_in; ++i) {
            out[i] = std::rint(std::min(std::max(weights[i] * inverse_step, -qmax), qmax)) * step;
        }
    }
}

void weight_quantize_backward(const float* weights, const float* gradient, float* d_weights, int outputs, int fan_in,
                              const float* steps, float qmax, float* d_steps) {
#pragma omp parallel for
    for (int o = 0; o < outputs; ++o) {
        const float inverse_step = 1 / steps[o];
        float total = 0;
        for (long i = static_cast<long>(o) * fan_in; i < static_cast<long>(o + 1) * fan_in; ++i) {
            const float v = weights[i] * inverse_step;
            const float q = std::rint(std::min(std::max(v, -qmax), qmax));
            const bool inside = v >= -qmax && v <= qmax;
            d_weights[i] = inside ? gradient[i] : 0.f;
            total += gradient[i] * (inside ? q - v : q);
        }
        d_steps[o] = total;
    }
}

}  // extern "C"
