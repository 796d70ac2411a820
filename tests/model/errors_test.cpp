// Files that are wrong, or ask for what fard does not run: a clear error each, and never a crash.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "model/reference.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

struct Case {
    const char* what;
    Fault fault;
    std::vector<std::string> parts;  // of the message
    std::function<void(OnnxMaker&)> make;
};

void refuse(const Case& wrong) {
    CAPTURE(wrong.what);
    OnnxMaker maker;
    maker.input("x", {1, 2, 4, 4}).annotate("x", "UINT4").output("y");
    wrong.make(maker);
    const auto model = maker.import();
    REQUIRE(!model);
    CAPTURE(model.error().message);
    CHECK(model.error().fault == wrong.fault);
    CHECK(model.error().message.starts_with("made.onnx: "));
    for (const auto& part : wrong.parts) {
        CAPTURE(part);
        CHECK(model.error().message.find(part) != std::string::npos);
    }
}

onnx::NodeProto& pool(OnnxMaker& maker) {
    auto& node = maker.node("MaxPool", {"x"}, "y");
    set(node, "kernel_shape", Extents{2, 2});
    return node;
}

}  // namespace

TEST_CASE("what is no ONNX model") {
    const std::pair<std::string, const char*> files[] = {
        {"", "the file is empty"},
        {"\xff\xff\xff garbage", "its protobuf does not parse"},
        {std::string("\x08\x08", 2), "it holds no graph"},
    };
    for (const auto& [bytes, message] : files) {
        const auto model = Model::parse(bytes, "wrong.onnx");
        REQUIRE(!model);
        CHECK(model.error().fault == Fault::corrupt);
        CHECK(model.error().message.find(message) != std::string::npos);
    }
    CHECK(Model::load("/nowhere/model.onnx").error().fault == Fault::not_found);
    CHECK(Model::load("/").error().fault == Fault::invalid_input);
}

TEST_CASE("operators that fard does not run") {
    refuse({"another operator",
            Fault::unsupported,
            {"node 'y' (Softmaxx): fard does not run", "did you mean Softmax?"},
            [](OnnxMaker& maker) { maker.node("Softmaxx", {"x"}, "y"); }});
    refuse({"another domain", Fault::unsupported, {"node 'y' (com.example::Add)"}, [](OnnxMaker& maker) {
                maker.node("Add", {"x", "x"}, "y", "com.example");
            }});
    refuse({"a second output", Fault::unsupported, {"node 'y' (MaxPool)", "2 outputs"}, [](OnnxMaker& maker) {
                pool(maker).add_output("indices");
                maker.output("indices", onnx::TensorProto::INT64);
            }});
    refuse({"computed weights", Fault::unsupported, {"node 'y' (Conv)", "computed"}, [](OnnxMaker& maker) {
                maker.node("Conv", {"x", "x"}, "y");
            }});
    refuse({"an attribute that nobody reads",
            Fault::unsupported,
            {"node 'y' (Add): has an attribute 'axis', which fard does not read"},
            [](OnnxMaker& maker) {
                set(maker.node("Add", {"x", "x"}, "y"), "axis", 1);
            }});
    refuse({"more operands than there are",
            Fault::unsupported,
            {"node 'y' (Relu): has 2 operands, and fard reads 1 (opset 13)"},
            [](OnnxMaker& maker) {
                maker.node("Relu", {"x", "x"}, "y");
            }});
    refuse({"a batch normalization in training", Fault::unsupported, {"training mode"}, [](OnnxMaker& maker) {
                maker.proto().mutable_opset_import(0)->set_version(9);
                maker.constant("c", {2});
                auto& node = maker.node("BatchNormalization", {"x", "c", "c", "c", "c"}, "y");
                node.add_output("mean"), node.add_output("variance");
            }});
    refuse({"small floating-point numbers",
            Fault::unsupported,
            {"node 'y'", "FloatQuant"},
            [](OnnxMaker& maker) {
                maker.constant("s", {}, {1});
                maker.node("FloatQuant", {"x", "s", "s", "s", "s", "s"}, "y", "qonnx.custom_op.general");
            }});
}

TEST_CASE("opsets that fard does not know") {
    refuse({"an opset of the future",
            Fault::unsupported,
            {"is of opset 22; fard reads those up to 21"},
            [](OnnxMaker& maker) {
                maker.proto().mutable_opset_import(0)->set_version(22);
                maker.node("Relu", {"x"}, "y");
            }});
    refuse({"an old opset", Fault::unsupported, {"node 'y' (Add): is of opset 6"}, [](OnnxMaker& maker) {
                maker.proto().mutable_opset_import(0)->set_version(6);
                maker.node("Add", {"x", "x"}, "y");
            }});
}

