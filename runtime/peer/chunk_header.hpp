// The first frame of every chunk on a link: a MessagePack map (type 92)
//   {"t": 92, "v": 1, "r": run, "e": [attempt, wiring], "d": ["UINT2 1x1x1x256", ...], "i": index,
//    "s": [[received, started, finished], ...]}
// with the descriptors in short form and one triple of stamps per position of the pipeline. fard writes its
// integers in fixed-width encodings, so on one link all headers have the same bytes but for index and stamps:
// a header is checked by comparing, and handed on by patching. Other encodings of the same map are understood
// too.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_desc.hpp"
#include "runtime/peer/ids.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// What one position did with a chunk; nanoseconds of CLOCK_REALTIME, 0 where it has not been.
struct TraceStamp {
    std::uint64_t received = 0;
    std::uint64_t started = 0;
    std::uint64_t finished = 0;
    friend bool operator==(const TraceStamp&, const TraceStamp&) = default;
};

struct ChunkHeader {
    static constexpr std::uint16_t type = 92, version = 1;
    static constexpr std::size_t cap = 64 * 1024;
    static constexpr std::size_t max_tensors = 256;
    static constexpr std::size_t max_positions = 1024;

    RunId run;
    Epoch epoch;
    std::vector<std::string> tensors;  // short form: type and shape
    std::uint64_t index = 0;
    std::vector<TraceStamp> trace;
    friend bool operator==(const ChunkHeader&, const ChunkHeader&) = default;
};

std::string short_form(const TensorDesc& tensor);  // "UINT2 1x1x1x256"

// The header of anyone. Errors: corrupt (what is wrong with it), unsupported (another type or a later
// version). Unknown keys are skipped.
Result<ChunkHeader> decode_chunk_header(std::string_view bytes);

// How the headers of one link look.
class HeaderForm {
  public:
    // Errors: invalid_input (no tensors or too many, too many positions, a header larger than its cap).
    static Result<HeaderForm> of(const RunId& run, Epoch epoch, const std::vector<TensorDesc>& tensors,
                                 std::uint32_t positions);

    std::size_t bytes() const { return template_.size(); }
    const RunId& run() const { return run_; }
    Epoch epoch() const { return epoch_; }

    // A new header. A trace of another length than the pipeline's is cut or filled up with zeros.
    Frame make(std::uint64_t index, std::span<const TraceStamp> trace) const;

    // The same into bytes() bytes.
    void put(std::span<std::byte> header, std::uint64_t index, std::span<const TraceStamp> trace) const;

    // Turns a header of this very form into that of (index, trace), in place; false: it is of another form,
    // and untouched. Its frame must not be shared.
    bool patch(std::span<std::byte> header, std::uint64_t index, std::span<const TraceStamp> trace) const;

    enum class Match {
        ours,       // index and trace are set
        stale,      // well-formed, but of another run or epoch
        malformed,  // no header, or one with other tensors or another number of positions
    };
    Match read(std::string_view header, std::uint64_t& index, std::vector<TraceStamp>& trace) const;

  private:
    HeaderForm(RunId run, Epoch epoch, std::vector<std::string> tensors, std::uint32_t positions);
    bool has_form(std::string_view header) const;
    void write(char* header, std::uint64_t index, std::span<const TraceStamp> trace) const;

    RunId run_;
    Epoch epoch_;
    std::vector<std::string> tensors_;
    std::uint32_t positions_;
    std::string template_;      // a header with index 0 and an empty trace
    std::size_t index_at_ = 0;  // of the eight bytes of the index
};

}  // namespace fard
