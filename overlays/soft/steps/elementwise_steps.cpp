#include "overlays/soft/steps/elementwise_steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "model/functions.hpp"
#include "overlays/soft/kernels/kernels.hpp"
#include "overlays/soft/steps/affine_fit.hpp"

namespace fard::soft {
namespace {

std::vector<BufferId> buffers_of(const std::vector<Source>& sources) {
    std::vector<BufferId> buffers;
    for (const auto& source : sources)
        buffers.push_back(source.buffer);
    return buffers;
}

Elements elements_at(const Memory& memory, const Source& source, std::size_t first) {
    const auto kind = source.storage.kind == Storage::Kind::u8    ? Elements::Kind::u8
                      : source.storage.kind == Storage::Kind::i16 ? Elements::Kind::i16
                                                                  : Elements::Kind::i32;
    return {memory.at<const std::byte>(source.buffer) + first * source.storage.element_bytes(), kind};
}

double entry(const std::vector<double>& list, std::size_t channel) {
    return list[list.size() == 1 ? 0 : channel];
}

struct Line {
    float factor = 0, offset = 0;
};

bool is_same(const Line& line, const SumMap& map, std::int32_t low, std::int32_t high) {
    for (std::size_t i = 0; i < map.table.size(); ++i) {
        const auto s = static_cast<float>(map.least + static_cast<std::int64_t>(i));
        const float t = std::fma(s, line.factor, line.offset);
        if (!(std::abs(t) < 0x1p30F)) return false;
        if (std::clamp(static_cast<std::int32_t>(std::nearbyint(t)), low, high) != map.table[i]) return false;
    }
    return true;
}

// Tried with every sum: exact.
std::optional<Line> find_line(const SumMap& map) {
    const auto [low, high] = std::ranges::minmax(map.table);
    const Line given{map.factor, map.offset};
    if (is_same(given, map, low, high)) return given;
    if (!std::ranges::is_sorted(map.table)) return std::nullopt;
    const model::Range sums{map.least, map.least + static_cast<std::int64_t>(map.table.size()) - 1};
    std::vector<std::int64_t> passing;
    for (int code = low; code < high; ++code)
        passing.push_back(sums.min + (std::ranges::upper_bound(map.table, code) - map.table.begin()));
    const auto fitted = fit_affine(passing, sums);
    if (!fitted) return std::nullopt;
    const Line line{fitted->factor, fitted->offset + static_cast<float>(low)};
    return is_same(line, map, low, high) ? std::optional(line) : std::nullopt;
}

class MapStep final : public Step {
  public:
    MapStep(const Kernels& kernels, std::vector<Source> sources, SumMap map, BufferId out_buffer,
            const Storage& out)
        : Step(buffers_of(sources), out_buffer),
          kernels_(*kernels.elementwise),
          sources_(std::move(sources)),
          map_(std::move(map)),
          line_(find_line(map_)),
          count_(out.elements()) {
        const auto [low, high] = std::ranges::minmax(map_.table);
        low_ = low, high_ = high;
    }

    std::string_view kind() const override { return map_.sum == MapSums::Sum::one ? "map" : "sum"; }
    std::string how() const override {
        return line_ ? "a line" : fmt::format("a table of {}", map_.table.size());
    }

    Result<> run(const Memory& memory, Share share) const override {
        const auto part = share.of(count_);
        MapSums job{};
        job.a = elements_at(memory, sources_[0], part.begin);
        if (sources_.size() > 1) job.b = elements_at(memory, sources_[1], part.begin);
        job.sum = map_.sum;
        job.count = part.end - part.begin;
        job.least = map_.least;
        job.table = map_.table.data();
        job.is_line = line_.has_value();
        if (line_) job.factor = line_->factor, job.offset = line_->offset;
        job.low = low_, job.high = high_;
        job.out = memory.at<std::uint8_t>(writes) + part.begin;
        kernels_.map_sums(job);
        return {};
    }

