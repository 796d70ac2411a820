#include "overlays/package/package.hpp"

#include <fstream>

#include "tests/overlays/scratch.hpp"

using namespace fard;
namespace fs = std::filesystem;

TEST_CASE("SHA-256 is the standard's") {
    CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a package opens as it was written, and its id is its content's") {
    const Scratch scratch;
    const auto written = Package::write(scratch / "a", small_manifest(), small_files()).value();
    const auto opened = Package::open(scratch / "a").value();
    CHECK(opened.id == written.id);
    CHECK(opened.manifest.to_toml() == written.manifest.to_toml());
    CHECK(opened.manifest.files.size() == 3);
    CHECK(Package::write(scratch / "b", small_manifest(), small_files())->id == written.id);
    auto other = small_files();
    other["empty"] = "no longer";
    CHECK(Package::write(scratch / "c", small_manifest(), other)->id != written.id);
    CHECK(scratch.entries() == 3);
}

TEST_CASE("a damaged package says which file") {
    const Scratch scratch;
    REQUIRE(Package::write(scratch / "p", small_manifest(), small_files()));
    const auto complaint = [&] { return Package::open(scratch / "p").error(); };

    SUBCASE("changed") {
        std::ofstream(scratch / "p" / "stage.onnx") << "other";
        CHECK(complaint().fault == Fault::corrupt);
        CHECK(complaint().message.find("stage.onnx") != std::string::npos);
    }
    SUBCASE("missing") {
        fs::remove(scratch / "p" / "stage.onnx");
        CHECK(complaint().fault == Fault::corrupt);
        CHECK(complaint().message.find("lacks its file stage.onnx") != std::string::npos);
    }
    SUBCASE("more than listed") {
        std::ofstream(scratch / "p" / "virus") << "x";
        CHECK(complaint().fault == Fault::corrupt);
        CHECK(complaint().message.find("virus") != std::string::npos);
    }
    SUBCASE("a link in place of a file") {
        fs::rename(scratch / "p" / "stage.onnx", scratch / "elsewhere");
        fs::create_symlink(scratch / "elsewhere", scratch / "p" / "stage.onnx");
        CHECK(complaint().fault == Fault::invalid_input);
    }
    SUBCASE("no manifest") {
        fs::remove(scratch / "p" / "overlay.toml");
        CHECK(complaint().fault == Fault::not_found);
    }
}

TEST_CASE("what cannot be written leaves nothing") {
    const Scratch scratch;
    auto manifest = small_manifest();
    CHECK(Package::write(scratch / "p", manifest, {{"../climb", ""}}).error().fault == Fault::invalid_input);
    CHECK(Package::write(scratch / "p", manifest, {{"overlay.toml", ""}}).error().fault ==
          Fault::invalid_input);
    manifest.name = "\xff not UTF-8";
    CHECK(Package::write(scratch / "p", manifest, small_files()).error().fault == Fault::invalid_input);
    CHECK(Package::write(scratch / "no" / "such" / "p", small_manifest(), {}).error().fault == Fault::io);
    CHECK(scratch.is_empty());
    CHECK(Package::open(scratch / "p").error().fault == Fault::not_found);
}

TEST_CASE("a package never takes the place of what is there") {
    const Scratch scratch;
    fs::create_directory(scratch / "p");
    CHECK(Package::write(scratch / "p", small_manifest(), small_files()).error().fault ==
          Fault::invalid_input);
    CHECK(fs::is_empty(scratch / "p"));
    CHECK(scratch.entries() == 1);
}
