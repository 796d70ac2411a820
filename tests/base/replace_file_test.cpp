#include "base/replace_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "tests/scratch_dir.hpp"

using namespace fard;

namespace {

std::string text_of(const std::filesystem::path& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

TEST_CASE("a file is replaced as a whole, for its owner alone") {
    const ScratchDir directory;
    const auto file = directory.path() / "nodes";
    for (const auto durability : {Durability::none, Durability::on_disk}) {
        const std::string text(durability == Durability::none ? 100000 : 3, 'x');
        REQUIRE(replace_file(file, text, durability));
        CHECK(text_of(file) == text);
        struct stat status {};
        REQUIRE(::stat(file.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0600);
        CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
    }
}

TEST_CASE("what cannot be written is an error with its reason, and the old file stays") {
    const ScratchDir directory;
    const auto missing = replace_file(directory.path() / "none" / "nodes", "text");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().fault == Fault::io);
    CHECK(missing.error().message.find("No such file") != std::string::npos);

    // A directory of that name cannot be replaced by a file.
    const auto taken = directory.path() / "taken";
    std::filesystem::create_directories(taken / "inside");
    const auto refused = replace_file(taken, "text");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find(taken.string()) != std::string::npos);
    CHECK(std::filesystem::exists(taken / "inside"));
    CHECK_FALSE(std::filesystem::exists(taken.string() + ".new"));

    // A link that somebody has put where the new text would be written first leads nowhere.
    const auto file = directory.path() / "nodes";
    REQUIRE(replace_file(file, "old"));
    REQUIRE(::symlink((directory.path() / "elsewhere").c_str(), (file.string() + ".new").c_str()) == 0);
    CHECK_FALSE(replace_file(file, "new"));
    CHECK(text_of(file) == "old");
    CHECK_FALSE(std::filesystem::exists(directory.path() / "elsewhere"));
}