  private:
    const ElementwiseKernels& kernels_;
    std::vector<Source> sources_;
    SumMap map_;
    std::optional<Line> line_;
    std::size_t count_;
    std::int32_t low_ = 0, high_ = 255;
};

class SumStep final : public Step {
  public:
    SumStep(const Source& a, const Source& b, bool minus, BufferId out_buffer, const Storage& out)
        : Step({a.buffer, b.buffer}, out_buffer), a_(a), b_(b), out_(out), sign_(minus ? -1 : 1) {
        const auto base = [](const Storage& storage) {
            return storage.kind == Storage::Kind::u8 ? storage.base : 0;
        };
        shift_ = base(a.storage) + sign_ * base(b.storage) - base(out);
    }

    std::string_view kind() const override { return "sum"; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto part = share.of(out_.elements());
        with_type(a_.storage, [&](auto a) {
            with_type(b_.storage, [&](auto b) {
                with_type(out_, [&](auto out) {
                    add(memory.at<const decltype(a)>(a_.buffer), memory.at<const decltype(b)>(b_.buffer),
                        memory.at<decltype(out)>(writes), part);
                });
            });
        });
        return {};
    }

  private:
    template <typename Visit>
    static void with_type(const Storage& storage, Visit visit) {
        if (storage.kind == Storage::Kind::u8) return visit(std::uint8_t{});
        if (storage.kind == Storage::Kind::i16) return visit(std::int16_t{});
        visit(std::int32_t{});
    }
    template <typename A, typename B, typename Out>
    void add(const A* a, const B* b, Out* out, Share::Part part) const {
        const auto sign = sign_, shift = shift_;
        for (auto i = part.begin; i < part.end; ++i)
            out[i] = static_cast<Out>(a[i] + sign * b[i] + shift);
    }

    Source a_, b_;
    Storage out_;
    std::int32_t sign_, shift_ = 0;
};

// What Merge has, for each operand, and for one or each channel.
struct MergeConstants {
    std::vector<float> factors[2], offsets;
    std::vector<double> multipliers[2], exact_offsets;
    std::int32_t zeros[2] = {};
    float sure = -1;
};

MergeConstants merge_constants(const model::RequantizeAttributes& attributes,
                               const std::vector<Source>& sources, const std::vector<model::Range>& bounds,
                               std::size_t channels) {
    MergeConstants made;
    double largest = 0;
    for (std::size_t c = 0; c < channels; ++c) {
        double offset = attributes.offset.empty() ? 0 : entry(attributes.offset, c), size = 0;
        if (!attributes.offset.empty()) made.exact_offsets.push_back(offset);
        for (std::size_t i = 0; i < sources.size(); ++i) {
            const auto& operand = attributes.operands[i];
            const double multiplier = entry(operand.multiplier, c);
            const auto& storage = sources[i].storage;
            made.zeros[i] = operand.zero_point - (storage.kind == Storage::Kind::u8 ? storage.base : 0);
            made.multipliers[i].push_back(multiplier);
            made.factors[i].push_back(static_cast<float>(multiplier));
            offset -= made.zeros[i] * multiplier;
            const auto& bound = bounds[i];
            const double most =
                std::max(std::abs(static_cast<double>(bound.min)), std::abs(static_cast<double>(bound.max)));
            size += (most + std::abs(static_cast<double>(made.zeros[i]))) * std::abs(multiplier);
        }
        made.offsets.push_back(static_cast<float>(offset));
        largest = std::max(largest, size + std::abs(offset));
    }
    // Each of at most seven roundings is off by 2^-24 of no more than `largest`; of both products together no more than that, too,
    // where they are rounded by themselves (32-bit ARM).
    const double error = largest * 0x1p-21;
    if (error < 0.25) made.sure = static_cast<float>(0.5 - error);
    return made;
}

class MergeStep final : public Step {
  public:
    MergeStep(const Kernels& kernels, const model::RequantizeAttributes& attributes,
              std::vector<Source> sources, MergeConstants constants, BufferId out_buffer, const Storage& out)
        : Step(buffers_of(sources), out_buffer),
          kernels_(*kernels.elementwise),
          attributes_(attributes),
          sources_(std::move(sources)),
          constants_(std::move(constants)),
          out_(out) {}

    std::string_view kind() const override { return "requantize"; }
    std::string how() const override {
        return constants_.sure > 0 ? "single precision where sure" : "double precision";
    }

