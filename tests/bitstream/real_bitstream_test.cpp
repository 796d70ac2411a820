// The real bitstream of the test data, on boards of both packages of its die.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "overlays/bitstream/gate.hpp"
#include "overlays/package/files.hpp"

using namespace fard;
using namespace fard::bitstream;

TEST_CASE("the real bitstream of the 7Z020") {
    const char* data = std::getenv("FARD_TEST_DATA");
    const auto path = std::filesystem::path(data ? data : "../shared/data") / "bitstreams" / "cnvW2A2-pynqZ1-Z2.bit";
    const auto file = read_regular_file(path, max_file_bytes);
    if (!file) {
        MESSAGE("skipped: ", file.error().message);
        return;
    }
    const auto facts = read_bitstream(*file, path.filename().string()).value();
    REQUIRE(facts.header);
    CHECK(facts.header->part == "7z020clg400");
    CHECK(facts.header->date == "2018/09/20");
    CHECK(facts.bytes == 4'045'564);
    CHECK(facts.idcode == 0x03727093u);
    CHECK(facts.frame_bytes == 4'043'232);
    CHECK_FALSE((facts.compressed || facts.encrypted || facts.partial));

    const auto ready = pass_gate(*file, path.string(), {"xc7z020clg400-1", {}, "", ""}).value();
    CHECK(ready.bin.size() == facts.bytes);
    CHECK(ready.bin.substr(0, driver_looks_at).find("\x66\x55\x99\xaa") == 48);
    const auto refused = pass_gate(*file, path.string(), {"xc7z020clg484-1", {}, "", ""}).error();
    CHECK(refused.message.find("same die") != std::string::npos);
    CHECK(refused.message.find("accept_parts") != std::string::npos);
    CHECK(pass_gate(*file, path.string(), {"xc7z020clg484-1", {"7z020clg400"}, "", ""}));
}
