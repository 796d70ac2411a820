#include "runtime/peer/codec.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "runtime/peer/messages.hpp"
#include "tests/peer/fill.hpp"
#include "tests/peer/newer.hpp"

using namespace fard;

namespace {

const std::string id = "0123456789abcdef0123456789abcdef";

std::string hex(std::string_view bytes) {
    std::string text;
    for (const unsigned char byte : bytes)
        text += fmt::format("{:02x}", byte);
    return text;
}

// An encoded message built by hand: "t" and "v", then `rest`, which holds `entries` more entries of the map.
std::string raw(int entries, std::string_view type_and_version, std::string_view rest) {
    std::string bytes(1, static_cast<char>(0x80 + entries + 2));
    return bytes.append(type_and_version).append(rest);
}

const std::string done_head("\xa1t\x01\xa1v\x01", 6);

Fault fault_of(std::string_view bytes) {
    const auto decoded = wire::decode(bytes);
    return decoded ? Fault{} : decoded.error().fault;
}

std::string error_of(std::string_view bytes) {
    const auto decoded = wire::decode(bytes);
    return decoded ? "" : decoded.error().message;
}

}  // namespace

TEST_CASE("the bytes on the wire are these") {
    CHECK(hex(wire::encode({}, wire::Done{})) == "87a17401a17601a17100a161c2a166a0a16c00a16280");
    CHECK(hex(wire::encode({{id}, 300, true, 7}, wire::Cancel{{id}, true})) ==
          "87a17441a17601a171cd012ca161c3a166d920" + hex(id) + "a16c07a16282a3" + hex("run") + "d920" +
              hex(id) + "a7" + hex("relayed") + "c3");
    CHECK(hex(wire::encode({{id}, 1, false, 2}, wire::Renew{{id}, {1, 256}})) ==
          "87a17423a17601a17101a161c2a166d920" + hex(id) + "a16c02a16282a3" + hex("run") + "d920" + hex(id) +
              "a5" + hex("epoch") + "9201cd0100");
    CHECK(hex(wire::encode({}, wire::Piece{"p", 0, 2, std::string("\xff\0", 2)})) ==
          "87a17433a17601a17100a161c2a166a0a16c00a16284a7" + hex("package") + "a170a6" + hex("offset") +
              "00a5" + hex("total") + "02a5" + hex("bytes") + "c402ff00");
    const TensorDesc tensor{"t", {1, 32, 300, 3}, "NHWC", DataType::uint(2), "INT8"};
    CHECK(hex(wire::encode({}, wire::LinkOpen{{id}, {0, 0}, "0/1", {tensor}, ""}))
              .ends_with("a7" + hex("tensors") + "9185a4" + hex("name") + "a174a5" + hex("shape") +
                         "940120cd012c03a6" + hex("layout") + "a4" + hex("NHWC") + "a4" + hex("type") + "a5" +
                         hex("UINT2") + "a8" + hex("declared") + "a4" + hex("INT8") + "a7" + hex("overlay") +
                         "a0a5" + hex("place") + "00"));
}

TEST_CASE("every message of the table comes back as it was sent") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        for (const auto& body : one_of_each(1000 * seed)) {
            const auto envelope = Filler(seed).envelope();
            const auto decoded = wire::decode(wire::encode(envelope, body));
            REQUIRE_MESSAGE(decoded.has_value(), wire::name_of(body), ": ",
                            error_of(wire::encode(envelope, body)));
            CHECK(decoded->envelope == envelope);
            CHECK_MESSAGE(decoded->body == body, wire::name_of(body));
        }
    }
}

TEST_CASE("a message cut off anywhere is corrupt") {
    for (const auto& body : one_of_each(7)) {
        const auto bytes = wire::encode(Filler(1).envelope(), body);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            // A copy of exactly that size, so that a sanitizer sees a read past its end.
            const std::vector<char> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
            CHECK(fault_of({part.data(), part.size()}) == Fault::corrupt);
        }
        CHECK(fault_of(bytes + '\0') == Fault::corrupt);
    }
}

