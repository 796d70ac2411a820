// Parallel parts: their channels put together bit for bit, and inlets that join them in whatever order they come.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "base/copy_bits.hpp"
#include "runtime/peer/channel_join.hpp"
#include "runtime/peer/inlet.hpp"
#include "runtime/peer/outlet.hpp"
#include "tests/links/link_world.hpp"

using namespace fard;
using namespace fard::testing;

namespace {

bool bit_of(const std::vector<std::byte>& bytes, std::size_t bit) {
    return (std::to_integer<unsigned>(bytes[bit / 8]) >> bit % 8 & 1) != 0;
}

std::vector<std::byte> random_bytes(std::mt19937& random, std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (auto& byte : bytes)
        byte = static_cast<std::byte>(random());
    return bytes;
}

Chunk chunk_with(std::uint64_t index, const TensorDesc& desc, std::span<const std::int32_t> values) {
    Chunk chunk;
    chunk.index = index;
    auto& frame = chunk.tensors.emplace_back(desc.wire_bytes());
    const auto packed = pack(desc.type, values, frame.writable());
    REQUIRE(packed);
    return chunk;
}

std::int32_t drawn(std::mt19937& random, DataType type) {
    if (type == DataType::bipolar()) return random() % 2 ? 1 : -1;
    return static_cast<std::int32_t>(std::uniform_int_distribution<std::int64_t>(type.min(), type.max())(random));
}

// A tensor of `rows` rows of channels, cut into ranges of random size.
void check_join(std::mt19937& random, DataType type, std::size_t rows, std::size_t parts) {
    std::vector<std::int64_t> sizes;
    std::int64_t channels = 0;
    for (std::size_t p = 0; p < parts; ++p)
        channels += sizes.emplace_back(1 + static_cast<std::int64_t>(random() % 9));
    const TensorDesc whole{"y", {1, static_cast<std::int64_t>(rows), 1, channels}, "NHWC", type, "INT32"};
    std::vector<std::int32_t> values(whole.elements());
    for (auto& value : values)
        value = drawn(random, type);
    std::vector<wire::PartSpec> specs;
    std::vector<Chunk> chunks;
    std::size_t first = 0;
    for (const auto size : sizes) {
        auto desc = whole;
        desc.shape[3] = size;
        std::vector<std::int32_t> own;
        for (std::size_t row = 0; row < rows; ++row)
            for (std::size_t c = first; c < first + static_cast<std::size_t>(size); ++c)
                own.push_back(values[row * static_cast<std::size_t>(channels) + c]);
        chunks.push_back(chunk_with(0, desc, own));
        specs.push_back({"", {desc}});
        first += static_cast<std::size_t>(size);
    }
    const auto join = ChannelJoin::make(specs, {whole});
    REQUIRE_MESSAGE(join, join.error().message);
    const auto joined = join->join(chunks);
    REQUIRE(joined.size() == 1);
    CHECK(joined[0].text() == chunk_with(0, whole, values).tensors[0].text());
}

wire::PartSpec part_of(const TensorDesc& desc) { return {"", {desc}}; }

// An inlet that joins two parts of 100 bytes each.
struct Junction {
    Junction(SocketFactory& sockets, const std::string& place, const LinkTerms& terms) {
        std::vector<LinkReceiver> receivers;
        for (int i = 0; i < 2; ++i) {
            receivers.push_back(LinkReceiver::bind(sockets, place, terms).value());
            senders.push_back(LinkSender::connect(sockets, receivers.back().endpoint(), terms, "0/" + std::to_string(i)).value());
        }
        const auto part = part_of(terms.tensors[0]);
        inlet = Inlet(std::move(receivers), ChannelJoin::make({part, part}, {bytes_tensor("y", 200)}).value());
        for (auto& sender : senders)
            until({sender.fd()}, [&] { return sender.open(); });
    }
    std::vector<LinkSender> senders;
    Inlet inlet;
};

}  // namespace

