#include "tests/overlays/scratch.hpp"

using namespace fard;

namespace {

const std::string no_files = "[files]\n";
const std::string tensor =
    "name = 'x'\nshape = [1, 4]\nlayout = 'NC'\ntype = 'UINT4'\ndeclared = 'FLOAT32'\n";
const std::string tensors = "[[input]]\n" + tensor + "[[output]]\n" + tensor;
const std::string head = "format = 1\nname = 'n'\nversion = '1'\n";

std::string complaint(const std::string& toml) {
    const auto manifest = Manifest::parse(toml, "overlay.toml");
    return manifest ? "none" : manifest.error().message;
}

bool complains(const std::string& toml, const std::string& about) {
    const auto text = complaint(toml);
    INFO(text);
    CHECK(text.find(about) != std::string::npos);
    return text.find(about) != std::string::npos;
}

}  // namespace

TEST_CASE("a manifest survives writing and reading, byte for byte") {
    auto manifest = small_manifest();
    manifest.files["stage.onnx"] = std::string(64, 'a');
    const auto text = manifest.to_toml();
    const auto back = Manifest::parse(text, "overlay.toml").value();
    CHECK(back.to_toml() == text);
    CHECK(back.name == manifest.name);
    CHECK(back.part == manifest.part);
    CHECK(back.inputs == manifest.inputs);
    CHECK(back.outputs == manifest.outputs);
    CHECK(back.layers == manifest.layers);
    CHECK(back.files == manifest.files);
    CHECK(back.resources == manifest.resources);
    CHECK(back.cycles == manifest.cycles);
    CHECK(back.clock_mhz == manifest.clock_mhz);
}

TEST_CASE("the least manifest is enough") {
    CHECK(complaint(head + no_files + tensors) == "none");
}

TEST_CASE("what is wrong with a manifest is said with its line") {
    complains("format = 1\nname = ", "overlay.toml:2:");
    complains("", "format 0");
    complains("format = 2\n", "format 2");
    complains(head + "speed = 9\n" + no_files + tensors, "overlay.toml:4: 'speed' is not a key");
    complains("format = 1\nversion = '1'\n" + no_files + tensors, "'name' is missing");
    complains("format = 1\nname = 7\nversion = '1'\n" + no_files + tensors,
              "overlay.toml:2: 'name' must be a string");
    complains("format = 1\nname = ''\nversion = '1'\n" + no_files + tensors, "name is empty");
    complains("format = 1\nname = 'a\\nb'\nversion = '1'\n" + no_files, "is missing");
    complains("format = 1\nname = \"a\\nb\"\nversion = '1'\n" + no_files, "control characters");
    complains(head + "cycles = -1\n" + no_files + tensors, "'cycles' must be");
    complains(head + "clock_mhz = inf\n" + no_files + tensors, "'clock_mhz' must be");
    complains(head + tensors, "'files' is missing");
    complains(head + "[resources]\nluts = 1\n" + no_files + tensors, "'luts' is not a key");
    complains(head + no_files + "[[output]]\n" + tensor, "'input' is missing");
    complains(head + "input = []\n" + no_files, "1 to 256 tensors");
}

TEST_CASE("file names that could leave the package are refused") {
    for (const char* name :
         {"../x", "/etc/passwd", "a/b", ".hidden", "..", "overlay.toml", "", "a b", "a\\\\b"})
        complains(head + "[files]\n\"" + name + "\" = '" + std::string(64, '0') + "'\n" + tensors,
                  "cannot be a file");
    complains(head + "[files]\n'a' = 'beef'\n" + tensors, "SHA-256");
}

TEST_CASE("tensors that no memory holds are refused") {
    const auto with_shape = [](const std::string& shape) {
        return head + no_files +
               "[[input]]\nname='x'\nlayout=''\ntype='INT8'\ndeclared='FLOAT32'\nshape=" + shape + "\n";
    };
    for (const char* shape :
         {"[0]", "[-1]", "[4294967296]", "[65536, 65536]", "[9223372036854775807, 2]", "[1.5]"})
        complains(with_shape(shape), "extents");
    complains(with_shape("[1,1,1,1,1,1,1,1,1]"), "at most 8");
    complains(with_shape("3"), "list");
    complains(head + no_files + "[[input]]\nname='x'\nlayout='CHW'\ntype='INT8'\ndeclared='F'\nshape=[1]\n",
              "CHW");
    complains(head + no_files + "[[input]]\nname='x'\nlayout=''\ntype='INT99'\ndeclared='F'\nshape=[1]\n",
              "INT99");
}
