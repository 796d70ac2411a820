#include "overlays/finn/deployment.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <doctest/doctest.h>

#include "overlays/finn/merge.hpp"
#include "overlays/package/library.hpp"
#include "tests/finn/made_deployment.hpp"
#include "tests/scratch_dir.hpp"

using namespace fard;
using namespace fard::finn;
using fard::test::MadeDeployment;
namespace fs = std::filesystem;

namespace {

MadeDeployment small() {
    MadeDeployment made;
    made.inputs = {{DataType::uint(8), {1, 28, 28, 1}, 1}};
    made.outputs = {{DataType::uint(4), {1, 10}, 5}};
    return made;
}

DeploymentFiles files_of(const MadeDeployment& made) {
    DeploymentFiles out{"deploy", made.files()};
    std::erase_if(out.files, [](const auto& entry) { return entry.first.ends_with("_base.py") || entry.first.find("/finn/") != std::string::npos ||
                                                            entry.first.find("/qonnx/") != std::string::npos || entry.first.ends_with("validate.py"); });
    return out;
}

fs::path write(const ScratchDir& scratch, const MadeDeployment& made) {
    for (const auto& [name, bytes] : made.files()) {
        fs::create_directories((scratch.path() / "deploy" / name).parent_path());
        std::ofstream(scratch.path() / "deploy" / name, std::ios::binary) << bytes;
    }
    return scratch.path() / "deploy";
}

fs::path write_zip(const ScratchDir& scratch, const MadeDeployment& made) {
    const auto path = scratch.path() / "deploy.zip";
    auto* zip = archive_write_new();
    archive_write_set_format_zip(zip);
    REQUIRE(archive_write_open_filename(zip, path.c_str()) == ARCHIVE_OK);
    for (const auto& [name, bytes] : made.files()) {
        auto* entry = archive_entry_new();
        archive_entry_set_pathname(entry, ("deploy/" + name).c_str());
        archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_write_header(zip, entry);
        archive_write_data(zip, bytes.data(), bytes.size());
        archive_entry_free(entry);
    }
    archive_write_free(zip);
    return path;
}

bool says(const Error& error, const std::vector<std::string>& words) {
    for (const auto& word : words)
        if (error.message.find(word) == std::string::npos) {
            MESSAGE(error.message, " lacks ", word);
            return false;
        }
    return true;
}

Error complaint(const DeploymentFiles& files, const ImportOptions& options = {}) {
    const auto imported = import_deployment(files, options);
    REQUIRE_FALSE(imported);
    return imported.error();
}

void replace(std::string& text, const std::string& what, const std::string& with) {
    const auto at = text.find(what);
    REQUIRE(at != std::string::npos);
    text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("a deployment becomes the same package from a directory and from a zip") {
    const ScratchDir scratch;
    auto made = small();
    made.runtime_weights = {{"0_0_MVAU_hls_0.dat", "00000001\n"}};
    const auto from_directory = import_deployment(read_deployment(write(scratch, made)).value(), {}).value();
    const auto from_zip = import_deployment(read_deployment(write_zip(scratch, made)).value(), {}).value();
    CHECK(from_directory.files == from_zip.files);
    CHECK(from_directory.manifest.to_toml() == from_zip.manifest.to_toml());

    const auto& build = from_directory.manifest.hardware.at(0);
    CHECK(build.part == "7z020clg484");
    CHECK(build.clock_mhz == 100);
    CHECK(build.registers.size() == 3);
    CHECK(build.inputs.at(0).dma == "idma0");
    CHECK(build.inputs.at(0).packed == std::vector<std::int64_t>{1, 28, 28, 1, 1});
    CHECK(build.outputs.at(0).folded == std::vector<std::int64_t>{1, 2, 5});
    CHECK(build.outputs.at(0).packed == std::vector<std::int64_t>{1, 2, 3});
    CHECK(build.weights.at(0).block == "StreamingDataflowPartition_0");
    CHECK(from_directory.manifest.inputs.at(0).type == DataType::uint(8));
    CHECK(from_directory.manifest.outputs.at(0).layout == "NC");
    CHECK_FALSE(from_directory.files.contains("driver_base.py"));

    const auto library = Library::open(scratch.path() / "library").value();
    const auto package = library.add(from_directory.manifest, from_directory.files).value();
    CHECK(Package::open(package.dir).value().manifest.hardware == from_directory.manifest.hardware);
    CHECK(library.find(package.id.substr(0, 8)).value().id == package.id);
    CHECK(library.add_archive(fard::archive(package).value()).value().id == package.id);
    CHECK(library.list().value().size() == 1);
}

TEST_CASE("a bitstream alone is a package too") {
    const ScratchDir scratch;
    const auto made = small();
    const auto bit = scratch.write("lone.bit", made.bitstream.bit());
    auto imported = import_deployment(read_deployment(bit).value(), {}).value();
    CHECK(imported.manifest.name == "lone");
    CHECK(imported.manifest.inputs.empty());
    CHECK(imported.notes.size() == 2);
    scratch.write("lone.hwh", made.handoff());
    imported = import_deployment(read_deployment(bit).value(), {.name = "mine", .network = {}}).value();
    CHECK(imported.manifest.name == "mine");
    CHECK(imported.manifest.hardware.at(0).registers.size() == 2);
    CHECK(Library::open(scratch.path() / "l").value().add(imported.manifest, imported.files));
    const auto bin = scratch.write("turned.bin", made.bitstream.bin());
    CHECK(says(complaint(read_deployment(bin).value()), {"which part", ".bit"}));
}

TEST_CASE("contradictions name both sides") {
    auto files = files_of(small());
    auto& driver = files.files["driver/driver.py"];
    SUBCASE("a DMA that the hand-off does not have") {
        replace(driver, "['odma0']", "['odma3']");
        CHECK(says(complaint(files), {"driver.py:", "'odma3'", "finn-accel.hwh", "idma0, odma0"}));
    }
    SUBCASE("shapes of another number of elements") {
        replace(driver, "\"ishape_folded\" : [(1, 28, 28, 1, 1)]", "\"ishape_folded\" : [(1, 28, 27, 1, 1)]");
        CHECK(says(complaint(files), {"driver.py:", "not the same number of elements"}));
    }
    SUBCASE("words of another size") {
        replace(driver, "\"oshape_packed\" : [(1, 2, 3)]", "\"oshape_packed\" : [(1, 2, 5)]");
        CHECK(says(complaint(files), {"(1, 2, 5)", "(1, 2, 3)"}));
    }
    SUBCASE("a hand-off of another part") {
        auto other = small();
        other.package = "clg400";
        files.files["bitfile/finn-accel.hwh"] = other.handoff();
        CHECK(says(complaint(files), {"7z020clg484", "7z020clg400", "different designs"}));
    }
    SUBCASE("weights of a partition that is not there") {
        files.files["driver/runtime_weights/7_0_MVAU.dat"] = "1";
        CHECK(says(complaint(files), {"7_0_MVAU.dat", "StreamingDataflowPartition_7"}));
    }
    SUBCASE("external weights that are missing") {
        replace(driver, "\"number_of_external_weights\": 0", "\"number_of_external_weights\": 2");
        CHECK(says(complaint(files), {"counts 2", "holds 0"}));
    }
    SUBCASE("a type that is none, a count that is wrong, a key that is missing") {
        replace(driver, "DataType['UINT4']", "DataType['FIXED<4,2>']");
        CHECK(says(complaint(files), {"driver.py:12", "FIXED"}));
        replace(driver, "DataType['FIXED<4,2>']", "DataType['UINT4']");
        replace(driver, "\"num_outputs\" : 1", "\"num_outputs\" : 2");
        CHECK(says(complaint(files), {"'num_outputs' is not the 1"}));
        replace(driver, "\"oshape_normal\"", "\"shape\"");
        CHECK(says(complaint(files), {"no 'oshape_normal'"}));
    }
    SUBCASE("no hand-off") {
        files.files.erase("bitfile/finn-accel.hwh");
        CHECK(says(complaint(files), {"driver.py", "no .hwh"}));
    }
    SUBCASE("no bitstream, or two") {
        files.files["other.bit"] = files.files["bitfile/finn-accel.bit"];
        CHECK(says(complaint(files), {"several bitstreams", "other.bit"}));
        std::erase_if(files.files, [](const auto& entry) { return entry.first.ends_with(".bit"); });
        CHECK(complaint(files).fault == Fault::not_found);
    }
    SUBCASE("a truncated bitstream") {
        files.files["bitfile/finn-accel.bit"].resize(200);
        CHECK(says(complaint(files), {"finn-accel.bit", "truncated"}));
    }
}

TEST_CASE("the network that it is said to be of is held against the driver") {
    const auto files = files_of(small());
    StageNetwork network{"stage.onnx", "onnx", {{"x", {1, 28, 28, 1}, "NHWC", DataType::uint(8)}}, {{"y", {1, 10}, "NC", DataType::uint(4)}}};
    const auto imported = import_deployment(files, {"", network}).value();
    CHECK(imported.manifest.inputs.at(0).name == "x");
    CHECK(imported.files.contains("stage.onnx"));
    auto flat = network;
    flat.inputs[0].shape = {1, 784};
    CHECK(import_deployment(files, {"", flat}));
    auto other = network;
    other.outputs[0].type = DataType::uint(3);
    CHECK(says(complaint(files, {"", other}), {"driver.py:", "UINT4", "UINT3", "not of this network"}));
    other = network;
    other.inputs[0].shape = {1, 14, 56, 1};
    CHECK(says(complaint(files, {"", other}), {"28, 28", "14, 56"}));
    other = network;
    other.outputs.push_back(other.outputs[0]);
    CHECK(says(complaint(files, {"", other}), {"1 outputs", "has 2"}));
}

TEST_CASE("builds for several parts share one package") {
    auto made = small();
    auto first = import_deployment(files_of(made), {}).value();
    made.package = "clg400";
    made.bitstream.part = "7z020clg400";
    made.bitstream.fill = 9;
    const auto second = import_deployment(files_of(made), {}).value();
    REQUIRE(add_builds(first.manifest, first.files, second));
    CHECK(first.manifest.hardware_for("xc7z020clg484-1")->bitstream == "finn-accel.bit");
    CHECK(first.manifest.hardware_for("xc7z020clg400-1")->bitstream == "finn-accel-7z020clg400.bit");
    const ScratchDir scratch;
    CHECK(Library::open(scratch.path()).value().add(first.manifest, first.files));
    CHECK(says(add_builds(first.manifest, first.files, second).error(), {"already"}));
    made.outputs[0].type = DataType::uint(8);
    CHECK(says(add_builds(first.manifest, first.files, import_deployment(files_of(made), {}).value()).error(), {"not builds of the same stage"}));
}

TEST_CASE("what is no deployment says so") {
    const ScratchDir scratch;
    CHECK(read_deployment(scratch.path() / "none").error().fault == Fault::not_found);
    CHECK(read_deployment(scratch.write("a.txt", "x")).error().fault == Fault::invalid_input);
    CHECK(read_deployment(scratch.write("a.zip", "no zip at all")).error().fault == Fault::corrupt);
    auto whole = write_zip(scratch, small());
    fs::resize_file(whole, fs::file_size(whole) / 2);
    CHECK_FALSE(import_deployment(read_deployment(whole).value_or(DeploymentFiles{"cut", {}}), {}));
}

TEST_CASE("the least lately used packages go first") {
    const auto entry = [](const char* name, std::uint64_t bytes, int age) {
        LibraryEntry out;
        out.package.id = name;
        out.bytes = bytes;
        out.used = fs::file_time_type{} - std::chrono::hours(age);
        return out;
    };
    const auto gone = to_remove({entry("old", 10, 9), entry("new", 10, 1), entry("middle", 10, 5)}, 20);
    REQUIRE(gone.size() == 1);
    CHECK(gone[0].package.id == "old");
    CHECK(to_remove({entry("a", 10, 1)}, 0).size() == 1);
    CHECK(to_remove({entry("a", 10, 1)}, 10).empty());
}

TEST_CASE("a file that is imported by itself is named once") {
    const ScratchDir scratch;
    const auto bit = small().bitstream.bit();
    const auto file = scratch.write("cut.bit", bit.substr(0, bit.size() / 2));
    const auto cut = import_deployment(read_deployment(file).value(), {}).error().message;
    CHECK_MESSAGE(cut.starts_with(file.string() + " is truncated"), cut);
    scratch.write("whole.bit", bit);
    scratch.write("whole.hwh", "no XML");
    const auto beside = import_deployment(read_deployment(scratch.path() / "whole.bit").value(), {}).error().message;
    CHECK_MESSAGE(beside.find((scratch.path() / "whole.hwh").string()) != std::string::npos, beside);
    CHECK(DeploymentFiles{.where = "cut.bit", .alone = true}.place_of("cut.bit") == "cut.bit");
    CHECK(DeploymentFiles{.where = "x.zip"}.place_of("deploy/a.bit") == "x.zip/deploy/a.bit");
}
