#include "base/replace_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <thread>

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

TEST_CASE("all of a text is written, to a pipe that somebody made non-blocking, too") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    REQUIRE(::fcntl(ends[0], F_SETFL, 0) == 0);
    std::string got;
    std::thread reader([&] {
        std::array<char, 5000> some;
        for (ssize_t count = 1; count > 0;) {
            count = ::read(ends[0], some.data(), some.size());
            if (count > 0) got.append(some.data(), static_cast<std::size_t>(count));
        }
    });
    const std::string text(1'000'000, 'x');
    const bool written = write_all(ends[1], text);
    ::close(ends[1]);
    reader.join();
    ::close(ends[0]);
    CHECK(written);
    CHECK(got == text);
    CHECK_FALSE(write_all(-1, text));
}
