// Import, inspect and compile of networks of many nodes: processor time, and the memory of an import and of a plan beside their bounds.
//
//   import [NODES]... [--only KIND]
//
// NODES: 10000 and 50000 without any. Each kind of network is made here, of so many nodes; what they compute is small.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string_view>

#include "model/graphviz.hpp"
#include "model/summary.hpp"
#include "overlays/soft/plan.hpp"
#include "tests/fakes/allocations.hpp"
#include "tests/model/onnx_maker.hpp"

namespace {

using namespace fard;
using model::test::Extents;
using model::test::OnnxMaker;
using model::test::set;

class Chain {
  public:
    explicit Chain(std::size_t nodes) : nodes_(nodes) {
        maker_.input("x", {1, 4, 4, 4});
        maker_.constant("one", {}, {1}).constant("scale", {}, {0.5}).constant("bits", {}, {4}).constant("zero", {}, {0});
        maker_.constant("steps", {1, 3}, {1, 2, 3});
        maker_.integers("order", {4}, {1, 4, 4, 4});
        zeros("zero_byte", onnx::TensorProto::UINT8);
        zeros("zero_signed", onnx::TensorProto::INT8);
    }

    bool grows() const { return made_ < nodes_; }
    std::string add(const std::string& op, const std::vector<std::string>& inputs, const char* domain = "") {
        const auto name = op + std::to_string(++made_);
        last_ = &maker_.node(op, inputs, name, domain);
        return name;
    }
    onnx::NodeProto& last() { return *last_; }
    OnnxMaker& maker() { return maker_; }

    std::string weights(const Extents& shape) {
        const auto name = "w" + std::to_string(made_);
        maker_.constant(name, shape, std::vector<float>(model::elements(shape), made_ % 2 == 0 ? 0.5F : -0.5F));
        return name;
    }
    std::string quant(const std::string& x) {
        const auto y = add("Quant", {x, "scale", "zero", "bits"}, "qonnx.custom_op.general");
        set(last(), "signed", 1);
        set(last(), "narrow", 0);
        set(last(), "rounding_mode", "ROUND");
        return y;
    }
    std::string end(const std::string& y) {
        maker_.output(y);
        return maker_.bytes();
    }

  private:
    void zeros(const char* name, int type) {
        auto& tensor = *maker_.proto().mutable_graph()->add_initializer();
        tensor.set_name(name);
        tensor.set_data_type(type);
        tensor.set_raw_data(std::string(1, '\0'));
    }

