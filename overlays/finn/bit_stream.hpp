// Fields of 1 to 32 bits one behind the other, the first in the lowest bits, moved four bytes at a time. Internal to
// packing.cpp, inline because its loops are hot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace fard::finn {

class BitReader {
  public:
    explicit BitReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    std::uint32_t take(int bits) {
        if (filled_ < bits) refill();
        const auto field = static_cast<std::uint32_t>(held_ & ((std::uint64_t{1} << bits) - 1));
        held_ >>= bits;
        filled_ -= bits;
        return field;
    }
    void align() {  // to the next whole byte
        held_ >>= filled_ % 8;
        filled_ -= filled_ % 8;
    }

  private:
    void refill() {
        if (bytes_.size() - at_ >= 4) {
            std::uint32_t four = 0;
            std::memcpy(&four, bytes_.data() + at_, 4);
            held_ |= std::uint64_t{four} << filled_;
            filled_ += 32;
            at_ += 4;
            return;
        }
        for (; at_ < bytes_.size(); filled_ += 8) held_ |= std::to_integer<std::uint64_t>(bytes_[at_++]) << filled_;
    }

    std::span<const std::byte> bytes_;
    std::size_t at_ = 0;
    std::uint64_t held_ = 0;
    int filled_ = 0;  // below 32 before a refill
};

class BitWriter {
  public:
    explicit BitWriter(std::span<std::byte> bytes) : bytes_(bytes) {}

    void put(std::uint32_t field, int bits) {
        held_ |= (field & ((std::uint64_t{1} << bits) - 1)) << filled_;
        filled_ += bits;
        if (filled_ < 32) return;
        const auto four = static_cast<std::uint32_t>(held_);
        std::memcpy(bytes_.data() + at_, &four, 4);
        at_ += 4;
        held_ >>= 32;
        filled_ -= 32;
    }
    void align() {  // with zeros to the next whole byte
        if (filled_ % 8 != 0) put(0, 8 - filled_ % 8);
    }
    void finish() {  // what is held
        for (; filled_ > 0; filled_ -= 8, held_ >>= 8) bytes_[at_++] = static_cast<std::byte>(held_ & 0xff);
    }

  private:
    std::span<std::byte> bytes_;
    std::size_t at_ = 0;
    std::uint64_t held_ = 0;
    int filled_ = 0;  // below 32 between calls
};

}  // namespace fard::finn
