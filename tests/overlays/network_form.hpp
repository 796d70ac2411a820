// A network that a test makes by hand, checked as generated ones are (network_check.hpp).
#pragma once

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/model/onnx_maker.hpp"
#include "tests/overlays/network_check.hpp"

namespace fard::test {

class Form {
  public:
    explicit Form(std::uint32_t seed) : random_(seed) {}

    model::test::OnnxMaker& maker() { return maker_; }
    std::string next(const std::string& what) { return what + std::to_string(count_++); }

    std::string floats(const model::test::Extents& shape, float low = -1, float high = 1) {
        std::size_t count = 1;
        for (const auto extent : shape)
            count *= static_cast<std::size_t>(extent);
        std::uniform_real_distribution<float> uniform(low, high);
        std::vector<float> values(count);
        for (auto& value : values)
            value = uniform(random_);
        const auto name = next("c");
        maker_.constant(name, shape, values);
        return name;
    }
    std::string scalar(float value) {
        const auto name = next("s");
        maker_.constant(name, {}, {value});
        return name;
    }
    std::string add(const std::string& op, const std::vector<std::string>& inputs) {
        const auto name = next(op);
        last_ = &maker_.node(op, inputs, name);
        return name;
    }
    onnx::NodeProto& last() { return *last_; }

    std::string quant(const std::string& x, float scale, int bits, bool is_signed) {
        const auto name = next("Quant");
        auto& node = maker_.node("Quant", {x, scalar(scale), scalar(0), scalar(static_cast<float>(bits))},
                                 name, "qonnx.custom_op.general");
        model::test::set(node, "signed", int{is_signed});
        model::test::set(node, "narrow", 0);
        model::test::set(node, "rounding_mode", "ROUND");
        return name;
    }

    // On every row, and cut everywhere; `kind` is that of one of its steps, and none is interpreted.
    void check(const std::string& output, std::uint32_t seed, const std::string& kind) {
        maker_.output(output);
        Checked checked;
        CHECK(check_network({maker_.bytes(), kind}, seed, checked));
        CHECK_MESSAGE(checked.kinds[kind] > 0, kind);
        CHECK_MESSAGE(checked.kinds["interpreted"] == 0, kind);
    }

  private:
    std::mt19937 random_;
    model::test::OnnxMaker maker_;
    onnx::NodeProto* last_ = nullptr;
    int count_ = 0;
};

}  // namespace fard::test