TEST_CASE("bits are copied from anywhere to anywhere, and nothing beside them changes") {
    std::mt19937 random(5);
    for (int i = 0; i < 4000; ++i) {
        const auto from = random_bytes(random, 40);
        const auto before = random_bytes(random, 40);
        const std::size_t from_bit = random() % 70, to_bit = random() % 70, bits = random() % 240;
        auto to = before;
        copy_bits(from.data(), from_bit, to.data(), to_bit, bits);
        bool right = true;
        for (std::size_t bit = 0; bit < to.size() * 8; ++bit) {
            const bool inside = bit >= to_bit && bit < to_bit + bits;
            right = right && bit_of(to, bit) == (inside ? bit_of(from, from_bit + bit - to_bit) : bit_of(before, bit));
        }
        CAPTURE(from_bit);
        CAPTURE(to_bit);
        CAPTURE(bits);
        CHECK(right);
    }
}

TEST_CASE("the channels of 2 to 8 parts make the tensor of the whole, whatever its type") {
    std::mt19937 random(6);
    std::vector<DataType> types{DataType::bipolar()};
    for (const int bits : {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 32})
        types.push_back(DataType::uint(std::min(bits, 31))), types.push_back(DataType::sint(std::max(2, bits)));
    for (const auto type : types)
        for (std::size_t parts = 2; parts <= 8; ++parts)
            for (const std::size_t rows : {1, 2, 7, 12})
                check_join(random, type, rows, parts);
}

TEST_CASE("what does not make up a tensor along one dimension is no set of parts") {
    const TensorDesc whole{"y", {1, 4, 4, 6}, "NHWC", DataType::uint(2), "INT32"};
    auto half = whole, lower = whole, other = whole, wide = whole;
    half.shape[3] = 3;
    lower.shape[1] = 2;
    other.shape[3] = 3, other.type = DataType::uint(3);
    wide.shape[3] = 7;
    CHECK(ChannelJoin::make({part_of(half), part_of(half)}, {whole}));
    CHECK(!ChannelJoin::make({part_of(half)}, {whole}));
    CHECK(!ChannelJoin::make({part_of(half), part_of(half), part_of(half)}, {whole}));
    CHECK(!ChannelJoin::make({part_of(half), part_of(lower)}, {whole}));
    CHECK(!ChannelJoin::make({part_of(half), part_of(other)}, {whole}));
    CHECK(!ChannelJoin::make({part_of(whole), part_of(whole)}, {whole}));
    CHECK(!ChannelJoin::make({part_of(wide), part_of(half)}, {whole}));
    CHECK(!ChannelJoin::make({part_of(half), {"", {half, half}}}, {whole}));
}

TEST_CASE("parts that come in different orders are joined, however small the links are") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 1);  // each may have only a few chunks on the way
    Junction junction(sockets, dir.place(), terms);
    constexpr std::uint64_t total = 24;
    // One has the upper half first, as when replicas before the parts deliver at different speed.
    std::vector<std::vector<std::uint64_t>> order(2);
    for (std::uint64_t i = 0; i < total; ++i)
        order[0].push_back(i), order[1].push_back((i + total / 2) % total);
    std::vector<std::size_t> sent(2, 0);
    std::set<std::uint64_t> seen;
    until({}, [&] {
        for (std::size_t s = 0; s < 2; ++s)
            for (; sent[s] < total; ++sent[s]) {
                auto chunk = chunk_of(order[s][sent[s]], terms);
                if (!junction.senders[s].send(chunk)) break;
            }
        for (Chunk chunk; junction.inlet.receive(chunk).value();) {
            CHECK(seen.insert(chunk.index).second);
            REQUIRE(chunk.tensors.size() == 1);
            const std::string part(chunk_of(chunk.index, terms).tensors[0].text());
            CHECK(chunk.tensors[0].text() == part + part);
            junction.inlet.taken();
        }
        junction.inlet.flush_credit();
        return seen.size() == total;
    });
    for (auto& sender : junction.senders)
        until({sender.credit_fd()}, [&] {
            sender.poll_credit();
            return sender.confirmed() == total;
        });
}