TEST_CASE("scales and zero points that mean nothing") {
    const auto quantize = [](float scale) {
        return [=](OnnxMaker& maker) {
            maker.constant("s", {}, {scale});
            maker.node("QuantizeLinear", {"x", "s"}, "q");
            maker.node("DequantizeLinear", {"q", "s"}, "y");
        };
    };
    const float infinity = std::numeric_limits<float>::infinity();
    for (const float scale : {0.0F, -1.0F, infinity, std::nanf("")})
        refuse({"a scale",
                Fault::invalid_input,
                {"node 'q' (QuantizeLinear)", "has a scale of", "'s'"},
                quantize(scale)});
    refuse({"scales that are too few",
            Fault::invalid_input,
            {"node 'q' (QuantizeLinear)", "3 scales"},
            [](OnnxMaker& maker) {
                maker.constant("s", {3}, {1, 2, 3});
                maker.node("QuantizeLinear", {"x", "s"}, "q");
                maker.node("DequantizeLinear", {"q", "s"}, "y");
            }});
    const auto quant = [](std::vector<float> numbers, const char* mode) {
        return [=](OnnxMaker& maker) {
            maker.constant("s", {}, {numbers[0]})
                .constant("z", {}, {numbers[1]})
                .constant("b", {}, {numbers[2]});
            set(maker.node("Quant", {"x", "s", "z", "b"}, "y", "qonnx.custom_op.general"), "rounding_mode",
                mode);
        };
    };
    refuse({"a fraction of a zero point",
            Fault::unsupported,
            {"node 'y'", "'z' that is not a whole number"},
            quant({1, 0.5, 4}, "ROUND")});
    refuse({"a fraction of a bit",
            Fault::unsupported,
            {"node 'y'", "bit width of 2.5"},
            quant({1, 0, 2.5}, "ROUND")});
    refuse({"no bit", Fault::unsupported, {"node 'y'", "bit width of 0"}, quant({1, 0, 0}, "ROUND")});
    refuse({"an unknown rounding",
            Fault::unsupported,
            {"node 'y'", "rounding_mode 'SIDEWAYS'"},
            quant({1, 0, 4}, "SIDEWAYS")});
}

TEST_CASE("graphs that cannot run") {
    refuse({"a cycle", Fault::corrupt, {"cycle", "'a'"}, [](OnnxMaker& maker) {
                maker.node("Add", {"x", "b"}, "a");
                maker.node("Relu", {"a"}, "b");
                maker.node("Relu", {"b"}, "y");
            }});
    refuse({"a tensor that nothing makes",
            Fault::corrupt,
            {"node 'y' (Add) needs tensor 'ghost'"},
            [](OnnxMaker& maker) {
                maker.node("Add", {"x", "ghost"}, "y");
            }});
    refuse({"an output that nothing makes", Fault::corrupt, {"'y', which nothing makes"}, [](OnnxMaker&) {}});
    refuse({"a tensor made twice", Fault::corrupt, {"makes tensor 'y', which exists"}, [](OnnxMaker& maker) {
                maker.node("Relu", {"x"}, "y");
                maker.node("Identity", {"x"}, "y");
            }});
    refuse({"a tensor made over an input", Fault::corrupt, {"makes tensor 'x'"}, [](OnnxMaker& maker) {
                maker.node("Relu", {"x"}, "x");
                maker.node("Relu", {"x"}, "y");
            }});
    refuse(
        {"two initializers of one name", Fault::corrupt, {"two tensors are named 'c'"}, [](OnnxMaker& maker) {
             maker.constant("c", {1}).constant("c", {1}).node("Add", {"x", "c"}, "y");
         }});
    refuse({"no output", Fault::invalid_input, {"no output"}, [](OnnxMaker& maker) {
                maker.proto().mutable_graph()->clear_output();
            }});
    refuse({"an output without a name", Fault::corrupt, {"an output without a name"}, [](OnnxMaker& maker) {
                maker.output("").node("Relu", {"x"}, "y");
            }});
    refuse({"an input without a name", Fault::corrupt, {"a tensor without a name"}, [](OnnxMaker& maker) {
                maker.input("", {1}).node("Relu", {"x"}, "y");
            }});
    refuse({"a constant output", Fault::unsupported, {"'y' is a constant"}, [](OnnxMaker& maker) {
                maker.constant("y", {1});
            }});
}