TEST_CASE("mutated messages decode or fail, and nothing else; what decodes can be encoded again") {
    std::mt19937_64 random(42);
    const auto bodies = one_of_each(11);
    std::size_t decoded_count = 0;
    for (int round = 0; round < 20'000; ++round) {
        auto bytes = wire::encode(Filler(1).envelope(), bodies[random() % bodies.size()]);
        for (auto changes = 1 + random() % 4; changes > 0; --changes) {
            const auto at = random() % bytes.size();
            switch (random() % 3) {
                case 0:
                    bytes[at] = static_cast<char>(random());
                    break;
                case 1:
                    bytes.insert(at, 1, static_cast<char>(random()));
                    break;
                default:
                    bytes.erase(at, 1 + random() % 3);
                    break;
            }
            if (bytes.empty()) break;
        }
        const auto decoded = wire::decode(bytes);
        if (!decoded) continue;
        ++decoded_count;
        const auto again = wire::decode(wire::encode(decoded->envelope, decoded->body));
        REQUIRE(again.has_value());
        CHECK(again->body == decoded->body);
    }
    CHECK(decoded_count > 0);
}

TEST_CASE("unknown keys are skipped, missing ones keep their defaults") {
    const auto decoded = wire::decode(raw(3, std::string("\xa1t\x1f\xa1v\x01", 6),
                                          "\xa1z\x93\x01\x02\x81\xa1x\xc0"
                                          "\xa1l\x05"
                                          "\xa1"
                                          "b\x81\xa3new\x90"));
    REQUIRE(decoded.has_value());
    CHECK(decoded->envelope == wire::Envelope{{}, 0, false, 5});
    CHECK(decoded->body == wire::Body{wire::Reserved{false}});
}

