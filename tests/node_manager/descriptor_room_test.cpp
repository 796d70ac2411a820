#include "runtime/node_manager/descriptor_room.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include "base/process.hpp"

using namespace fard;

TEST_CASE("what would take the last descriptors is refused, with what helps") {
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(check_descriptor_room(8));
    const int used = static_cast<int>(before.rlim_cur) - descriptors_left();
    rlimit few = before;
    few.rlim_cur = static_cast<rlim_t>(used + 65);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    const auto little = check_descriptor_room(1);
    const auto much = check_descriptor_room(8);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(little);
    REQUIRE_FALSE(much);
    CHECK(much.error().fault == Fault::refused);
    CHECK(much.error().message.find("only 65 descriptors (open files) of ") != std::string::npos);
    CHECK(much.error().message.find("LimitNOFILE") != std::string::npos);
}