    Result<> run(const Memory& memory, Share share) const override {
        const auto channels = constants_.offsets.size();
        const auto rows = share.of(out_.elements() / channels);
        const auto first = rows.begin * channels;
        Merge job{};
        job.operands = sources_.size();
        for (std::size_t i = 0; i < sources_.size(); ++i) {
            job.each[i] = elements_at(memory, sources_[i], first);
            job.factors[i] = constants_.factors[i].data();
            job.multipliers[i] = constants_.multipliers[i].data();
            job.zeros[i] = constants_.zeros[i];
        }
        job.count = (rows.end - rows.begin) * channels;
        job.channels = channels;
        job.offsets = constants_.offsets.data();
        job.exact_offsets = constants_.exact_offsets.empty() ? nullptr : constants_.exact_offsets.data();
        job.sure = constants_.sure;
        job.zero = attributes_.zero_point - out_.base;
        job.low = static_cast<std::int32_t>(attributes_.range.min - out_.base);
        job.high = static_cast<std::int32_t>(attributes_.range.max - out_.base);
        job.out = memory.at<std::uint8_t>(writes) + first;
        kernels_.merge(job);
        return {};
    }

  private:
    const ElementwiseKernels& kernels_;
    const model::RequantizeAttributes& attributes_;
    std::vector<Source> sources_;
    MergeConstants constants_;
    Storage out_;
};

// A float's place among all, ascending; and back.
std::int64_t place_of(float x) {
    std::int32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? std::int64_t{std::numeric_limits<std::int32_t>::min()} - bits : bits;
}
float at_place(std::int64_t place) {
    const auto bits =
        static_cast<std::int32_t>(place < 0 ? std::numeric_limits<std::int32_t>::min() - place : place);
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

// The smallest float that `attributes` takes to `code` or above; infinity if only that is.
float bound_of(const model::QuantizeAttributes& attributes, std::int64_t code) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    std::int64_t low = place_of(-infinity), high = place_of(infinity);
    while (low < high) {
        const auto middle = low + (high - low) / 2;
        if (model::quantized_fraction(attributes, 0, at_place(middle)) >= code)
            high = middle;
        else
            low = middle + 1;
    }
    return at_place(low);
}

class QuantizeStep final : public Step {
  public:
    QuantizeStep(const Kernels& kernels, const model::QuantizeAttributes& attributes, BufferId in_buffer,
                 BufferId out_buffer, const Storage& out)
        : Step({in_buffer}, out_buffer),
          kernels_(*kernels.elementwise),
          count_(out.elements()),
          least_(static_cast<std::uint8_t>(attributes.range.min - out.base)) {
        job_.levels = static_cast<std::int32_t>(attributes.range.max - attributes.range.min);
        for (std::int64_t code = 0; code <= job_.levels; ++code)
            bounds_.push_back(bound_of(attributes, attributes.range.min + code));
        job_.code_of_nan =
            static_cast<std::uint8_t>(model::quantized_fraction(attributes, 0, std::nanf("")) - attributes.range.min);
        using model::Rounding;
        const auto rounding = attributes.rounding;
        const bool ends_half = rounding == Rounding::half_even || rounding == Rounding::half_away_from_zero ||
                               rounding == Rounding::half_to_zero;
        const double shift = rounding == Rounding::floor ? -0.5 : rounding == Rounding::ceil ? 0.5 : 0;
        job_.factor = static_cast<float>(1 / attributes.affine.scale[0]);
        job_.offset = static_cast<float>(static_cast<double>(attributes.affine.zero_point[0]) + shift -
                                         static_cast<double>(attributes.range.min));
        // Where codes are, x / scale is below 1024: every rounding there is off by less than 2^-13.
        job_.sure = (ends_half || shift != 0) && std::isnormal(job_.factor) ? 0.5F - 0x1p-11F : -1;
    }

    std::string_view kind() const override { return "quantize"; }
    std::string how() const override { return job_.sure > 0 ? "single precision where sure" : "by bounds"; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto part = share.of(count_);
        auto job = job_;
        job.in = memory.at<const float>(reads[0]) + part.begin;
        job.count = part.end - part.begin;
        job.bounds = bounds_.data();
        job.out = memory.at<std::uint8_t>(writes) + part.begin;
        kernels_.quantize(job);
        for (std::size_t i = 0; least_ != 0 && i < job.count; ++i)
            job.out[i] = static_cast<std::uint8_t>(job.out[i] + least_);
        return {};
    }

