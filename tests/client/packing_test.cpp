#include "client/packing.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

#include "overlays/package/files.hpp"
#include "overlays/package/library.hpp"
#include "overlays/package/package.hpp"
#include "tests/scratch_dir.hpp"

using fard::AppFile;
using fard::DataType;

namespace {

std::filesystem::path apps_dir() {
    const char* root = std::getenv("FARD_SOURCE_ROOT");
    return std::filesystem::path(root ? root : ".") / "apps";
}

AppFile two_stage() {
    auto app = fard::read_app_file(apps_dir() / "two_stage_bnn.toml");
    REQUIRE_MESSAGE(app, app.error().message);
    return *app;
}

// Points the temporary directory elsewhere for the life of a test.
class TemporaryElsewhere {
  public:
    explicit TemporaryElsewhere(const std::filesystem::path& where) {
        if (const char* old = std::getenv("TMPDIR")) old_ = old;
        setenv("TMPDIR", where.c_str(), 1);
    }
    ~TemporaryElsewhere() { old_.empty() ? unsetenv("TMPDIR") : setenv("TMPDIR", old_.c_str(), 1); }

  private:
    std::string old_;
};

}  // namespace

TEST_CASE("an app is cut, and each stage packed for its position") {
    const ScratchDir dir;
    const TemporaryElsewhere temporary(dir.path());
    const AppFile app = two_stage();
    const auto packed = fard::pack_app(app);
    REQUIRE_MESSAGE(packed, packed.error().message);

    const auto& spec = packed->spec;
    CHECK(spec.name == "two_stage_bnn");
    CHECK(spec.chunk_timeout_ms == 60'000);
    CHECK(spec.window_bytes == 1u << 20);
    REQUIRE(spec.positions.size() == 2);
    CHECK(spec.positions[0].program == "first_stage");
    CHECK(spec.positions[1].program == "second_stage");
    CHECK(spec.positions[0].outputs == spec.positions[1].inputs);
    CHECK(fard::wire_bytes(spec.positions[0].inputs) == 3072);
    CHECK(fard::wire_bytes(spec.positions[0].outputs) == 64);
    CHECK(packed->inputs() == spec.positions[0].inputs);
    CHECK(packed->outputs()[0].name == "scores");

    REQUIRE(packed->archives.size() == 2);
    for (const auto& position : spec.positions) {
        CAPTURE(position.name);
        REQUIRE(packed->archives.count(position.overlay) == 1);
        const auto unpacked = fard::unpack_archive(*packed->archives.at(position.overlay), position.overlay,
                                                   dir.path() / position.name);
        REQUIRE_MESSAGE(unpacked, unpacked.error().message);
        CHECK(unpacked->manifest.name == "two_stage_bnn." + position.name);
        CHECK(unpacked->manifest.inputs == position.inputs);
        CHECK(unpacked->manifest.outputs == position.outputs);
        CHECK(!unpacked->manifest.layers.empty());
        CHECK(unpacked->manifest.files.count("stage.onnx") == 1);
        std::filesystem::remove_all(dir.path() / position.name);
    }
    CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("the same app gives the same packages") {
    const auto first = fard::pack_app(two_stage());
    const auto second = fard::pack_app(two_stage());
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->spec == second->spec);
    for (const auto& [id, bytes] : first->archives)
        CHECK(*second->archives.at(id) == *bytes);
}

TEST_CASE("six stages of MobileNet, at cuts of the bytes that its app file says") {
    const auto app = fard::read_app_file(apps_dir() / "mobilenet_six_stage.toml");
    REQUIRE(app);
    const auto packed = fard::pack_app(*app);
    REQUIRE_MESSAGE(packed, packed.error().message);
    std::vector<std::size_t> bytes;
    for (const auto& position : packed->spec.positions)
        bytes.push_back(fard::wire_bytes(position.inputs));
    CHECK(bytes == std::vector<std::size_t>{150'528, 50'176, 25'088, 50'176, 50'176, 12'544});
    CHECK(packed->archives.size() == 6);
}

TEST_CASE("a stage is planned for a slot where the boards have several, and for all of a board where a slot is too small") {
    const ScratchDir dir;
    const auto profiles = fard::find_board_profiles();
    REQUIRE(profiles);
    const auto zedboard = [&](std::int64_t slots) {
        auto profile = fard::load_board_profile(*profiles, "zedboard").value();
        profile.fabric->slots.value = slots;
        return profile;
    };
    const auto lut_of = [&](const AppFile& app, const std::vector<fard::BoardProfile>& boards, const std::string& to) {
        const auto packed = fard::pack_app(app, boards);
        REQUIRE_MESSAGE(packed, packed.error().message);
        const auto& position = packed->spec.positions.front();
        const auto unpacked = fard::unpack_archive(*packed->archives.at(position.overlay), position.overlay, dir.path() / to);
        REQUIRE(unpacked);
        REQUIRE(unpacked->manifest.hardware.size() == 1);
        return unpacked->manifest.hardware.front().resources.at("lut");
    };
    auto app = two_stage();
    const auto all = lut_of(app, {zedboard(1)}, "all"), half = lut_of(app, {zedboard(2)}, "half");
    CHECK(half <= 53'200 / 2);
    CHECK(all > half);
    CHECK(lut_of(app, {zedboard(2), zedboard(1)}, "both") == half);
    CHECK(lut_of(app, {zedboard(16), zedboard(1)}, "tiny") == all);  // a sixteenth has no room for it
    app.cluster.profile = "zedboard";
    app.cluster.slots = 2;
    CHECK(lut_of(app, {}, "own") == half);
}

TEST_CASE("without a model the tensors pass through") {
    AppFile app;
    app.name = "copy";
    app.input.tensors = {{"bytes", {1, 64}, "", DataType::uint(8), "UINT8"}};
    app.positions.resize(3);
    app.positions[1].replicas = 2;
    app.positions[1].params = {{"delay", "3"}};
    const auto packed = fard::pack_app(app);
    REQUIRE(packed);
    CHECK(packed->archives.empty());
    REQUIRE(packed->spec.positions.size() == 3);
    CHECK(packed->spec.positions[1].replicas == 2);
    CHECK(packed->spec.positions[1].params.at("delay") == "3");
    for (const auto& position : packed->spec.positions) {
        CHECK(position.overlay.empty());
        CHECK(position.inputs == app.input.tensors);
        CHECK(position.outputs == app.input.tensors);
    }
}

TEST_CASE("a wrong model or cut is an error that names the file, and leaves nothing") {
    const ScratchDir dir;
    const TemporaryElsewhere temporary(dir.path());
    AppFile app = two_stage();
    app.model->cuts = {{"Threshold_conv_6"}};
    const auto wrong_cut = fard::pack_app(app);
    REQUIRE_FALSE(wrong_cut);
    CHECK(wrong_cut.error().fault == fard::Fault::invalid_input);
    CHECK_MESSAGE(wrong_cut.error().message.find("two_stage_bnn.toml: ") != std::string::npos,
                  wrong_cut.error().message);
    CHECK_MESSAGE(wrong_cut.error().message.find("did you mean Threshold_conv_") != std::string::npos,
                  wrong_cut.error().message);

    app.model->file = dir.path() / "none.onnx";
    const auto missing = fard::pack_app(app);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().message.find("none.onnx") != std::string::npos);
    app.model->file = dir.write("bad.onnx", "not a model");
    CHECK_FALSE(fard::pack_app(app));
    std::filesystem::remove(dir.path() / "bad.onnx");
    CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("each part of a stage gets the package that the position names for it") {
    const ScratchDir dir;
    auto app = two_stage();
    app.positions[0].parts = 2;
    const auto packed = fard::pack_app(app).value();
    auto& named = app.positions[0].overlays;
    for (const auto& part : packed.spec.positions[0].parts) {
        auto plain = fard::unpack_archive(*packed.archives.at(part.overlay), part.overlay, dir.path() / std::to_string(named.size())).value();
        plain.manifest.version = "built";
        const auto built = fard::Package::write(dir.path() / ("built" + std::to_string(named.size())), plain.manifest,
                                                {{"stage.onnx", std::string(fard::read_regular_file(plain.dir / "stage.onnx", 1 << 24).value())}}).value();
        named.push_back(built.dir.string());
    }
    const auto with = fard::pack_app(app).value();
    REQUIRE(with.spec.positions[0].parts.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(with.spec.positions[0].parts[i].overlay == fard::Package::open(named[i]).value().id);
        CHECK(with.spec.positions[0].parts[i].outputs == packed.spec.positions[0].parts[i].outputs);
    }
}

TEST_CASE("a plan for boards that the cluster lacks is made anew; a bitstream for them is not") {
    const ScratchDir dir;
    const auto packed = fard::pack_app(two_stage()).value();
    const auto& id = packed.spec.positions[1].overlay;
    auto plain = fard::unpack_archive(*packed.archives.at(id), id, dir.path() / "plain").value();
    plain.manifest.hardware.push_back({.part = "xczu9eg-ffvb1156-2-e", .figures = "mended estimates", .clock_mhz = 100, .interval_cycles = 1});
    const auto own = fard::Package::write(dir.path() / "own", plain.manifest,
                                          {{"stage.onnx", std::string(fard::read_regular_file(plain.dir / "stage.onnx", 1 << 24).value())}}).value();
    auto app = two_stage();
    app.positions[1].overlays = {own.dir.string()};
    const auto profile = [](const char* name) { return fard::load_board_profile(fard::find_board_profiles().value(), name).value(); };
    const auto zedboard = profile("zedboard"), zcu102 = profile("zcu102");
    CHECK(fard::pack_app(app, {zcu102}).value().spec.positions[1].overlay == own.id);
    const auto anew = fard::pack_app(app, {zedboard}).value();
    CHECK(anew.spec.positions[1].overlay != own.id);
    const auto builds = [](const fard::PackedApp& of) { return of.hardware.at(of.spec.positions[1].overlay); };
    CHECK(builds(anew).front().part == zedboard.part.value);
    REQUIRE(anew.notes.size() == 1);
    CHECK(anew.notes.front().find("was not planned for a zedboard") != std::string::npos);

    const auto both = builds(fard::pack_app(app, {zcu102, zedboard}).value());
    REQUIRE(both.size() == 2);
    CHECK(both[0].interval_cycles == 1);
    CHECK(both[1].part == zedboard.part.value);

    // What fits a whole board may not fit a slot of it.
    auto slots = zcu102;
    slots.fabric->slots.value = 2;
    auto large = plain.manifest;
    large.hardware.back().resources["lut"] = zcu102.resources.at("lut").value * 2 / 3;
    const auto whole = fard::Package::write(dir.path() / "large", large,
                                            {{"stage.onnx", std::string(fard::read_regular_file(plain.dir / "stage.onnx", 1 << 24).value())}}).value();
    app.positions[1].overlays = {whole.dir.string()};
    CHECK(fard::pack_app(app, {zcu102}).value().spec.positions[1].overlay == whole.id);
    CHECK(builds(fard::pack_app(app, {slots}).value()).front().interval_cycles > 1);
}

TEST_CASE("a position that names an overlay gets that package, if it is of its stage") {
    const ScratchDir dir;
    const auto packed = fard::pack_app(two_stage()).value();
    const auto unpack = [&](std::size_t position, const char* name) {
        const auto& id = packed.spec.positions[position].overlay;
        return fard::unpack_archive(*packed.archives.at(id), id, dir.path() / name).value();
    };
    auto built = unpack(1, "plain");
    built.manifest.hardware.push_back({.part = "7z020clg484", .clock_mhz = 100});
    const auto own = fard::Package::write(dir.path() / "built", built.manifest,
                                          {{"stage.onnx", std::string(fard::read_regular_file(built.dir / "stage.onnx", 1 << 24).value())}}).value();
    auto app = two_stage();
    app.positions[1].overlays = {own.dir.string()};
    const auto with = fard::pack_app(app).value();
    CHECK(with.spec.positions[1].overlay == own.id);
    CHECK(with.archives.contains(own.id));
    CHECK(with.spec.positions[1].inputs == packed.spec.positions[1].inputs);
    CHECK(with.spec.positions[0].overlay == packed.spec.positions[0].overlay);

    app.positions[1].overlays = {unpack(0, "other").dir.string()};
    const auto wrong = fard::pack_app(app).error();
    CHECK(wrong.fault == fard::Fault::invalid_input);
    CHECK_MESSAGE(wrong.message.find("it is of another stage") != std::string::npos, wrong.message);

    setenv("XDG_DATA_HOME", dir.path().c_str(), 1);
    const auto library = fard::Library::open(fard::Library::own_dir()).value();
    REQUIRE(library.add_archive(fard::archive(own).value()));
    for (const std::string& what : {own.id.substr(0, 10), own.manifest.name}) {
        app.positions[1].overlays = {what};
        CHECK(fard::pack_app(app).value().spec.positions[1].overlay == own.id);
    }
    app.positions[1].overlays = {"nothing"};
    CHECK(fard::pack_app(app).error().fault == fard::Fault::not_found);
    unsetenv("XDG_DATA_HOME");
}
