#include "runtime/peer/chunk_header.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace fard;

namespace {

const RunId run{"00112233445566778899aabbccddeeff"};
const TensorDesc tensor{.name = "x", .shape = {1, 14, 14, 512}, .type = DataType::uint(4)};

HeaderForm form_of(std::uint32_t positions, std::vector<TensorDesc> tensors = {tensor}) {
    return HeaderForm::of(run, {3, 7}, tensors, positions).value();
}

std::string bytes_of(std::initializer_list<int> values) {
    std::string bytes;
    for (const int value : values)
        bytes.push_back(static_cast<char>(value));
    return bytes;
}

}  // namespace

TEST_CASE("a header has these bytes") {
    const auto form =
        HeaderForm::of({"ab"}, {1, 2}, {{.name = "x", .shape = {1, 3}, .type = DataType::bipolar()}}, 1);
    const TraceStamp stamp{1, 2, 0x0102030405060708};
    const auto header = form->make(9, {&stamp, 1});
    const std::string golden =
        bytes_of({0x87, 0xa1, 't', 0xce, 0, 0, 0, 92, 0xa1, 'v', 0xce, 0, 0, 0, 1}) +
        bytes_of({0xa1, 'r', 0xda, 0, 2, 'a', 'b'}) +
        bytes_of({0xa1, 'e', 0xdc, 0, 2, 0xce, 0, 0, 0, 1, 0xce, 0, 0, 0, 2}) +
        bytes_of({0xa1, 'd', 0xdc, 0, 1, 0xda, 0, 11}) + "BIPOLAR 1x3" +
        bytes_of({0xa1, 'i', 0xcf, 0, 0, 0, 0, 0, 0, 0, 9}) +
        bytes_of({0xa1, 's', 0xdc, 0, 1, 0x93, 0xcf, 0,    0, 0, 0, 0, 0, 0, 1, 0xcf, 0,
                  0,    0,   0,    0, 0, 0,    2,    0xcf, 1, 2, 3, 4, 5, 6, 7, 8});
    CHECK(header.text() == golden);
}

TEST_CASE("what is written is read, by comparing and by decoding") {
    std::mt19937_64 random(1);
    for (const std::uint32_t positions : {0u, 1u, 2u, 6u, 100u}) {
        const auto form = form_of(positions, {tensor, tensor});
        std::vector<TraceStamp> trace(positions), read{{9, 9, 9}};
        for (auto& stamp : trace)
            stamp = {random(), random(), random()};
        const std::uint64_t index = random();
        auto header = form.make(index, trace);
        std::uint64_t read_index = 0;
        REQUIRE(form.read(header.text(), read_index, read) == HeaderForm::Match::ours);
        CHECK(read_index == index);
        CHECK(read == trace);
        const auto decoded = decode_chunk_header(header.text()).value();
        CHECK(decoded == ChunkHeader{run, {3, 7}, {"UINT4 1x14x14x512", "UINT4 1x14x14x512"}, index, trace});
        for (auto& stamp : trace)
            stamp.finished = 5;
        REQUIRE(form.patch(header.writable(), 6, trace));
        REQUIRE(form.read(header.text(), read_index, read) == HeaderForm::Match::ours);
        CHECK(read_index == 6);
        CHECK(read == trace);
    }
}

TEST_CASE("a trace of another length is cut or filled with zeros") {
    const auto form = form_of(2);
    const std::vector<TraceStamp> longer{{1, 1, 1}, {2, 2, 2}, {3, 3, 3}};
    CHECK(decode_chunk_header(form.make(0, longer).text())->trace ==
          std::vector<TraceStamp>{{1, 1, 1}, {2, 2, 2}});
    CHECK(decode_chunk_header(form.make(0, {}).text())->trace == std::vector<TraceStamp>(2));
}

TEST_CASE("a header of another link is told apart, and not patched") {
    const auto form = form_of(2);
    auto other_shape = tensor;
    other_shape.shape = {1, 14, 14, 51};
    const auto match = [&](const HeaderForm& theirs) {
        auto header = theirs.make(1, {});
        const std::string before(header.text());
        std::uint64_t index = 0;
        std::vector<TraceStamp> trace;
        CHECK_FALSE(form.patch(header.writable(), 2, {}));
        CHECK(header.text() == before);
        return form.read(header.text(), index, trace);
    };
    CHECK(match(HeaderForm::of(run, {3, 6}, {tensor}, 2).value()) == HeaderForm::Match::stale);
    CHECK(match(HeaderForm::of(run, {2, 7}, {tensor}, 2).value()) == HeaderForm::Match::stale);
    CHECK(match(HeaderForm::of({"other"}, {3, 7}, {tensor}, 2).value()) == HeaderForm::Match::stale);
    CHECK(match(form_of(3)) == HeaderForm::Match::malformed);
    CHECK(match(form_of(2, {other_shape})) == HeaderForm::Match::malformed);
    CHECK(match(form_of(2, {tensor, tensor})) == HeaderForm::Match::malformed);
}

