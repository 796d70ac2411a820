// Holds the codec against the bytes that are kept in tests/golden/wire: what is written, and what is read.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "runtime/peer/chunk_header.hpp"
#include "tests/golden/samples.hpp"

using namespace fard;
namespace fs = std::filesystem;

namespace {

const char* const remedy =
    "; where the protocol was meant to change: a new version of the message, and `write-golden "
    "tests/golden/wire`";

fs::path directory() {
    const char* root = std::getenv("FARD_SOURCE_ROOT");
    return fs::path(root != nullptr ? root : ".") / "tests/golden/wire";
}

std::string read(const std::string& name) {
    std::ifstream in(directory() / (name + ".bin"), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    CHECK_MESSAGE(in.good(), name, ".bin cannot be read", remedy);
    return text.str();
}

}  // namespace

TEST_CASE("every message is written as its golden bytes, and read from them") {
    for (const auto& sample : message_samples()) {
        CAPTURE(sample.name);
        const auto golden = read(sample.name);
        CHECK_MESSAGE(wire::encode(sample.envelope, sample.body) == golden, sample.name,
                      " is written in other bytes", remedy);
        const auto decoded = wire::decode(golden);
        REQUIRE_MESSAGE(decoded, decoded.error().message, remedy);
        CHECK(decoded->envelope == sample.envelope);
        CHECK_MESSAGE(decoded->body == sample.body, sample.name, " is read as another value", remedy);
    }
}

TEST_CASE("every other frame is written as its golden bytes") {
    for (const auto& sample : frame_samples())
        CHECK_MESSAGE(sample.bytes == read(sample.name), sample.name, " is written in other bytes", remedy);
}

TEST_CASE("the golden header of a chunk is read") {
    const auto header = decode_chunk_header(read("092-CHUNK"));
    REQUIRE_MESSAGE(header, header.error().message);
    CHECK(header->run.hex == "00112233445566778899aabbccddeeff");
    CHECK(header->epoch == Epoch{3, 7});
    CHECK(header->tensors == std::vector<std::string>{"UINT2 1x1x1x256", "FLOAT32 1x10"});
    CHECK(header->index == 12'345'678'901);
    REQUIRE(header->trace.size() == 2);
    CHECK(header->trace[0].finished == 1'700'000'000'000'000'003);
    CHECK(header->trace[1] == TraceStamp{});
}

TEST_CASE("there are no other golden files") {
    std::set<std::string> expected, found;
    for (const auto& sample : message_samples())
        expected.insert(sample.name);
    for (const auto& sample : frame_samples())
        expected.insert(sample.name);
    for (const auto& entry : fs::directory_iterator(directory()))
        found.insert(entry.path().stem());
    CHECK_MESSAGE(found == expected, "files and samples differ", remedy);
}