TEST_CASE("tensors that cannot be") {
    refuse({"a negative extent", Fault::corrupt, {"tensor 'w' has an extent of -1"}, [](OnnxMaker& maker) {
                maker.constant("w", {-1, 2}, {1}).node("Add", {"x", "w"}, "y");
            }});
    refuse({"an overflowing shape", Fault::corrupt, {"tensor 'w'", "2^31"}, [](OnnxMaker& maker) {
                maker.constant("w", {1 << 30, 1 << 30, 1 << 30}, {1}).node("Add", {"x", "w"}, "y");
            }});
    refuse({"too few elements",
            Fault::corrupt,
            {"tensor 'w' has 1 elements where its shape needs 4"},
            [](OnnxMaker& maker) {
                maker.constant("w", {4}, {1}).node("Add", {"x", "w"}, "y");
            }});
    refuse({"an element beyond its type",
            Fault::corrupt,
            {"tensor 'w' holds 300, which its type UINT8 does not have"},
            [](OnnxMaker& maker) {
                maker.constant("w", {1}).node("Add", {"x", "w"}, "y");
                auto& tensor = *maker.proto().mutable_graph()->mutable_initializer(0);
                tensor.Clear();
                tensor.set_name("w");
                tensor.set_data_type(onnx::TensorProto::UINT8);
                tensor.add_int32_data(300);
            }});
    refuse({"a TopK that does not say how many", Fault::invalid_input, {"picks 0 of"}, [](OnnxMaker& maker) {
                maker.node("TopK", {"x"}, "y");
            }});
    refuse({"raw data of the wrong size", Fault::corrupt, {"tensor 'w' has 3 bytes"}, [](OnnxMaker& maker) {
                maker.constant("w", {1}).node("Add", {"x", "w"}, "y");
                maker.proto().mutable_graph()->mutable_initializer(0)->set_raw_data("abc");
            }});
    refuse({"weights in another file",
            Fault::unsupported,
            {"tensor 'w' keeps its data in another file"},
            [](OnnxMaker& maker) {
                maker.constant("w", {1}).node("Add", {"x", "w"}, "y");
                auto* tensor = maker.proto().mutable_graph()->mutable_initializer(0);
                tensor->set_data_location(onnx::TensorProto::EXTERNAL);
                auto* entry = tensor->add_external_data();
                entry->set_key("location");
                entry->set_value("../../etc/passwd");
            }});
    refuse({"strings",
            Fault::unsupported,
            {"tensor 'w' has the ONNX element type STRING"},
            [](OnnxMaker& maker) {
                maker.constant("w", {1}).node("Add", {"x", "w"}, "y");
                maker.proto().mutable_graph()->mutable_initializer(0)->set_data_type(
                    onnx::TensorProto::STRING);
            }});
    refuse({"integers of 64 bits",
            Fault::unsupported,
            {"reads 'w', which holds 4294967296"},
            [](OnnxMaker& maker) {
                maker.integers("w", {1}, {std::int64_t{1} << 32}).node("Add", {"x", "w"}, "y");
            }});
    refuse({"an empty operand", Fault::invalid_input, {"operand 'w' is empty"}, [](OnnxMaker& maker) {
                maker.integers("w", {0}, {}).node("Add", {"x", "w"}, "y");
            }});
    refuse({"an input of negative extent", Fault::corrupt, {"'z' has an extent of -3"}, [](OnnxMaker& maker) {
                maker.input("z", {1, -3}).node("Relu", {"x"}, "y");
            }});
    refuse({"an input without sizes", Fault::unsupported, {"input 'z' leaves more"}, [](OnnxMaker& maker) {
                maker.input("z", {1, 0}).node("Relu", {"x"}, "y");
            }});
    refuse({"an input of unknown type",
            Fault::unsupported,
            {"input 'z' has element type"},
            [](OnnxMaker& maker) {
                maker.input("z", {1}, onnx::TensorProto::STRING).node("Relu", {"x"}, "y");
            }});
    refuse({"a result that is too large",
            Fault::unsupported,
            {"node 'huge' (Add)", "2^26 elements"},
            [](OnnxMaker& maker) {
                maker.input("a", {1 << 20, 1}).input("b", {1, 1 << 20}).node("Add", {"a", "b"}, "huge");
                set(maker.node("ReduceSum", {"huge"}, "s"), "keepdims", 0);
                maker.node("Add", {"x", "s"}, "y");
            }});
}