TEST_CASE("a header in other encodings and with keys that we do not know is understood") {
    const std::string compact =
        bytes_of({0x88, 0xa1, 's', 0x91, 0x93, 1, 2, 0xcd, 1, 0, 0xa1, 't', 92, 0xa1, 'v', 1}) +
        bytes_of({0xa3, 'n', 'e', 'w', 0x92, 0xc0, 0xa1, '?', 0xa1, 'r', 0xd9, 32}) + run.hex +
        bytes_of({0xa1, 'e', 0x92, 3, 7, 0xa1, 'i', 0xcc, 200, 0xa1, 'd', 0x91, 0xb1}) + "UINT4 1x14x14x512";
    std::uint64_t index = 0;
    std::vector<TraceStamp> trace;
    REQUIRE(form_of(1).read(compact, index, trace) == HeaderForm::Match::ours);
    CHECK(index == 200);
    CHECK(trace == std::vector<TraceStamp>{{1, 2, 256}});
}

TEST_CASE("no prefix of a header is one, nor is one with something behind it") {
    const auto form = form_of(2);
    const std::string whole(form.make(1, {}).text());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto decoded = decode_chunk_header(std::string_view(whole).substr(0, size));
        REQUIRE_FALSE(decoded);
        CHECK(decoded.error().fault == Fault::corrupt);
    }
    CHECK(decode_chunk_header(whole + '\0').error().fault == Fault::corrupt);
}

TEST_CASE("a header that is damaged anywhere is refused or read as another, never more than it is") {
    const auto form = form_of(3);
    const std::string whole(form.make(1, {}).text());
    std::mt19937 random(2);
    std::uint64_t index = 0;
    std::vector<TraceStamp> trace;
    for (int round = 0; round < 20'000; ++round) {
        auto damaged = whole;
        for (unsigned flips = 1 + random() % 3; flips > 0; --flips)
            damaged[random() % damaged.size()] = static_cast<char>(random());
        if (form.read(damaged, index, trace) == HeaderForm::Match::ours) {
            CHECK(trace.size() == 3);
            CHECK(decode_chunk_header(damaged).value() ==
                  decode_chunk_header(form.make(index, trace).text()).value());
        }
    }
}

TEST_CASE("types, versions, wrong fields and too much of anything are named") {
    const auto message = [](const std::string& bytes) { return decode_chunk_header(bytes).error().message; };
    CHECK(message(bytes_of({0x90})) == "chunk header: not a map");
    CHECK(message(bytes_of({0x81, 1, 1})) == "chunk header: a key that is not a string");
    CHECK(message(bytes_of({0x80})) == "chunk header: no type");
    CHECK(decode_chunk_header(bytes_of({0x81, 0xa1, 't', 30})).error().fault == Fault::unsupported);
    CHECK(message(bytes_of({0x82, 0xa1, 't', 92, 0xa1, 'v', 2})) ==
          "chunk header: version 2, this fard understands 1");
    CHECK(message(bytes_of({0x83, 0xa1, 't', 92, 0xa1, 'v', 1, 0xa1, 'r', 5})) == "chunk header: no run");
    CHECK(decode_chunk_header(std::string(70'000, '\x91')).error().fault == Fault::corrupt);
    CHECK(decode_chunk_header(std::string(5'000, '\x91')).error().fault == Fault::corrupt);  // too deep
    CHECK(decode_chunk_header(bytes_of({0xdd, 0xff, 0xff, 0xff, 0xff})).error().fault ==
          Fault::corrupt);  // too many
}

TEST_CASE("forms that no link can have are refused") {
    CHECK(HeaderForm::of(run, {}, {}, 1).error().fault == Fault::invalid_input);
    CHECK(HeaderForm::of(run, {}, std::vector<TensorDesc>(257, tensor), 1).error().fault ==
          Fault::invalid_input);
    CHECK(HeaderForm::of(run, {}, {tensor}, 1025).error().fault == Fault::invalid_input);
    CHECK(HeaderForm::of({std::string(70'000, 'a')}, {}, {tensor}, 1).error().fault == Fault::invalid_input);
}
