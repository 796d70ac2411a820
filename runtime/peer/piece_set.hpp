// Which pieces of a package's archive somebody has. Pieces lie on a grid of wire::piece_bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/peer/messages_board.hpp"

namespace fard {

inline constexpr std::uint64_t largest_archive = 256 * wire::mib;  // of one package

bool is_package_id(std::string_view text);  // 64 lower-case hex digits

class PieceSet {
  public:
    explicit PieceSet(std::uint64_t total = 0);  // of an archive of so many bytes: none of its pieces
    // Errors: corrupt (what HELD says cannot be).
    static Result<PieceSet> of(const wire::Held& held);
    wire::Held to_held(const std::string& package) const;

    std::uint64_t total() const { return total_; }
    std::uint64_t held() const { return held_; }  // bytes
    std::size_t count() const { return has_.size(); }
    bool complete() const { return total_ > 0 && held_ == total_; }
    bool has(std::size_t piece) const { return piece < has_.size() && has_[piece]; }
    std::uint64_t offset(std::size_t piece) const { return piece * wire::piece_bytes; }
    std::uint64_t size(std::size_t piece) const {
        return std::min(wire::piece_bytes, total_ - offset(piece));
    }
    void add(std::size_t piece);  // one of the grid

    // Whether the piece lies on the grid of this archive. Errors: corrupt.
    Result<> check(const wire::Piece& piece) const;

  private:
    std::uint64_t total_ = 0, held_ = 0;
    std::vector<bool> has_;
};

}  // namespace fard