TEST_CASE("complete chunks that are kept use up the links' room, so that no more come than there is room for") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 4);
    Junction junction(sockets, dir.place(), terms);
    std::vector<std::uint64_t> sent(2, 0);
    std::uint64_t got = 0;
    const auto step = [&] {
        for (std::size_t s = 0; s < 2; ++s)
            for (;; ++sent[s]) {
                auto chunk = chunk_of(sent[s], terms);
                if (!junction.senders[s].send(chunk)) break;
            }
        for (Chunk chunk; junction.inlet.receive(chunk).value();)
            ++got;
        junction.inlet.flush_credit();
    };
    until({}, [&] { return step(), got == terms.lead(); });
    for (int i = 0; i < 200; ++i)
        step();
    CHECK(got == terms.lead());
    for (; got > 0; --got)
        junction.inlet.taken();
    until({}, [&] { return step(), got > 0; });
}

TEST_CASE("pieces take none of the room that was reserved, as long as none is complete") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 4);
    Junction junction(sockets, dir.place(), terms);
    junction.inlet.reserve(0);
    auto& sender = junction.senders[0];
    until({}, [&] {
        auto chunk = chunk_of(7, terms);
        return sender.send(chunk);
    });
    until({}, [&] {
        Chunk chunk;
        CHECK_FALSE(junction.inlet.receive(chunk).value());
        junction.inlet.flush_credit();
        sender.poll_credit();
        return sender.limit() - sender.sent() >= terms.lead();
    });
}

TEST_CASE("parts choose the same replica for a chunk") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 8);
    std::vector<std::vector<LinkReceiver>> receivers(2);
    std::map<std::uint64_t, std::set<std::size_t>> went;
    for (auto& own : receivers) {
        std::vector<LinkSender> senders;
        for (int i = 0; i < 3; ++i) {
            own.push_back(LinkReceiver::bind(sockets, dir.place(), terms).value());
            senders.push_back(LinkSender::connect(sockets, own.back().endpoint(), terms, "0/0").value());
        }
        Outlet outlet(std::move(senders), Outlet::To::by_index);
        until({}, [&] { return outlet.open(); });
        for (const std::uint64_t index : {0, 1, 2, 5, 9}) {
            auto chunk = chunk_of(index, terms);
            until({}, [&] { return outlet.push(chunk); });
        }
        CHECK(outlet.sent() == 5);
        std::size_t got = 0;
        until({}, [&] {
            for (std::size_t r = 0; r < own.size(); ++r)
                while (const auto chunk = own[r].receive().value())
                    went[chunk->index].insert(r), ++got;
            return got == 5;
        });
    }
    for (const auto& [index, replicas] : went)
        CHECK(replicas == std::set<std::size_t>{static_cast<std::size_t>(index % 3)});
}

TEST_CASE("replicas get so many chunks each in turn, and what there is room for counts only as far as it goes to those who have it") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 4);
    std::vector<LinkReceiver> receivers;
    std::vector<LinkSender> senders;
    for (int i = 0; i < 2; ++i) {
        receivers.push_back(LinkReceiver::bind(sockets, dir.place(), terms).value());
        senders.push_back(LinkSender::connect(sockets, receivers.back().endpoint(), terms, "0/0").value());
    }
    Outlet outlet(std::move(senders), Outlet::To::by_index, {3, 10});
    until({}, [&] { return outlet.open(); });
    REQUIRE(terms.lead() == 5);
    CHECK(outlet.room(10, 100) == 3 + 3 + 2);
    CHECK(outlet.room(10, 2) == 2);
    CHECK(outlet.room(12, 100) == 1 + 3 + 3 + 2);
    std::vector<std::vector<std::uint64_t>> went(2);
    for (const std::uint64_t index : {10, 11, 13}) {
        auto chunk = chunk_of(index, terms);
        until({}, [&] { return outlet.push(chunk); });
    }
    until({}, [&] {
        for (std::size_t r = 0; r < 2; ++r)
            while (const auto chunk = receivers[r].receive().value())
                went[r].push_back(chunk->index);
        return went[0].size() + went[1].size() == 3;
    });
    CHECK(went == std::vector<std::vector<std::uint64_t>>{{10, 11}, {13}});
    CHECK(outlet.room(12, 100) == 1 + 3 + 2);
}