#include "tests/overlays/scratch.hpp"

using namespace fard;

namespace {

const std::string no_files = "[files]\n";
const std::string tensor =
    "name = 'x'\nshape = [1, 4]\nlayout = 'NC'\ntype = 'UINT4'\ndeclared = 'FLOAT32'\n";
const std::string tensors = "[[input]]\n" + tensor + "[[output]]\n" + tensor;
const std::string head = "format = 2\nname = 'n'\nversion = '1'\n";
const std::string old_head = "format = 1\nname = 'n'\nversion = '1'\n";

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
    for (const char* file : {"stage.onnx", "finn-accel.bit", "empty"})
        manifest.files[file] = std::string(64, 'a');
    manifest.hardware[0].bitstream = "finn-accel.bit";
    manifest.hardware[0].device_tree = "empty";
    manifest.hardware[0].partial = true;
    manifest.hardware[0].weights = {{"empty", "idma0"}};
    const auto text = manifest.to_toml();
    const auto back = Manifest::parse(text, "overlay.toml").value();
    CHECK(back.to_toml() == text);
    CHECK(back.name == manifest.name);
    CHECK(back.inputs == manifest.inputs);
    CHECK(back.outputs == manifest.outputs);
    CHECK(back.layers == manifest.layers);
    CHECK(back.files == manifest.files);
    CHECK(back.hardware == manifest.hardware);
}

TEST_CASE("the least manifest is enough") {
    CHECK(complaint(head + no_files + tensors) == "none");
}

TEST_CASE("what is wrong with a manifest is said with its line") {
    complains("format = 1\nname = ", "overlay.toml:2:");
    complains("", "format 0");
    complains("format = 3\n", "format 3");
    complains(head + "speed = 9\n" + no_files + tensors, "overlay.toml:4: 'speed' is not a key");
    complains("format = 1\nversion = '1'\n" + no_files + tensors, "'name' is missing");
    complains("format = 1\nname = 7\nversion = '1'\n" + no_files + tensors,
              "overlay.toml:2: 'name' must be a string");
    complains("format = 1\nname = ''\nversion = '1'\n" + no_files + tensors, "name is empty");
    complains("format = 1\nname = 'a\\nb'\nversion = '1'\n" + no_files, "is missing");
    complains("format = 1\nname = \"a\\nb\"\nversion = '1'\n" + no_files, "control characters");
    complains(old_head + "cycles = -1\n" + no_files + tensors, "'cycles' must be");
    complains(old_head + "clock_mhz = inf\n" + no_files + tensors, "'clock_mhz' must be");
    complains(head + "cycles = 1\n" + no_files + tensors, "'cycles' is not a key");
    complains(head + tensors, "'files' is missing");
    complains(old_head + "[resources]\nluts = 1\n" + no_files + tensors, "'luts' is not a key");
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

TEST_CASE("a manifest of format 1 is read, its cycles are those between two chunks") {
    const auto manifest = Manifest::parse(old_head + "part = 'xc7z020clg484-1'\ncycles = 900\nclock_mhz = 100\n[resources]\nlut = 7\n" +
                                              no_files + tensors,
                                          "overlay.toml")
                              .value();
    REQUIRE(manifest.hardware.size() == 1);
    CHECK(manifest.hardware[0].part == "xc7z020clg484-1");
    CHECK(manifest.hardware[0].interval_cycles == 900);
    CHECK(manifest.hardware[0].latency_cycles == 0);
    CHECK(manifest.hardware[0].resources.at("lut") == 7);
    CHECK(manifest.to_toml().starts_with("format = 2\n"));
    CHECK(Manifest::parse(old_head + "cycles = 0\n" + no_files + tensors, "").value().hardware.empty());
    complains(old_head + no_files + tensors + "[[hardware]]\npart = ''\n", "'hardware' is not a key");
}

TEST_CASE("the build for a board is the one of its part, else the one for any") {
    Manifest manifest;
    for (const char* part : {"", "xc7z020clg484-1", "xczu9eg-ffvb1156-2-e"})
        manifest.hardware.emplace_back().part = part;
    CHECK(manifest.hardware_for("7z020clg484")->part == "xc7z020clg484-1");
    CHECK(manifest.hardware_for("XC7Z020CLG484-2")->part == "xc7z020clg484-1");
    CHECK(manifest.hardware_for("xc7z020clg400-1")->part.empty());
    manifest.hardware.erase(manifest.hardware.begin());
    CHECK(manifest.hardware_for("xc7z020clg400-1") == nullptr);
}

TEST_CASE("hardware that contradicts itself is refused") {
    const std::string files = "[files]\n'a.bit' = '" + std::string(64, '0') + "'\n";
    const auto with = [&](const std::string& hardware) {
        return head + files + tensors + "[[hardware]]\npart = 'p'\n" + hardware;
    };
    const std::string block = "[[hardware.registers]]\nname = 'idma0'\naddress = 0x40000000\nbytes = 4096\n";
    CHECK(complaint(with("bitstream = 'a.bit'\n")) == "none");
    complains(with("bitstream = 'b.bit'\n"), "b.bit, which is not one of the package's [files]");
    complains(with("speed = 1\n"), "'speed' is not a key");
    complains(with("partial = 1\n"), "'partial' must be true or false");
    complains(with("[[hardware]]\npart = 'p'\n"), "'p' twice");
    complains(with("[hardware.folding.u]\nPE = 1.5\n"), "'PE' of u must be");
    complains(with("folding = 3\n"), "table of units");
    complains(with(block + block), "'idma0' are there twice");
    complains(with(block + "[[hardware.registers]]\nname = 'x'\naddress = 0x40000ffc\nbytes = 8\n"), "'idma0' and 'x' overlap");
    complains(with("[[hardware.registers]]\nname = 'x'\naddress = 0\nbytes = 0\n"), "no bytes");
    complains(with("[[hardware.weights]]\nfile = 'a.bit'\nblock = 'idma0'\n"), "none of the registers");
    const auto input = [&](const std::string& normal, const std::string& folded, const std::string& packed, const std::string& dma) {
        return with(block + "[[hardware.input]]\nnormal = " + normal + "\nfolded = " + folded + "\npacked = " + packed + "\ndma = '" +
                    dma + "'\n" + "[[hardware.output]]\nnormal = [1, 4]\nfolded = [1, 4]\npacked = [1, 2]\ndma = 'idma0'\n");
    };
    CHECK(complaint(input("[1, 4]", "[1, 2, 2]", "[1, 2, 1]", "idma0")) == "none");
    complains(input("[1, 5]", "[1, 5]", "[1, 3]", "idma0"), "'normal' has 5 elements");
    complains(input("[1, 4]", "[1, 2]", "[1, 1]", "idma0"), "'folded' must");
    complains(input("[1, 4]", "[1, 2, 2]", "[1, 4, 1]", "idma0"), "'packed' must");
    complains(input("[1, 4]", "[1, 2, 2]", "[1, 2, 2]", "idma0"), "a word of 2 elements of UINT4 has 1 bytes");
    complains(input("[1, 4]", "[]", "[]", "idma0"), "'folded' must");
    complains(input("[1, 4]", "[1, 4]", "[1, 2]", "odma0"), "'dma' is 'odma0'");
    complains(with(block + "[[hardware.input]]\nnormal = [1, 4]\nfolded = [1, 4]\npacked = [1, 2]\ndma = 'idma0'\n" +
                   "[[hardware.input]]\n"),
              "at most 1 tables");
}