TEST_CASE("of a message that we do not know it can be told who asked what") {
    const wire::Envelope asked{PeerId{std::string(32, 'a')}, 77, false, 5};
    CHECK(wire::envelope_of(newer(wire::encode(asked, wire::Query{}))) == asked);
    auto of_another_type = wire::encode(asked, wire::Query{});
    of_another_type.at(3) = 9;  // a number that is not in the table
    CHECK(wire::decode(of_another_type).error().fault == Fault::unsupported);
    CHECK(wire::envelope_of(of_another_type) == asked);
    CHECK(!wire::envelope_of(of_another_type.substr(0, of_another_type.size() - 1)));
    CHECK(!wire::envelope_of(of_another_type + "x"));
    CHECK(!wire::envelope_of(""));
    CHECK(!wire::envelope_of(newer(wire::encode(asked, wire::Piece{"p", 0, 1, std::string(65'536, 'x')}))));
}

TEST_CASE("types and versions that we do not know are unsupported") {
    CHECK(fault_of(raw(1, std::string("\xa1t\xcd\xff\xff\xa1v\x01", 8),
                       "\xa1"
                       "b\x80")) == Fault::unsupported);
    CHECK(fault_of(raw(1, std::string("\xa1t\x01\xa1v\x02", 6),
                       "\xa1"
                       "b\x80")) == Fault::unsupported);
    CHECK(fault_of(raw(1, std::string("\xa1t\x01\xa1v\x00", 6),
                       "\xa1"
                       "b\x80")) == Fault::corrupt);
}

TEST_CASE("values of the wrong type are corrupt, and the error names the field") {
    const auto body = [](std::string_view type, std::string_view map) {
        return raw(1, std::string("\xa1t").append(type).append("\xa1v\x01"),
                   std::string("\xa1"
                               "b")
                       .append(map));
    };
    CHECK(error_of(body("\x1f", "\x81\xa7granted\x01")) == "RESERVED.granted: expected true or false");
    CHECK(error_of(body("\x02",
                        "\x81\xa5"
                        "fault\xff")) == "REFUSED.fault: a number out of range");
    CHECK(error_of(body("\x02", "\x81\xa6reason\x01")) == "REFUSED.reason: expected a string");
    CHECK(error_of(body("\x1e",
                        "\x81\xa5slots\x92\x80\x81\xa6"
                        "device\xc0")) == "RESERVE.slots[1].device: expected a string");
    CHECK(error_of(body("\x23",
                        "\x81\xa3run\xa3"
                        "../")) == "RENEW.run: expected 32 hex digits");
    CHECK(error_of(body("\x23",
                        "\x81\xa5"
                        "epoch\x91\x01")) == "RENEW.epoch: expected two integers");
    CHECK(error_of(body("\x5a", "\x81\xa7tensors\x91\x81\xa5shape\x91\xff"))
              .starts_with("LINK_OPEN.tensors[0]"));
    CHECK(error_of(body("\x5a", "\x81\xa7tensors\x91\x81\xa4type\xa3XYZ"))
              .starts_with("LINK_OPEN.tensors[0].type"));
    CHECK(error_of(body("\x01", "\x90")) == "DONE: expected a map");
    CHECK(fault_of(raw(0, done_head, "")) == Fault::corrupt);
    CHECK(fault_of("\x81\xa1v\x01") == Fault::corrupt);
    CHECK(fault_of("\x90") == Fault::corrupt);
    CHECK(fault_of("\x80") == Fault::corrupt);
    CHECK(fault_of("") == Fault::corrupt);
}

TEST_CASE("a message larger than its type's cap is dropped before it is read") {
    CHECK(error_of(wire::encode({}, wire::Hello{std::string(70'000, 'x'), 1, {}, false})).find("cap of 65536") !=
          std::string::npos);
    CHECK(fault_of(std::string(8u << 20, '\x80')) == Fault::corrupt);
    CHECK(wire::cap_of(wire::Hello{}) == 65536);
}

TEST_CASE("a few bytes that claim to hold much are corrupt") {
    CHECK(error_of(raw(1, done_head,
                       std::string("\xa1"
                                   "b\xdd\x7f\xff\xff\xff",
                                   7)))
              .find("cannot hold") != std::string::npos);
    CHECK(error_of(raw(1, done_head, "\xa1z" + std::string(40, '\x91') + "\xc0")).find("nested") !=
          std::string::npos);
    // One byte per job report, each of which takes nearly 200 bytes in memory.
    const std::string jobs = std::string("\xa1t\x2c\xa1v\x01", 6);
    CHECK(error_of(raw(1, jobs,
                       std::string("\xa1"
                                   "b\x81\xa4jobs\xdd\x00\x08\x00\x00",
                                   13) +
                           std::string(512 * 1024, '\x80'))) ==
          "DRAINED.jobs: unfolds to far more than its size");
}

TEST_CASE("the table's rows") {
    const auto rows = wire::table_rows();
    CHECK(rows.size() == std::tuple_size_v<wire::Table>);
    const auto& fetch = *std::ranges::find(rows, wire::Fetch::type, &wire::TableRow::type);
    CHECK(fetch.type == 50);
    CHECK(fetch.name == "FETCH");
    CHECK(fetch.fields == "package, offset");
    CHECK(wire::footprint(wire::Piece{"p", 0, 0, std::string(1000, 'x')}) > 1000);
}

TEST_CASE("ids are 32 lower-case hex digits") {
    CHECK(is_id(random_hex(16)));
    CHECK(random_hex(16) != random_hex(16));
    CHECK_FALSE(is_id("0123456789ABCDEF0123456789ABCDEF"));
    CHECK_FALSE(is_id("0123"));
}

TEST_CASE("an endpoint that cannot be connected to makes its message malformed") {
    auto bytes = wire::encode({}, wire::Beacon{"lab", 1, {}, Endpoint::parse("tcp://10.0.0.11:2222").value()});
    REQUIRE(wire::decode(bytes));
    for (const std::string wrong : {"norm://10.0.0.11:222", "tcp://zed99.lab:2222", "tcp://0.0.0.000:2222",
                                    "tcp://10.0.0.11:0000", "tcp://10.0.0.11;2222", "ipc://x0.0.0.11:2222"}) {
        REQUIRE(wrong.size() == 20);
        auto changed = bytes;
        changed.replace(changed.find("tcp://10.0.0.11:2222"), 20, wrong);
        CHECK_MESSAGE(wire::decode(changed).error().fault == Fault::corrupt, wrong);
    }
}
