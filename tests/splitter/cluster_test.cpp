#include "splitter/cost/cluster.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

namespace fard {
namespace {

using namespace splitter;

std::filesystem::path boards() {
    const char* root = std::getenv("FARD_SOURCE_ROOT");
    return std::filesystem::path(root ? root : ".") / "overlays" / "boards";
}

Result<Cluster> parse(const std::string& text) {
    return parse_cluster(text, "c.toml", [](const std::string& name) { return load_board_profile(boards(), name); }, Fractions{});
}

void complains(const std::string& text, const std::string& about) {
    const auto cluster = parse(text);
    REQUIRE_FALSE(cluster);
    INFO(cluster.error().message);
    CHECK(cluster.error().message.find(about) != std::string::npos);
    CHECK(cluster.error().message.starts_with("c.toml"));
}

const std::string two =
    "[[board]]\nname = 'left'\nprofile = 'zedboard'\n[[board]]\nname = 'right'\nprofile = 'ultra96'\nmbit_per_s = 50\nslots = 2\nloaded = 'app.first'\n";

}  // namespace

TEST_CASE("boards of one profile, with FINN's fractions or one for all") {
    const auto profile = load_board_profile(boards(), "zedboard").value();
    const auto cluster = cluster_of(profile, 3, Fractions{}).value();
    REQUIRE(cluster.boards.size() == 3);
    CHECK(cluster.boards[2].name == "zedboard-2");
    CHECK(cluster.boards[0].usable.of == std::array<std::int64_t, 5>{37'240, 53'200, 224, 0, 176});
    CHECK(cluster.boards[0].clock_hz == 100e6);
    CHECK(cluster.boards[0].way.bytes_per_s == doctest::Approx(94.9e6 / 8).epsilon(1e-3));
    CHECK(cluster.client.bytes_per_s == cluster.boards[0].way.bytes_per_s);
    CHECK(cluster_of(profile, 1, Fractions::all(1))->boards[0].usable.of == std::array<std::int64_t, 5>{53'200, 106'400, 280, 0, 220});
    CHECK_FALSE(cluster_of(profile, 0, Fractions{}));
}

TEST_CASE("a computer has no fabric; what has one needs a clock") {
    auto profile = load_board_profile(boards(), "computer").value();
    const auto cluster = cluster_of(profile, 2, Fractions{}).value();
    CHECK(cluster.boards[0].whole == Resources{});
    CHECK(cluster.boards[0].slots == 1);
    CHECK(cluster.boards[0].macs_per_s > 1e9);
    profile.resources["lut"].value = 1;
    const auto clockless = cluster_of(profile, 2, Fractions{});
    REQUIRE_FALSE(clockless);
    CHECK(clockless.error().message.find("says no clock") != std::string::npos);
}

TEST_CASE("a cluster file of mixed boards") {
    const auto cluster = parse("input_at = 'left'\noutput_at = 'client'\n" + two + "[client]\nmbit_per_s = 1000\nlatency_us = 3\n").value();
    REQUIRE(cluster.boards.size() == 2);
    CHECK(cluster.input_at == 0u);
    CHECK_FALSE(cluster.output_at);
    CHECK_FALSE(cluster.coordinator);
    CHECK(parse("coordinator = 'right'\n" + two).value().coordinator == 1u);
    CHECK(cluster.boards[1].slots == 2);
    CHECK(cluster.boards[1].loaded == "app.first");
    CHECK(cluster.boards[0].loaded.empty());
    CHECK(cluster.boards[1].whole.of[0] == 35'500);  // of one slot
    CHECK(cluster.boards[1].way.bytes_per_s == doctest::Approx(cluster.boards[0].way.bytes_per_s / 2));
    CHECK(cluster.client.bytes_per_s == doctest::Approx(10 * cluster.boards[0].way.bytes_per_s));
    CHECK(cluster.client.latency_s == doctest::Approx(3e-6));
}

TEST_CASE("what is wrong with a cluster file is said with its line") {
    complains("", "'board' is missing");
    complains("board = 3\n", "c.toml:1");
    complains("[[board]]\nname = 'a'\n", "'profile' is missing");
    complains("[[board]]\nname = 'a'\nprofile = 'zedbord'\n", "did you mean zedboard");
    complains("[[board]]\nname = 'a'\nprofile = 'ultra96'\n", "has no network of its own");
    complains("[[board]]\nname = 'a'\nprofile = 'zedboard'\nmbit_per_s = 0\n", "must be above 0");
    complains("[[board]]\nname = 'a'\nprofile = 'zedboard'\nmbit_per_s = -5\n", "must be a number >= 0");
    complains("[[board]]\nname = 'a'\nprofile = 'zedboard'\nslots = 0\n", "a board has 1 to 64");
    complains("[[board]]\nname = 'client'\nprofile = 'zedboard'\n", "not 'client'");
    complains(two + "[[board]]\nname = 'left'\nprofile = 'zedboard'\n", "two boards 'left'");
    complains("input_at = 'lfet'\n" + two, "there is no board 'lfet' (did you mean left");
    complains("coordinator = 'client'\n" + two, "there is no board 'client'");
    complains("coordinator = 1\n" + two, "'coordinator' must be a board's name");
    complains(two + "[client]\nlatency_us = 3\n", "'mbit_per_s' is missing");
    complains(two + "[client]\nmbit_per_s = 0\n", "must be above 0");
    complains("color = 1\n" + two, "'color' is not a key here");
}

}  // namespace fard
