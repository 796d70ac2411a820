#include "runtime/peer/piece_set.hpp"

namespace fard {

bool is_package_id(std::string_view text) {
    return text.size() == 64 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

PieceSet::PieceSet(std::uint64_t total)
    : total_(total), has_((total + wire::piece_bytes - 1) / wire::piece_bytes, false) {}

Result<PieceSet> PieceSet::of(const wire::Held& held) {
    if (held.total > largest_archive || held.held > held.total)
        return fail(Fault::corrupt, "HELD says {} of {} bytes of package {}", held.held, held.total,
                    held.package);
    PieceSet set(held.total);
    const bool all = held.held == held.total;
    if (!all && held.held > 0 && held.pieces.size() != (set.count() + 7) / 8)
        return fail(Fault::corrupt, "HELD has {} bytes for the {} pieces of package {}", held.pieces.size(),
                    set.count(), held.package);
    for (std::size_t piece = 0; piece < set.count() && held.held > 0; ++piece)
        if (all || (static_cast<unsigned char>(held.pieces[piece / 8]) >> (piece % 8) & 1)) set.add(piece);
    return set;
}

wire::Held PieceSet::to_held(const std::string& package) const {
    wire::Held held{package, total_, held_, {}};
    if (held_ == 0 || held_ == total_) return held;
    held.pieces.assign((has_.size() + 7) / 8, '\0');
    for (std::size_t piece = 0; piece < has_.size(); ++piece)
        if (has_[piece]) held.pieces[piece / 8] = static_cast<char>(held.pieces[piece / 8] | (1 << (piece % 8)));
    return held;
}

void PieceSet::add(std::size_t piece) {
    if (has_[piece]) return;
    has_[piece] = true;
    held_ += size(piece);
}

Result<> PieceSet::check(const wire::Piece& piece) const {
    if (piece.total != total_)
        return fail(Fault::corrupt,
                    "a piece of package {} says that it has {} bytes, the ones before said {}", piece.package,
                    piece.total, total_);
    if (piece.offset % wire::piece_bytes != 0 || piece.offset >= total_ ||
        piece.bytes.size() != std::min(wire::piece_bytes, total_ - piece.offset))
        return fail(Fault::corrupt, "a piece of package {} at byte {} of {} has {} bytes", piece.package,
                    piece.offset, piece.total, piece.bytes.size());
    return {};
}

}  // namespace fard
