#include "overlays/package/archive_layout.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

namespace fard {

namespace {

constexpr std::uint64_t block = 512;
constexpr std::uint64_t trailer = 2 * block;

// One ustar header; nothing of the machine or the day goes into it.
std::string header_of(const std::string& name, std::uint64_t size) {
    std::string header(block, '\0');
    const auto put = [&](std::size_t at, const std::string& text) {
        std::copy(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(at));
    };
    const std::string zero("000000 \0", 8);
    put(0, name);
    put(100, std::string("000644 \0", 8));
    put(108, zero);                             // user
    put(116, zero);                             // group
    put(124, fmt::format("{:011o} ", size));
    put(136, fmt::format("{:011o} ", 0));       // time
    put(148, "        ");                       // the sum counts itself as spaces
    put(156, "0");                              // a plain file
    put(257, std::string("ustar\00000", 8));
    put(329, zero);                             // device numbers
    put(337, zero);
    const auto sum = std::accumulate(header.begin(), header.end(), 0u,
                                     [](unsigned so_far, char c) { return so_far + static_cast<unsigned char>(c); });
    put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    return header;
}

std::uint64_t padded(std::uint64_t size) {
    return (size + block - 1) / block * block;
}

}  // namespace

ArchiveLayout::ArchiveLayout(const std::map<std::string, std::uint64_t>& sizes) {
    for (const auto& [name, size] : sizes) {
        members_.push_back({name, size, total_, total_ + block});
        total_ += block + padded(size);
    }
    total_ += trailer;
}

Result<std::string> ArchiveLayout::read(std::uint64_t offset, std::size_t bytes, const ReadFile& read) const {
    const auto end = std::min<std::uint64_t>(total_, offset + bytes);
    std::string out(offset < end ? end - offset : 0, '\0');
    const auto copy = [&](std::uint64_t at, std::string_view from) {
        std::memcpy(out.data() + (at - offset), from.data(), from.size());
    };
    for (const auto& member : members_) {
        if (member.data_at + member.size <= offset || member.header_at >= end) continue;
        if (member.data_at > offset) {
            const auto header = header_of(member.name, member.size);
            const auto from = std::max(offset, member.header_at), to = std::min(end, member.data_at);
            copy(from, std::string_view(header).substr(from - member.header_at, to - from));
        }
        const auto from = std::max(offset, member.data_at), to = std::min(end, member.data_at + member.size);
        if (from >= to) continue;
        const auto part = read(member.name, from - member.data_at, to - from);
        if (!part) return fail(part.error());
        if (part->size() != to - from)
            return fail(Fault::corrupt, "{} has become shorter than {} bytes", member.name, member.size);
        copy(from, *part);
    }
    return out;
}

}  // namespace fard