TEST_CASE("types that do not hold") {
    refuse({"fractions annotated as integers",
            Fault::invalid_input,
            {"tensor 'y' is annotated as INT4, but", "fractions"},
            [](OnnxMaker& maker) {
                maker.annotate("y", "INT4").node("Div", {"x", "x"}, "y");
            }});
    refuse(
        {"integers and fractions in one product",
         Fault::invalid_input,
         {"tensor 'c' has element type INT16, but", "fractions"},
         [](OnnxMaker& maker) {
             maker.input("z", {1, 2, 4, 4}, onnx::TensorProto::INT16);
             maker.constant("w", {1, 2, 1, 1}).constant("b", {1}, {0.5}).node("Conv", {"z", "w", "b"}, "c");
             maker.node("Add", {"x", "c"}, "y");
         }});
    refuse(
        {"an annotation wider than the element type",
         Fault::invalid_input,
         {"input 'z' is annotated as INT16"},
         [](OnnxMaker& maker) {
             maker.input("z", {1}, onnx::TensorProto::INT8).annotate("z", "INT16").node("Relu", {"x"}, "y");
         }});
    refuse(
        {"more than 32 bits", Fault::unsupported, {"tensor 'y' can hold", "32 bits"}, [](OnnxMaker& maker) {
             maker.constant("c", {1}, {1 << 30}).node("Mul", {"x", "c"}, "y");
         }});
    refuse({"wrapping bytes",
            Fault::unsupported,
            {"tensor 's' can hold -256 to 254, which its element type INT8 wraps"},
            [](OnnxMaker& maker) {
                maker.input("z", {1}, onnx::TensorProto::INT8).node("Add", {"z", "z"}, "s");
                set(maker.node("Cast", {"s"}, "f"), "to", 1);
                maker.node("Add", {"x", "f"}, "y");
            }});
}

TEST_CASE("what a file says of an output's shape, and annotations of other types, say nothing") {
    OnnxMaker maker;
    maker.input("x", {2})
        .annotate("x", "FIXED<8,4>")
        .annotate("y", "SCALEDINT<8>")
        .output("y")
        .node("Relu", {"x"}, "y");
    auto* type = maker.proto().mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type();
    type->mutable_shape()->add_dim()->set_dim_value(7);
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(model->outputs()[0].shape == std::vector<std::int64_t>{2});
    maker.proto().mutable_graph()->mutable_output(0)->clear_type();
    CHECK(maker.import());
}

TEST_CASE("constants that no output needs are not read") {
    OnnxMaker maker;
    maker.input("x", {2}).output("y").integers("count", {}, {std::int64_t{1} << 40}).node("Relu", {"x"}, "y");
    maker.constant("text", {1})
        .proto()
        .mutable_graph()
        ->mutable_initializer(1)
        ->set_data_type(onnx::TensorProto::STRING);
    maker.node("Add", {"text", "text"}, "unread");
    CHECK_MESSAGE(maker.import(), maker.import().error().message);
}

TEST_CASE("annotations that are too narrow are widened, not trusted") {
    OnnxMaker maker;
    maker.input("x", {2})
        .annotate("x", "INT4")
        .annotate("y", "INT2")
        .output("y")
        .node("Add", {"x", "x"}, "y");
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(model->outputs()[0].type == DataType::sint(5));
}

TEST_CASE("what may leave 32 bits is taken at the model's word, and refused when it does") {
    OnnxMaker maker;
    maker.input("x", {2})
        .annotate("x", "INT30")
        .annotate("y", "INT24")
        .output("y")
        .constant("c", {1}, {4096});
    maker.node("Mul", {"x", "c"}, "y");
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(run(*model, {-2048, 2047}) == std::vector<double>{-8388608, 8384512});
    const auto beyond = run_reference(model->graph(), {Values{{0, 2048}, {}}});
    REQUIRE(!beyond);
    CHECK(beyond.error().fault == Fault::failed);
    CHECK(beyond.error().message.find("node 'y' (Mul) computed 8388608") != std::string::npos);
}

