#include "overlays/profiles/board_profile.hpp"

#include <cstdlib>
#include <fstream>

#include "tests/overlays/scratch.hpp"

using namespace fard;

namespace {

std::filesystem::path boards() {
    const char* root = std::getenv("FARD_SOURCE_ROOT");
    return std::filesystem::path(root ? root : ".") / "overlays" / "boards";
}

const std::string five =
    "[resources]\n"
    "lut = { value = 1, source = 'FINN: x' }\nff = { value = 1, source = 'FINN: x' }\n"
    "bram18 = { value = 1, source = 'FINN: x' }\nuram = { value = 1, source = 'FINN: x' }\n"
    "dsp = { value = 1, source = 'FINN: x' }\n";
const std::string head =
    "format = 1\nname = 'b'\ntitle = 'B'\npart = { value = 'p', source = 'fitted: x' }\n";

void complains(const std::string& text, const std::string& about) {
    const auto profile = BoardProfile::parse(text, "b.toml");
    REQUIRE_FALSE(profile);
    INFO(profile.error().message);
    CHECK(profile.error().message.find(about) != std::string::npos);
}

}  // namespace

TEST_CASE("every profile that comes with fard is whole") {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(boards())) {
        if (entry.path().extension() != ".toml") continue;
        const auto name = entry.path().stem().string();
        const auto profile = load_board_profile(boards(), name);
        REQUIRE_MESSAGE(profile, (profile ? "" : profile.error().message));
        CHECK(profile->resources.size() == 5);
        if (profile->fabric)
            CHECK((profile->resources.at("lut").value > 50'000 && profile->reload));
        else
            CHECK((profile->resources.at("lut").value == 0 && profile->cpu && profile->cpu->mmac_per_s));
        ++count;
    }
    CHECK(count == 9);
}

TEST_CASE("the Zedboard is the papers' one") {
    const auto zedboard = load_board_profile(boards(), "zedboard").value();
    CHECK(zedboard.resources.at("lut").value == 53'200);
    CHECK(zedboard.resources.at("bram18").value == 280);
    CHECK(zedboard.resources.at("dsp").value == 220);
    CHECK(zedboard.reload->ms() == doctest::Approx(229.8));
    CHECK(zedboard.reload->base_ms.source.starts_with("paper: "));
    CHECK(zedboard.network->mbit_per_s.value == 100);
    CHECK(zedboard.power->watts.value == doctest::Approx(2.696));
    const auto& power = *zedboard.power;
    const auto parts = power.idle_watts->value + power.compute_watts->value + power.network_watts->value;
    CHECK(parts == doctest::Approx(power.watts.value).epsilon(0.01));  // at work, without a reload
    CHECK(power.reload_watts->source.starts_with("fitted: "));
    CHECK(zedboard.cpu->model == "Cortex-A9");
    CHECK_FALSE(load_board_profile(boards(), "u280")->cpu);
}

TEST_CASE("what is wrong with a profile is said with its line") {
    CHECK(BoardProfile::parse(head + five, "b.toml"));
    complains("format = 2\n", "format 2");
    complains("format = 1\nname = [", "b.toml:2");
    complains(head, "'resources' is missing");
    complains(head + "clok = 1\n" + five, "b.toml:5: 'clok' is not a key here");
    const auto power = head + five + "[power]\nwatts = ";
    complains(power + "229.8\n", "must have a value and a source");
    complains(power + "{ value = 1 }\n", "'source' is missing");
    complains(power + "{ value = 1, source = 'rumour: x' }\n", "must begin with one of");
    complains(power + "{ value = 1, source = 'paper: ' }\n", "must begin with one of");
    complains(power + "{ value = -1, source = 'paper: x' }\n", "must be a number >= 0");
    complains(power + "{ value = 1, source = 'paper: x', unit = 's' }\n", "'unit' is not a key");
    const auto x = [](const std::string& key, const std::string& value) {
        return key + " = { value = " + value + ", source = 'fitted: x' }\n";
    };
    complains(head + five + "[network]\n" + x("mbit_per_s", "1"), "'latency_us' is missing");
    complains(head + five + "[network]\n" + x("mbit_per_s", "0") + x("latency_us", "1"), "must be above 0");
    complains(head + five + "[fabric]\n" + x("clock_mhz", "100") + x("slots", "0"), "at least 1");
    complains(head + five + "[reload]\n" + x("base_ms", "1") + x("mbyte_per_s", "0") + x("bytes", "1"),
              "must be above 0");
    complains(head + five + "[network]\nmbits_per_s = 3\n", "'mbit_per_s' is missing");
    complains(head + "[resources]\nlut = { value = 1.5, source = 'FINN: x' }\n", "whole number");
    complains(head + five + "[cpu]\nmodel = 'x'\n", "'cores' is missing");
}

TEST_CASE("a name that is not there gets the nearest one") {
    const auto error = load_board_profile(boards(), "zedbord").error();
    CHECK(error.fault == Fault::not_found);
    CHECK(error.message.find("did you mean zedboard") != std::string::npos);
    CHECK(load_board_profile(boards(), "../boards/zedboard").error().fault == Fault::not_found);
    const Scratch scratch;
    std::filesystem::create_directory(scratch / "d");
    std::ofstream(scratch / "d" / "c.toml") << head << five;
    CHECK(load_board_profile(scratch / "d", "c").error().message.find("describes 'b'") != std::string::npos);
}

TEST_CASE("profiles are found beside the program, or where one is told") {
    CHECK(find_board_profiles_from("/nowhere/bin/fard", boards().string()).value() == boards());
    const Scratch scratch;
    std::filesystem::create_directories(scratch / "share/fard/boards");
    CHECK(find_board_profiles_from(scratch / "bin/fard", "").value() == scratch / "share/fard/boards");
    CHECK(find_board_profiles_from(scratch / "runtime/node_manager/fardd", "").value() == scratch / "share/fard/boards");
    const auto error = find_board_profiles_from("/nowhere/bin/fard", "").error();
    CHECK(error.message.find("/nowhere/share/fard/boards") != std::string::npos);
    CHECK(error.message.find("FARD_BOARDS") != std::string::npos);
}
