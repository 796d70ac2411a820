#include "client/private_directory.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

using namespace fard;
namespace fs = std::filesystem;

TEST_CASE("a private directory is closed to others and gone at the end") {
    fs::path path;
    {
        auto directory = PrivateDirectory::make("fard-test-private");
        REQUIRE(directory);
        path = (*directory)->path();
        struct stat status {};
        REQUIRE(stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0700);
        std::ofstream(path / "file") << "x";
    }
    CHECK(!fs::exists(path));
}

TEST_CASE("a directory whose process was killed is removed by the next one, a living one's is not") {
    auto living = PrivateDirectory::make("fard-test-abandoned");
    REQUIRE(living);
    int pipe_ends[2];
    REQUIRE(pipe(pipe_ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
        auto directory = PrivateDirectory::make("fard-test-abandoned");
        const auto name = directory ? (*directory)->path().string() : "";
        if (write(pipe_ends[1], name.data(), name.size()) < 0) _exit(1);
        _exit(0);  // without destructors, as if killed
    }
    REQUIRE(child > 0);
    waitpid(child, nullptr, 0);
    char name[256] = "";
    REQUIRE(read(pipe_ends[0], name, sizeof name - 1) > 0);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    CHECK(fs::exists(name));
    auto next = PrivateDirectory::make("fard-test-abandoned");
    CHECK(!fs::exists(name));
    CHECK(fs::exists((*living)->path()));
}
