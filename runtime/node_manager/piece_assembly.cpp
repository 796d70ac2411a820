#include "runtime/node_manager/piece_assembly.hpp"

#include <algorithm>

namespace fard {

bool is_package_id(std::string_view text) {
    return text.size() == 64 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

wire::Piece cut_piece(const std::string& package, std::string_view archive, std::uint64_t offset) {
    return {package, offset, archive.size(), std::string(archive.substr(offset, piece_bytes))};
}

Result<> PieceAssembly::add(wire::Piece piece) {
    if (piece.total == 0 || piece.total > largest_archive)
        return fail(Fault::refused, "the archive of package {} has {} bytes; a package has 1 to {}",
                    piece.package, piece.total, largest_archive);
    if (started_ && piece.total != total_)
        return fail(Fault::corrupt,
                    "a piece of package {} says that it has {} bytes, the ones before said {}", piece.package,
                    piece.total, total_);
    if (piece.offset % piece_bytes != 0 || piece.offset >= piece.total ||
        piece.bytes.size() != std::min(piece_bytes, piece.total - piece.offset))
        return fail(Fault::corrupt, "a piece of package {} at byte {} of {} has {} bytes", piece.package,
                    piece.offset, piece.total, piece.bytes.size());
    started_ = true;
    total_ = piece.total;
    const auto size = piece.bytes.size();
    if (pieces_.try_emplace(piece.offset, std::move(piece.bytes)).second) held_ += size;
    return {};
}

std::uint64_t PieceAssembly::next_missing() const {
    std::uint64_t offset = 0;
    for (const auto& [start, bytes] : pieces_) {
        if (start != offset) break;
        offset += bytes.size();
    }
    return offset;
}

std::string PieceAssembly::join() && {
    std::string archive;
    archive.reserve(total_);
    for (auto& [start, bytes] : pieces_) {
        archive += bytes;
        bytes = {};  // never two whole archives in memory
    }
    return archive;
}

}  // namespace fard