    OnnxMaker maker_;
    onnx::NodeProto* last_ = nullptr;
    std::size_t nodes_, made_ = 0;
};

std::string floats(std::size_t nodes) {
    Chain chain(nodes);
    std::string y = "x";
    while (chain.grows())
        y = chain.add("Relu", {chain.add("Conv", {y, chain.weights({4, 4, 1, 1})})});
    return chain.end(y);
}

std::string qdq(std::size_t nodes) {
    Chain chain(nodes);
    const auto quantized = [&](const std::string& x, const char* zero) {
        return chain.add("DequantizeLinear", {chain.add("QuantizeLinear", {x, "scale", zero}), "scale", zero});
    };
    auto y = quantized("x", "zero_byte");
    while (chain.grows()) y = quantized(chain.add("Conv", {y, quantized(chain.weights({4, 4, 1, 1}), "zero_signed")}), "zero_byte");
    return chain.end(y);
}

std::string qonnx(std::size_t nodes) {
    Chain chain(nodes);
    auto y = chain.quant("x");
    while (chain.grows()) y = chain.quant(chain.add("Conv", {y, chain.quant(chain.weights({4, 4, 1, 1}))}));
    return chain.end(y);
}

std::string finn(std::size_t nodes) {
    Chain chain(nodes);
    chain.maker().annotate("x", "UINT2");
    std::string y = "x";
    while (chain.grows()) {
        const auto w = chain.weights({4, 4, 1, 1});
        chain.maker().annotate(w, "INT2");
        y = chain.add("MultiThreshold", {chain.add("Mul", {chain.add("Conv", {y, w}), "scale"}), "steps"}, "qonnx.custom_op.general");
        set(chain.last(), "out_dtype", "UINT2");
    }
    return chain.end(y);
}

std::string residual(std::size_t nodes) {
    Chain chain(nodes);
    auto y = chain.quant("x");
    while (chain.grows()) y = chain.quant(chain.add("Add", {y, chain.quant(chain.add("Relu", {y}))}));
    return chain.end(y);
}

std::string moves(std::size_t nodes) {
    Chain chain(nodes);
    std::string y = "x";
    while (chain.grows()) {
        y = chain.add("Transpose", {chain.add("Reshape", {chain.add("Add", {y, "one"}), "order"})});
        set(chain.last(), "perm", Extents{0, 2, 3, 1});
    }
    return chain.end(y);
}

// One tensor that many nodes read, and one node that reads all of theirs.
std::string wide(std::size_t nodes) {
    Chain chain(nodes);
    std::vector<std::string> parts;
    while (chain.grows()) parts.push_back(chain.add(parts.size() % 2 == 0 ? "Neg" : "Relu", {"x"}));
    const auto y = chain.add("Concat", parts);
    set(chain.last(), "axis", 1);
    return chain.end(y);
}

// What is there to be folded: each layer's weights by way of nodes of their own.
std::string folded(std::size_t nodes) {
    Chain chain(nodes);
    std::string y = "x";
    while (chain.grows()) {
        const auto w = chain.add("Identity", {chain.add("Mul", {chain.weights({1, 4, 1, 1}), "scale"})});
        y = chain.add("Add", {y, w});
    }
    return chain.end(y);
}

// Every result leaves the network.
std::string outputs(std::size_t nodes) {
    Chain chain(nodes);
    auto y = chain.quant("x");
    while (chain.grows()) {
        y = chain.quant(chain.add("Relu", {y}));
        chain.maker().output(y);
    }
    return chain.end(chain.add("Neg", {y}));
}

struct Kind {
    const char* name;
    std::string (*make)(std::size_t nodes);
};
constexpr Kind kinds[] = {{"floats", floats}, {"qdq", qdq},       {"qonnx", qonnx}, {"finn", finn},
                          {"residual", residual}, {"moves", moves}, {"wide", wide},   {"folded", folded},
                          {"outputs", outputs}};

// Of this process's one thread, whatever else the machine does.
double seconds() {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// Prints a row; whether it is within the bounds.
bool measure(const Kind& kind, std::size_t nodes) {
    const auto onnx = kind.make(nodes);
    const double start = seconds();
    test::reset_peak();
    const auto before = test::live_bytes();
    auto imported = model::Model::parse(onnx, kind.name);
    if (!imported) {
        std::printf("%-10s %6zu  %s\n", kind.name, nodes, imported.error().message.c_str());
        return false;
    }
    const double import_s = seconds() - start;
    const auto import_peak = test::peak_bytes() - before;
    const auto owner = std::make_shared<const model::Model>(*std::move(imported));
    const auto table = model::layer_table(owner->graph(), owner->cut_tensors());
    const auto drawing = model::graphviz(owner->graph());
    const double inspect_s = seconds() - start - import_s;
    test::reset_peak();
    soft::Plan plan(soft::compile({owner, &owner->graph()}, *soft::select_kernels()));
    const double compile_s = seconds() - start - import_s - inspect_s;
    const auto plan_peak = test::peak_bytes() - before;
    const double all = import_s + inspect_s + compile_s, goal = nodes <= 10'000 ? 1 : 1e-4 * static_cast<double>(nodes);
    const auto most = 20 * onnx.size() + (50 << 20);
    std::printf("%-10s %6zu %8.2f %8.2f %8.2f %8.2f %6.0f %8.1f %8.1f %8.1f %8.1f\n", kind.name, nodes, import_s, inspect_s, compile_s,
                all, goal, static_cast<double>(onnx.size()) / 1e6, static_cast<double>(import_peak) / 1e6,
                static_cast<double>(plan_peak) / 1e6, static_cast<double>(most) / 1e6);
    std::fflush(stdout);
    return all < goal && import_peak <= most;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::size_t> sizes;
    std::string only;
    for (int i = 1; i < argc; ++i)
        if (std::string_view(argv[i]) == "--only" && i + 1 < argc)
            only = argv[++i];
        else
            sizes.push_back(std::strtoul(argv[i], nullptr, 10));
    if (sizes.empty()) sizes = {10'000, 50'000};
    std::printf("%-10s %6s %8s %8s %8s %8s %6s %8s %8s %8s %8s\n%17s %8s %8s %8s %8s %6s %8s %8s %8s %8s\n", "network", "nodes", "import",
                "inspect", "compile", "all", "goal", "file", "import", "plan", "bound", "", "s", "s", "s", "s", "s", "MB", "MB", "MB", "MB");
    bool within = true;
    for (const auto nodes : sizes)
        for (const auto& kind : kinds)
            if (only.empty() || only == kind.name) within = measure(kind, nodes) && within;
    return within ? 0 : 1;
}
