#include "overlays/soft/dense_bits.hpp"

#include <bit>
#include <cstring>

namespace fard::soft {
namespace {

static_assert(std::endian::native == std::endian::little);

// `field` repeated in every lane of `lane` bits.
constexpr std::uint64_t every(int lane, std::uint64_t field) {
    std::uint64_t mask = 0;
    for (int at = 0; at < 64; at += lane)
        mask |= field << at;
    return mask;
}

// Neighbours in lanes of `lane` bits, each `used` bits wide, move together and apart.
struct Pairing {
    int lane, used;
    std::uint64_t first;  // the bits of every first neighbour

    constexpr Pairing(int lane_bits, int used_bits)
        : lane(lane_bits),
          used(used_bits),
          first(every(2 * lane_bits, (std::uint64_t{1} << used_bits) - 1)) {}

    std::uint64_t together(std::uint64_t x) const {
        return (x & first) | ((x >> (lane - used)) & (first << used));
    }
    std::uint64_t apart(std::uint64_t x) const {
        return (x & first) | ((x << (lane - used)) & (first << lane));
    }
};

struct Masks {
    Pairing one, two, four;

    explicit Masks(int bits) : one(8, bits), two(16, 2 * bits), four(32, 4 * bits) {}

    // Eight bytes to 8 * bits bits, and back.
    std::uint64_t gather(std::uint64_t x) const { return four.together(two.together(one.together(x))); }
    std::uint64_t spread(std::uint64_t x) const { return one.apart(two.apart(four.apart(x))); }
};

// Adds bytes without a carry into the next one.
std::uint64_t add_bytes(std::uint64_t a, std::uint64_t b) {
    constexpr std::uint64_t high = every(8, 0x80);
    return ((a & ~high) + (b & ~high)) ^ ((a ^ b) & high);
}

}  // namespace

void gather_bits(std::span<const std::uint8_t> codes, std::uint8_t add, int bits, std::span<std::byte> out) {
    const Masks masks(bits);
    const std::uint64_t addend = every(8, 1) * add;
    const auto step = static_cast<std::size_t>(bits);
    std::size_t at = 0, to = 0;
    for (; at + 8 <= codes.size(); at += 8, to += step) {
        std::uint64_t eight;
        std::memcpy(&eight, codes.data() + at, 8);
        eight = masks.gather(add_bytes(eight, addend));
        if (to + 8 <= out.size())
            std::memcpy(out.data() + to, &eight, 8);  // what is too much is overwritten by the next
        else
            std::memcpy(out.data() + to, &eight, step);
    }
    if (at == codes.size()) return;
    std::uint64_t last = 0;
    std::memcpy(&last, codes.data() + at, codes.size() - at);
    const std::uint64_t used = (std::uint64_t{1} << 8 * (codes.size() - at)) - 1;
    last = masks.gather(add_bytes(last, addend) & used);
    std::memcpy(out.data() + to, &last, out.size() - to);
}

void spread_bits(std::span<const std::byte> in, int bits, std::span<std::uint8_t> out) {
    const Masks masks(bits);
    const auto step = static_cast<std::size_t>(bits);
    std::size_t at = 0, from = 0;
    for (; at + 8 <= out.size(); at += 8, from += step) {
        std::uint64_t eight = 0;
        if (from + 8 <= in.size())
            std::memcpy(&eight, in.data() + from, 8);
        else
            std::memcpy(&eight, in.data() + from, step);
        eight = masks.spread(eight);
        std::memcpy(out.data() + at, &eight, 8);
    }
    if (at == out.size()) return;
    std::uint64_t last = 0;
    std::memcpy(&last, in.data() + from, in.size() - from);
    last = masks.spread(last);
    std::memcpy(out.data() + at, &last, out.size() - at);
}

}  // namespace fard::soft
