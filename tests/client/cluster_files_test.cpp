#include "client/cluster_files.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>

#include "client/client_identity.hpp"
#include "client/local_cluster.hpp"
#include "client/locate.hpp"
#include "client/private_directory.hpp"
#include "tests/fakes/endpoints.hpp"

using namespace fard;
namespace fs = std::filesystem;

TEST_CASE("a key directory that is named and is not there is an error, not a client without keys") {
    auto directory = PrivateDirectory::make("fard-test-keys");
    REQUIRE(directory);
    const auto missing = ((*directory)->path() / "typo").string();
    ::setenv("FARD_KEYS", missing.c_str(), 1);
    const auto identity = client_identity();
    const auto found = locate({});
    ::setenv("FARD_KEYS", (*directory)->path().c_str(), 1);
    const auto empty = client_identity();
    ::setenv("FARD_KEYS", "none", 1);
    const auto none = client_identity();
    ::unsetenv("FARD_KEYS");
    REQUIRE_FALSE(identity);
    CHECK(identity.error().fault == Fault::not_found);
    CHECK(identity.error().message.find(missing) != std::string::npos);
    REQUIRE_FALSE(found);
    CHECK(found.error().message.find(missing) != std::string::npos);
    CHECK(empty);
    CHECK(none);
}

TEST_CASE("the doors of a cluster are listed and found again") {
    auto directory = PrivateDirectory::make("fard-test-doors");
    REQUIRE(directory);
    const auto path = (*directory)->path();
    CHECK(listed_doors(path).empty());
    const std::vector<Address> doors{address_at("ipc://" + (path / "b0.ipc").string()),
                                     address_at("ipc://" + (path / "b1.ipc").string())};
    REQUIRE(list_doors(path, doors));
    CHECK(listed_doors(path) == doors);
    CHECK(fs::read_symlink(path / "node.ipc") == path / "b0.ipc");
}

TEST_CASE("one at a time starts a cluster in a directory, also while another takes it away") {
    auto parent = PrivateDirectory::make("fard-test-up");
    REQUIRE(parent);
    const auto directory = (*parent)->path() / "fard";
    {
        auto first = lock_cluster_directory(directory);
        REQUIRE(first);
        REQUIRE(*first);
        CHECK_FALSE(lock_cluster_directory(directory)->has_value());
        remove_cluster_files(directory);
        CHECK_FALSE(fs::exists(directory));
        CHECK(lock_cluster_directory(directory)->has_value());  // another one, made anew
    }
    auto again = lock_cluster_directory(directory);
    REQUIRE(again);
    CHECK(again->has_value());
    struct stat status {};
    REQUIRE(stat(directory.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE("a node manager lives as long as its lock is held") {
    auto directory = PrivateDirectory::make("fard-test-locks");
    REQUIRE(directory);
    const auto path = (*directory)->path();
    {
        auto lock = BoardLock::take(path, "b7");
        REQUIRE(lock);
        lock->write_pid(4711);
        const auto living = living_boards(path);
        REQUIRE(living.size() == 1);
        CHECK(living[0].name == "b7");
        CHECK(living[0].pid == 4711);
        const auto again = BoardLock::take(path, "b7");
        REQUIRE(!again);
        CHECK(again.error().fault == Fault::refused);
    }
    CHECK(living_boards(path).empty());
    CHECK(BoardLock::take(path, "b7"));
}

TEST_CASE("a cluster directory that is open to others is refused") {
    auto parent = PrivateDirectory::make("fard-test-open");
    REQUIRE(parent);
    const auto path = (*parent)->path() / "fard";
    CHECK(check_cluster_directory(path, false).error().fault == Fault::not_found);
    CHECK(check_cluster_directory(path, true));
    REQUIRE(chmod(path.c_str(), 0755) == 0);
    const auto open = check_cluster_directory(path, true);
    REQUIRE(!open);
    CHECK(open.error().fault == Fault::refused);
    CHECK(open.error().message.find("755") != std::string::npos);
}

TEST_CASE("fardd is found in a build tree, in an installation, and where FARD_LIBEXEC says") {
    auto directory = PrivateDirectory::make("fard-test-programs");
    REQUIRE(directory);
    const auto root = (*directory)->path();
    const auto program = [&](const fs::path& file) {
        fs::create_directories(file.parent_path());
        std::ofstream(file) << "#!/bin/sh\n";
        fs::permissions(file, fs::perms::owner_all);
        return file;
    };
    const auto built = program(root / "build/runtime/node_manager/fardd");
    const auto installed = program(root / "usr/bin/fardd");
    CHECK(find_fardd_from(root / "build/cli/fard", "") == built);
    CHECK(find_fardd_from(root / "build/tests/test-x", "") == built);
    CHECK(find_fardd_from(root / "usr/bin/fard", "") == installed);
    CHECK(find_fardd_from("/nowhere/fard", (root / "usr/bin").string()) == installed);
    CHECK(find_fardd_from("/home/me/client", "", "bin:/not/there:" + (root / "usr/bin").string()) == installed);
    for (const auto& [fardd, jobs] : {std::pair{built, root / "build/jobs"}, {installed, root / "usr/libexec/fard/jobs"}}) {
        CHECK(!find_jobs(fardd));
        fs::create_directories(jobs);
        CHECK(find_jobs(fardd) == jobs);
    }
    fs::permissions(installed, fs::perms::owner_read);
    CHECK(!find_fardd_from(root / "usr/bin/fard", ""));
    const auto nowhere = find_fardd_from(root / "other/bin/fard", "/not/there");
    REQUIRE(!nowhere);
    CHECK(nowhere.error().fault == Fault::not_found);
    CHECK(nowhere.error().message.find("/not/there") != std::string::npos);
}
