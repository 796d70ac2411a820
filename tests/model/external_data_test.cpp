// Weights in files beside the model, and paths that lead elsewhere.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "model/graphviz.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

namespace fs = std::filesystem;

class Scratch {
  public:
    Scratch() {
        std::string name = (fs::temp_directory_path() / "fard-model-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir_ = name;
    }
    ~Scratch() { fs::remove_all(dir_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    fs::path write(const std::string& name, const std::string& bytes) const {
        fs::create_directories((dir_ / name).parent_path());
        std::ofstream(dir_ / name, std::ios::binary) << bytes;
        return dir_ / name;
    }
    const fs::path& path() const { return dir_; }

  private:
    fs::path dir_;
};

// y = x + w, with the two floats of w elsewhere.
std::string model_with(const std::vector<std::pair<std::string, std::string>>& entries,
                       std::int64_t extent = 2) {
    OnnxMaker maker;
    maker.input("x", {2}).output("y");
    maker.node("Add", {"x", "w"}, "y");
    auto& w = *maker.proto().mutable_graph()->add_initializer();
    w.set_name("w");
    w.set_data_type(onnx::TensorProto::FLOAT);
    w.add_dims(extent);
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    for (const auto& [key, value] : entries) {
        auto* entry = w.add_external_data();
        entry->set_key(key);
        entry->set_value(value);
    }
    return maker.bytes();
}

std::string floats(const std::vector<float>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

}  // namespace

TEST_CASE("weights are read from a file beside the model, and lie inside of its stages") {
    const Scratch scratch;
    scratch.write("data/w.bin", floats({9, 1.5, 2.5, 9}));
    const auto file =
        scratch.write("m.onnx", model_with({{"location", "data/w.bin"}, {"offset", "4"}, {"length", "8"}}));
    const auto model = Model::load(file);
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(run(*model, {1, 2}) == std::vector<double>{2.5, 4.5});
    const auto stages = cut(*model, {});
    REQUIRE(stages);
    const auto stage = Model::parse((*stages)[0].onnx, "stage");
    REQUIRE_MESSAGE(stage, stage.error().message);
    CHECK(run(*stage, {1, 2}) == std::vector<double>{2.5, 4.5});
}

TEST_CASE("weights elsewhere are refused") {
    const Scratch outside, scratch;
    outside.write("w.bin", floats({1, 2}));
    scratch.write("w.bin", floats({1, 2}));
    fs::create_symlink(outside.path() / "w.bin", scratch.path() / "link.bin");
    fs::create_directory_symlink(outside.path(), scratch.path() / "linked");
    const auto above = "../" + outside.path().filename().string() + "/w.bin";
    struct Case {
        std::vector<std::pair<std::string, std::string>> entries;
        Fault fault;
        const char* message;
    };
    const Case cases[] = {
        {{}, Fault::corrupt, "does not say in which file"},
        {{{"location", above}}, Fault::unsupported, "beside the model alone"},
        {{{"location", "a/../../x"}}, Fault::unsupported, "beside the model alone"},
        {{{"location", (outside.path() / "w.bin").string()}}, Fault::unsupported, "beside the model alone"},
        {{{"location", "link.bin"}}, Fault::unsupported, "a link out of the model's directory"},
        {{{"location", "linked/w.bin"}}, Fault::unsupported, "a link out of the model's directory"},
        {{{"location", "."}}, Fault::unsupported, "which is no file"},
        {{{"location", "none.bin"}}, Fault::not_found, "which is not there"},
        {{{"location", "w.bin"}, {"offset", "4"}}, Fault::corrupt, "needs 8 bytes from 4 on"},
        {{{"location", "w.bin"}, {"offset", "18446744073709551615"}}, Fault::corrupt, "needs 8 bytes from"},
        {{{"location", "w.bin"}, {"offset", "-1"}}, Fault::corrupt, "has an offset of '-1'"},
        {{{"location", "w.bin"}, {"length", "7"}}, Fault::corrupt, "has 7 bytes where"},
    };
    for (const auto& wrong : cases) {
        CAPTURE(wrong.message);
        const auto model = Model::load(scratch.write("m.onnx", model_with(wrong.entries)));
        REQUIRE(!model);
        CAPTURE(model.error().message);
        CHECK(model.error().fault == wrong.fault);
        CHECK(model.error().message.find("tensor 'w'") != std::string::npos);
        CHECK(model.error().message.find(wrong.message) != std::string::npos);
    }
    const auto huge = Model::load(scratch.write("m.onnx", model_with({{"location", "w.bin"}}, 1 << 30)));
    REQUIRE(!huge);
    CHECK(huge.error().message.find("needs 4294967296 bytes") != std::string::npos);
}

TEST_CASE("a network as a drawing") {
    OnnxMaker maker;
    maker.input("x", {1, 4}).annotate("x", "UINT2").output("y");
    maker.constant("w\"", {4, 2}, {1, -1, 1, 1, -1, 1, 1, 1});
    maker.node("MatMul", {"x", "w\""}, "y");
    const auto model = maker.import();
    REQUIRE(model);
    CHECK(graphviz(model->graph()) ==
          "digraph \"made\" {\n"
          "  node [shape=box fontname=\"sans-serif\"]\n"
          "  in0 [shape=oval label=\"x\"]\n"
          "  n0 [label=\"y\\nMatMul\\n8 parameters\"]\n"
          "  in0 -> n0 [label=\"1x4 UINT2\"]\n"
          "  out0 [shape=oval label=\"y\"]\n"
          "  n0 -> out0 [label=\"1x2 INT5\"]\n"
          "}\n");
}

TEST_CASE("a large file is read block by block, to the same as at once; with what it lacks or has too much of it is refused") {
    const Scratch scratch;
    OnnxMaker maker;
    maker.input("x", {1, 300}).output("y").constant("w", {300, 1000}).constant("b", {1000}, std::vector<float>(1000, 0.5F));
    maker.node("MatMul", {"x", "w"}, "h");
    maker.node("Add", {"h", "b"}, "y");
    const auto bytes = maker.bytes();
    REQUIRE(bytes.size() > std::size_t{1} << 20);
    const auto loaded = Model::load(scratch.write("m.onnx", bytes)).value();
    const auto parsed = Model::parse(bytes, "m.onnx").value();
    CHECK(graphviz(loaded.graph()) == graphviz(parsed.graph()));
    const std::vector<double> ones(300, 1);
    CHECK(run(loaded, ones) == run(parsed, ones));
    CHECK(cut(loaded, {})->front().onnx == cut(parsed, {})->front().onnx);

    for (const auto& wrong : {bytes.substr(0, bytes.size() - 1), bytes + std::string(1000, '\x0f'), std::string(2 << 20, '\xff')}) {
        const auto refused = Model::load(scratch.write("wrong.onnx", wrong));
        REQUIRE_FALSE(refused);
        CHECK(refused.error().fault == Fault::corrupt);
        CHECK(refused.error().message.find("wrong.onnx: not an ONNX model") != std::string::npos);
    }

    OnnxMaker many;  // of small parts
    many.input("x", {1}).output("y");
    for (int i = 0; i < 40'000; ++i)
        many.constant("unread" + std::to_string(i), {1}, {1});
    many.node("Relu", {"x"}, "y");
    CHECK(run(Model::load(scratch.write("many.onnx", many.bytes())).value(), {-1}) == std::vector<double>{0});
}