TEST_CASE("attributes and shapes that do not fit") {
    const auto conv = [](const Extents& weights, const std::function<void(onnx::NodeProto&)>& change) {
        return [=](OnnxMaker& maker) { change(maker.constant("w", weights).node("Conv", {"x", "w"}, "y")); };
    };
    const auto as_is = [](onnx::NodeProto&) {};
    const auto wrong = Fault::invalid_input;
    refuse({"weights of other channels",
            wrong,
            {"node 'y' (Conv)", "1x2x4x4", "1x3x1x1", "group 1"},
            conv({1, 3, 1, 1}, as_is)});
    refuse({"group 0", wrong, {"group 0"}, conv({1, 2, 1, 1}, [](auto& node) { set(node, "group", 0); })});
    refuse({"a kernel larger than the image", wrong, {"a window of 5"}, conv({1, 2, 5, 5}, as_is)});
    refuse({"strides of 0", wrong, {"'strides' is 0x1"}, conv({1, 2, 1, 1}, [](auto& node) {
                set(node, "strides", Extents{0, 1});
            })});
    refuse({"negative padding", wrong, {"'pads' holds -1"}, conv({1, 2, 1, 1}, [](auto& node) {
                set(node, "pads", Extents{0, 0, -1, 0});
            })});
    refuse({"half the padding", wrong, {"'pads' has 2 entries"}, conv({1, 2, 1, 1}, [](auto& node) {
                set(node, "pads", Extents{1, 1});
            })});
    refuse({"another kernel", wrong, {"'kernel_shape' is 3x3"}, conv({1, 2, 1, 1}, [](auto& node) {
                set(node, "kernel_shape", Extents{3, 3});
            })});
    refuse({"a group that is a string",
            wrong,
            {"'group' must be an integer"},
            conv({1, 2, 1, 1}, [](auto& node) { set(node, "group", "two"); })});
    refuse(
        {"a kernel in one dimension", Fault::unsupported, {"two spatial dimensions"}, [](OnnxMaker& maker) {
             set(maker.node("MaxPool", {"x"}, "y"), "kernel_shape", Extents{2});
         }});
    refuse({"a whole window of padding", wrong, {"padded by a whole window"}, [](OnnxMaker& maker) {
                set(pool(maker), "pads", Extents{2, 0, 0, 0});
            }});
    refuse({"shapes that do not broadcast", wrong, {"node 'y' (Add)", "1x2x4x4", "3"}, [](OnnxMaker& maker) {
                maker.constant("c", {3}).node("Add", {"x", "c"}, "y");
            }});
    refuse({"matrices that do not fit", wrong, {"multiplies 1x2x4x4 by 3x4"}, [](OnnxMaker& maker) {
                maker.constant("c", {3, 4}).node("MatMul", {"x", "c"}, "y");
            }});
    refuse({"a reshape that loses elements", wrong, {"reshapes 1x2x4x4"}, [](OnnxMaker& maker) {
                maker.integers("s", {2}, {5, -1}).node("Reshape", {"x", "s"}, "y");
            }});
    refuse({"an axis too far", wrong, {"axis 7"}, [](OnnxMaker& maker) {
                set(maker.node("Flatten", {"x"}, "y"), "axis", 7);
            }});
    refuse({"a permutation that is none", wrong, {"'perm'"}, [](OnnxMaker& maker) {
                set(maker.node("Transpose", {"x"}, "y"), "perm", Extents{0, 1, 1, 2});
            }});
    refuse(
        {"thresholds of other channels",
         wrong,
         {"thresholds 't' must be", "2xT", "3x1"},
         [](OnnxMaker& maker) {
             maker.constant("t", {3, 1}).node("MultiThreshold", {"x", "t"}, "y", "qonnx.custom_op.general");
         }});
    refuse({"too few operands", wrong, {"node 'y' (Add): has 1 operands"}, [](OnnxMaker& maker) {
                maker.node("Add", {"x"}, "y");
            }});
    refuse({"an operand left out", wrong, {"operand 1 is left out"}, [](OnnxMaker& maker) {
                maker.node("Add", {"x", ""}, "y");
            }});
}

TEST_CASE("the interpreter refuses inputs that do not fit") {
    OnnxMaker maker;
    maker.input("x", {2}).annotate("x", "INT4").output("y").node("Relu", {"x"}, "y");
    const auto model = maker.import();
    REQUIRE(model);
    CHECK(run_reference(model->graph(), {}).error().fault == Fault::invalid_input);
    CHECK(run_reference(model->graph(), {Values{{1}, {}}}).error().fault == Fault::invalid_input);
    CHECK(run_reference(model->graph(), {Values{{}, {1, 2}}}).error().fault == Fault::invalid_input);
    const std::byte bytes[2]{};
    const std::span<const std::byte> wire(bytes);
    CHECK(run_reference_wire(model->graph(), std::vector{wire}).error().fault == Fault::corrupt);
}
