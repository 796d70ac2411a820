// `fard overlay`: packages of accelerators, from FINN's deployment to a signed archive, and from a node manager.
#include <doctest/doctest.h>

#include <fstream>

#include "tests/e2e/harness.hpp"
#include "tests/finn/made_deployment.hpp"
#include "tests/has.hpp"

using namespace fard;
using namespace fard::e2e;

namespace {

fs::path write(const World& world, const std::string& name, const test::MadeDeployment& made) {
    const auto directory = world.files().path() / name;
    for (const auto& [path, bytes] : made.files()) {
        fs::create_directories((directory / path).parent_path());
        std::ofstream(directory / path, std::ios::binary) << bytes;
    }
    return directory;
}

test::MadeDeployment small() {
    test::MadeDeployment made;
    made.inputs = {{DataType::uint(8), {1, 28, 28, 1}, 1}};
    made.outputs = {{DataType::uint(4), {1, 10}, 5}};
    return made;
}

// With a library of the test's own.
Outcome overlay(const World& world, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "overlay");
    arguments.insert(arguments.end(), {"--store", (world.files().path() / "store").string()});
    return world.fard(arguments);
}

std::string id_of(const Outcome& outcome) {
    REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
    return outcome.out.substr(0, 64);
}

}  // namespace

TEST_CASE("a deployment's way through the library") {
    const World world;
    const auto store = (world.files().path() / "store").string();
    const auto fard = [&](std::vector<std::string> arguments) { return overlay(world, std::move(arguments)); };
    auto made = small();
    const auto id = id_of(fard({"import", write(world, "deploy", made).string(), "--name", "mine"}));
    const auto info = fard({"info", "mine", "--json"}).json();
    CHECK(info["id"] == id);
    CHECK(info["hardware"][0]["part"] == "7z020clg484");
    CHECK(info["hardware"][0]["bitstream"]["date"] == "2024/03/01");
    CHECK(info["hardware"][0]["accelerators"].size() == 2);
    CHECK(has(fard({"info", id.substr(0, 6)}).out, "0x40010000"));
    CHECK(has(fard({"list"}).out, "7z020clg484"));

    CHECK(fard({"verify"}).exit_code == 0);
    CHECK(has(fard({"verify", "mine", "--board", "zedboard"}).out, "can be programmed"));
    const auto refused = fard({"verify", "mine", "--part", "xc7z020clg400-1"});
    CHECK(refused.exit_code == 2);
    CHECK(has(refused.err, "same die"));
    CHECK(fard({"verify", "mine", "--part", "xc7z020clg400-1", "--accept-part", "7z020clg484"}).exit_code == 0);

    made.package = "clg400";
    made.bitstream.part = "7z020clg400";
    made.bitstream.fill = 77;
    const auto both = id_of(fard({"import", write(world, "pynq", made).string(), "--into", id}));
    CHECK(fard({"verify", both, "--part", "xc7z020clg400-1"}).exit_code == 0);

    const auto key = (world.files().path() / "key").string();
    const auto signer = id_of(fard({"new-key", "--key", key}));
    const auto with_signature = id_of(fard({"sign", both, "--key", key}));
    CHECK(fard({"verify", with_signature, "--signer", signer}).exit_code == 0);
    CHECK(fard({"verify", with_signature, "--signer", std::string(64, 'a')}).exit_code == 1);
    CHECK(fard({"verify", both, "--signer", signer}).exit_code == 1);

    const auto tar = (world.files().path() / "p.tar").string();
    REQUIRE(fard({"export", with_signature, "--out", tar}).exit_code == 0);
    CHECK(fard({"gc", "--keep", "0"}).exit_code == 0);
    CHECK(fard({"list", "--json"}).json()["packages"].empty());
    CHECK(id_of(fard({"import", tar})) == with_signature);

    std::ofstream(fs::path(store) / with_signature / "finn-accel.bit", std::ios::app) << "x";
    const auto damaged = fard({"verify"});
    CHECK(damaged.exit_code == 2);
    CHECK(has(damaged.err, "finn-accel.bit"));
    CHECK(fard({"info", "nothing"}).exit_code == 2);
    CHECK(has(fard({"inport", "x"}).err, "did you mean import"));
}

TEST_CASE("the real bitstream of the test data") {
    const auto data = test_data();
    if (!data) return;
    const World world;
    const auto bit = (*data / "bitstreams" / "cnvW2A2-pynqZ1-Z2.bit").string();
    REQUIRE(overlay(world, {"import", bit}).exit_code == 0);
    const auto text = overlay(world, {"info", "cnvW2A2-pynqZ1-Z2"}).out;
    for (const char* part : {"7z020clg400", "2018/09/20", "4045564 bytes", "BlackBoxJam_0", "0x43c00000", "sync word at byte 48"})
        CHECK_MESSAGE(has(text, part), part);
    CHECK(overlay(world, {"verify", "cnvW2A2-pynqZ1-Z2", "--board", "pynq-z1"}).exit_code == 0);
    const auto refused = overlay(world, {"verify", "cnvW2A2-pynqZ1-Z2", "--board", "zedboard"});
    CHECK(refused.exit_code == 2);
    CHECK_MESSAGE(has(refused.err, "accept_parts"), refused.err);
}

TEST_CASE("pack makes a package of a directory, and says what is wrong with it") {
    const World world;
    const auto directory = world.files().path() / "raw";
    fs::create_directories(directory);
    std::ofstream(directory / "stage.onnx") << "onnx";
    const std::string tensor = "name = \"t\"\nshape = [1, 4]\nlayout = \"NC\"\ntype = \"UINT8\"\ndeclared = \"FLOAT32\"\n";
    std::ofstream(directory / "overlay.toml") << "format = 2\nname = \"raw\"\nversion = \"3\"\n[[input]]\n" + tensor + "[[output]]\n" + tensor;
    const auto id = id_of(overlay(world, {"pack", directory.string()}));
    CHECK(overlay(world, {"info", id, "--json"}).json()["version"] == "3");
    std::ofstream(directory / "overlay.toml", std::ios::app) << "[nonsense]\n";
    const auto wrong = overlay(world, {"pack", directory.string()});
    CHECK(wrong.exit_code == 2);
    CHECK(has(wrong.err, "overlay.toml"));
    CHECK(overlay(world, {"pack", (directory / "none").string()}).exit_code == 2);
}