  private:
    const ElementwiseKernels& kernels_;
    std::size_t count_;
    std::uint8_t least_;  // code; 0 wherever the type's range is used whole
    QuantizeFloats job_{};
    std::vector<float> bounds_;
};

class DequantizeStep final : public Step {
  public:
    DequantizeStep(const model::DequantizeAttributes& attributes, const Source& source, BufferId out_buffer)
        : Step({source.buffer}, out_buffer), affine_(attributes.affine), storage_(source.storage) {
        for (std::int32_t code = 0;
             storage_.kind == Storage::Kind::u8 && affine_.scale.size() == 1 && code < 256; ++code)
            table_.push_back(real(code + storage_.base, 0));
    }

    std::string_view kind() const override { return "dequantize"; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto channels = affine_.scale.size();
        const auto rows = share.of(storage_.elements() / channels);
        const Source source{reads[0], storage_};
        const auto from = elements_at(memory, source, 0);
        auto* to = memory.at<float>(writes);
        const auto begin = rows.begin * channels, end = rows.end * channels;
        if (!table_.empty()) {
            const auto* codes = static_cast<const std::uint8_t*>(from.from);
            for (auto i = begin; i < end; ++i)
                to[i] = table_[codes[i]];
            return {};
        }
        const auto base = storage_.kind == Storage::Kind::u8 ? storage_.base : 0;
        for (auto i = begin; i < end; i += channels)
            for (std::size_t c = 0; c < channels; ++c)
                to[i + c] = real(element(from, i + c) + base, c);
        return {};
    }

  private:
    float real(std::int32_t value, std::size_t channel) const {
        return static_cast<float>((static_cast<double>(value) - affine_.zero_point[channel]) *
                                  affine_.scale[channel]);
    }

    const model::Affine& affine_;
    Storage storage_;
    std::vector<float> table_;
};

}  // namespace

StepPtr make_map_step(const Kernels& kernels, std::vector<Source> sources, SumMap map, BufferId out_buffer,
                      const Storage& out) {
    return std::make_unique<MapStep>(kernels, std::move(sources), std::move(map), out_buffer, out);
}

StepPtr make_sum_step(const Source& a, const Source& b, bool minus, BufferId out_buffer, const Storage& out) {
    return std::make_unique<SumStep>(a, b, minus, out_buffer, out);
}

StepPtr make_merge_step(const Kernels& kernels, const model::RequantizeAttributes& attributes,
                        std::vector<Source> sources, const std::vector<model::Range>& bounds,
                        BufferId out_buffer, const Storage& out) {
    if (out.kind != Storage::Kind::u8 || sources.size() > 2) return nullptr;
    const auto channels =
        attributes.axis < 0 || out.shape.empty() ? 1 : static_cast<std::size_t>(out.shape.back());
    auto constants = merge_constants(attributes, sources, bounds, channels);
    return std::make_unique<MergeStep>(kernels, attributes, std::move(sources), std::move(constants),
                                       out_buffer, out);
}

StepPtr make_quantize_step(const Kernels& kernels, const model::QuantizeAttributes& attributes,
                           BufferId in_buffer, BufferId out_buffer, const Storage& out) {
    const auto& range = attributes.range;
    const bool bytes = out.kind == Storage::Kind::u8 && range.min >= out.base &&
                       range.max <= std::int64_t{out.base} + out.width && range.min <= range.max;
    const bool near = std::abs(static_cast<double>(attributes.affine.zero_point[0])) <= 512;
    if (!bytes || !near || attributes.affine.scale.size() != 1) return nullptr;
    return std::make_unique<QuantizeStep>(kernels, attributes, in_buffer, out_buffer, out);
}

StepPtr make_dequantize_step(const model::DequantizeAttributes& attributes, const Source& source,
                             BufferId out_buffer) {
    return std::make_unique<DequantizeStep>(attributes, source, out_buffer);
}

}  // namespace fard::soft
