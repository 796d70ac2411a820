// A package's archive, put together from pieces in any order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "runtime/peer/messages_board.hpp"

namespace fard {

inline constexpr std::uint64_t piece_bytes = wire::mib;            // all but the last piece have this size
inline constexpr std::uint64_t largest_archive = 256 * wire::mib;  // of one package
bool is_package_id(std::string_view text);                         // 64 lower-case hex digits
wire::Piece cut_piece(const std::string& package, std::string_view archive, std::uint64_t offset);

class PieceAssembly {
  public:
    // A piece that has come before is no error. Errors: corrupt (it does not lie on the grid of pieces, or
    // has another total than the pieces before), refused (the archive would be larger than largest_archive).
    Result<> add(wire::Piece piece);

    bool complete() const { return started_ && held_ == total_; }
    std::uint64_t held() const { return held_; }  // bytes
    std::uint64_t total() const { return total_; }
    std::uint64_t next_missing() const;  // offset of the first piece that has not come
    std::string join() &&;               // the whole archive, of a complete assembly

  private:
    std::map<std::uint64_t, std::string> pieces_;  // by offset
    std::uint64_t total_ = 0, held_ = 0;
    bool started_ = false;
};

}  // namespace fard
